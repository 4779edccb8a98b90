\set key random(1, 10000)
INSERT INTO bench_actor AS a (type_id, mailbox, actor_key, version, status, updated_at, state)
VALUES (1, hashtextextended('key-' || :key, 0), 'key-' || :key, nextval('bench_version_seq'), 'active', clock_timestamp(), '{"n": 1}')
ON CONFLICT (type_id, mailbox, actor_key) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at,
	state = jsonb_build_object('n', (a.state->>'n')::bigint + 1)
RETURNING a.state->'n';
