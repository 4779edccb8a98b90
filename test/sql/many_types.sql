-- A worker with more types and actions than dgen.workers names: it says so, and nobody is told that nobody takes the others.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dgen CASCADE;
DROP SCHEMA IF EXISTS dgen CASCADE;
CREATE EXTENSION dgen;
RESET client_min_messages;
CREATE FUNCTION names(count integer) RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg('a' || n ORDER BY n) FROM generate_series(1, count) n $$;
SELECT count(dgen.create_actor_type(n)) FROM unnest(names(33)) n;
CREATE VIEW shown AS
	SELECT cardinality(types) AS types, cardinality(messages) AS messages, cardinality(actions) AS actions, cardinality(locked) AS locked, complete FROM dgen.workers;
CREATE PROCEDURE act(name text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dgen.cast(name, 'k', '1');
	PERFORM dgen.claim();
	PERFORM dgen.commit_turns('{1}', send_types => ARRAY[name], send_keys => '{k}', send_messages => '{1}', send_actors => '{1}', send_actions => '{true}', send_correlations => '{pay}');
END $$;

-- 20 types with their actions: 12 actions are named, and the last one is not among them.
SELECT FROM dgen.attach('w', names(20), actions => names(20));
SELECT * FROM shown;
CALL act('a20');
SELECT dgen.explain_actor('a20', 'k');
BEGIN;
SELECT actor_type, kind FROM dgen.claim();
ROLLBACK;
-- With all of them named it is known.
SELECT FROM dgen.attach('w', names(16), actions => names(16));
SELECT * FROM shown;
SELECT FROM dgen.attach('w', '{a20}');
SELECT dgen.explain_actor('a20', 'k');

-- 33 types.
SELECT dgen.cast('a33', 'k', '1') > 0 AS sent;
SELECT dgen.explain_actor('a33', 'k');
SELECT FROM dgen.attach('w', names(33));
SELECT * FROM shown;
SELECT dgen.explain_actor('a33', 'k');
CALL dgen.ask('a33', 'k', '1', timeout => '1 ms');
BEGIN;
SELECT actor_type, kind FROM dgen.claim();
ROLLBACK;
SELECT FROM dgen.attach('w', names(32));
SELECT * FROM shown;
SELECT dgen.explain_actor('a33', 'k');
SELECT dgen.detach();
SELECT count(dgen.drop_actor_type(n, discard => true)) FROM unnest(names(33)) n;
DROP VIEW shown;
DROP FUNCTION names;
DROP PROCEDURE act;
