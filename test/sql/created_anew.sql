-- An extension that is dropped and created again: ids of types and messages begin anew, and nothing
-- that shared memory knew of the former ones is taken for that of the new ones.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dgen CASCADE;
DROP SCHEMA IF EXISTS dgen CASCADE;
CREATE EXTENSION dgen;
RESET client_min_messages;

-- The next session sees what the last one has left only when that one is gone.
CREATE PROCEDURE wait_for_others() LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
			AND pid <> pg_backend_pid()) LOOP
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
	END LOOP;
END $$;

SELECT dgen.create_actor_type('former', max_attempts => 5);
-- A rate that is spent.
SELECT dgen.create_actor_type('slow', max_rate => 0.001);
SELECT dgen.cast('slow', 'k', '1') > 0 AS sent;
SELECT FROM dgen.attach('w', '{slow}');
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
COMMIT;
SELECT dgen.detach();


-- Sessions end with a message of 'k' until it is alone, and until that counts as an attempt.
SELECT dgen.cast('former', 'k', to_jsonb(i)) > 0 AS sent FROM generate_series(1, 3) i;
\c -
CALL wait_for_others();
SELECT FROM dgen.attach('w', '{former}');
BEGIN;
SELECT message FROM dgen.claim();
\c -
CALL wait_for_others();
SELECT FROM dgen.attach('w', '{former}');
BEGIN;
SELECT message FROM dgen.claim();
\c -
CALL wait_for_others();
SELECT FROM dgen.attach('w', '{former}');
BEGIN;
SELECT message FROM dgen.claim();
\c -
CALL wait_for_others();
-- Hints of actors that nobody has come to.
SELECT dgen.cast_many('former', array_agg('h' || i), array_agg(to_jsonb(i))) FROM generate_series(1, 100) i;

DROP EXTENSION dgen;
CREATE EXTENSION dgen;
SELECT dgen.create_actor_type('fresh', max_attempts => 5);
SELECT dgen.cast('fresh', 'other', '0') > 0 AS sent;
SELECT dgen.cast('fresh', 'k', to_jsonb(i)) > 0 AS sent FROM generate_series(1, 3) i;
SELECT FROM dgen.attach('w', '{fresh}');
BEGIN;
SELECT actor_key, message FROM dgen.claim() ORDER BY actor_key, message;
COMMIT;
SELECT attempts, error FROM dgen.messages ORDER BY message_id;
SELECT dgen.create_actor_type('slow', max_rate => 0.001);
SELECT dgen.cast('slow', 'k', '1') > 0 AS sent;
SELECT FROM dgen.attach('w', '{slow}');
BEGIN;
SELECT message FROM dgen.claim();
COMMIT;

-- A suspect, and a session that lives on and has read the former tables.
\c -
CALL wait_for_others();
SELECT FROM dgen.attach('w', '{fresh}');
BEGIN;
SELECT actor_key, message FROM dgen.claim() ORDER BY actor_key, message;
\c -
CALL wait_for_others();
SELECT FROM dgen.attach('w', '{fresh}');
BEGIN;
SELECT actor_key, message FROM dgen.claim() ORDER BY actor_key, message;
\c -
CALL wait_for_others();
SELECT FROM dgen.attach('w', '{fresh}');
BEGIN;
SELECT count(*) FROM dgen.claim();
ROLLBACK;
DROP EXTENSION dgen;
CREATE EXTENSION dgen;
SELECT dgen.create_actor_type('fresh');
SELECT dgen.cast('fresh', 'k', to_jsonb(i)) > 0 AS sent FROM generate_series(1, 3) i;
SELECT FROM dgen.attach('w', '{fresh}');
BEGIN;
SELECT actor_key, message FROM dgen.claim() ORDER BY actor_key, message;
COMMIT;
SELECT dgen.detach();
SELECT dgen.drop_actor_type('fresh', discard => true);
DROP PROCEDURE wait_for_others;
