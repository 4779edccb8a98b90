\set key random(1, 100000)
INSERT INTO bench_message (mailbox, seq, sent_at, type_id, priority, kind, actor_key, message)
VALUES (hashtextextended('key-' || :key, 0), nextval('bench_message_seq'), clock_timestamp(), 1, 0::smallint, 'c', 'key-' || :key, '{"add": 1}');
