-- The size of batches.
--
-- What counts is what the worker says that its turns took, not how long it was away. And a batch
-- that took very long counts as less: in 10 ms there is room for 50 turns then.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;

SELECT dgen.create_actor_type('sized');
SELECT dgen.attach('w', '{sized}') IS NULL AS attached;
SELECT dgen.cast_many('sized', array_agg('k'::text), array_agg(to_jsonb(i))) FROM generate_series(1, 300) i;
BEGIN;
SELECT count(*) FROM dgen.claim(max_messages => 2);
SELECT FROM pg_sleep(0.1);
SELECT dgen.commit_turns(ARRAY[2], run_us => 100);
COMMIT;
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT FROM pg_sleep(0.1);
SELECT dgen.commit_turns(ARRAY[1]);
COMMIT;
BEGIN;
SELECT count(*) FROM dgen.claim();
ROLLBACK;

-- Many small messages are one batch, though the same bytes could be much more text (numbers such as
-- 1e131071).
SELECT dgen.create_actor_type('small');
SELECT dgen.attach('w', '{small}') IS NULL AS attached;
SET dgen.batch_duration = '1 min';
SELECT dgen.cast_many('small', array_agg('k' || lpad((i % 100)::text, 2, '0')), array_agg(to_jsonb(repeat('x', 41)))) FROM generate_series(1, 1000) i;
BEGIN;
SELECT count(*) FROM dgen.claim(max_messages => 1000);
ROLLBACK;
RESET dgen.batch_duration;
SELECT dgen.detach();
SELECT dgen.drop_actor_type('small', discard => true);
SELECT dgen.drop_actor_type('sized', discard => true);
