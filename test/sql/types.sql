-- Actor types: create, alter, drop; every parameter's bounds and every error.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
DROP ROLE IF EXISTS regress_dgen_maker, regress_dgen_other;
RESET client_min_messages;

CREATE ROLE regress_dgen_maker;
CREATE ROLE regress_dgen_other;
CREATE SCHEMA regress_types AUTHORIZATION regress_dgen_maker;
CREATE SCHEMA "Odd Schema" AUTHORIZATION regress_dgen_maker;

-- Creating types is granted by hand.
SET ROLE regress_dgen_maker;
SELECT dgen.create_actor_type('t1');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_maker, regress_dgen_other;
SET ROLE regress_dgen_maker;
SELECT dgen.create_actor_type('t1');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_maker, regress_dgen_other;
SET ROLE regress_dgen_maker;

-- An external type with all defaults.
SELECT dgen.create_actor_type('t1');
CREATE FUNCTION pg_temp.show_type(name text) RETURNS TABLE (actor_type text, owner regrole, handler text,
	initial_state jsonb, max_attempts integer, backoff interval, max_backoff interval, turn_timeout interval,
	retention interval, search_path text) LANGUAGE sql
AS $$
	SELECT actor_type, owner, handler, initial_state, max_attempts, backoff, max_backoff, turn_timeout, retention,
		search_path FROM dgen.actor_types WHERE actor_type = $1
$$;
\x on
SELECT * FROM pg_temp.show_type('t1');
\x off

-- A name is taken once, unless replace is true.
SELECT dgen.create_actor_type('t1');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t1', initial_state => '{"n": 1}', max_attempts => 3, backoff => '1 s',
	max_backoff => '2 s', turn_timeout => '3 s', retention => '4 s', replace => true);
\x on
SELECT * FROM pg_temp.show_type('t1');
\x off

-- Only its owner replaces it.
SET ROLE regress_dgen_other;
SELECT dgen.create_actor_type('t1', replace => true);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type('t1', max_attempts => 2);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.drop_actor_type('t1');
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_dgen_maker;

-- Bounds.
SELECT dgen.create_actor_type(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type(repeat('x', 129));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', initial_state => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', initial_state => '[1]');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', max_attempts => NULL);
SELECT dgen.create_actor_type('bad', max_attempts => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', backoff => '-1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', backoff => NULL);
SELECT dgen.create_actor_type('bad', max_backoff => '-1 s');
SELECT dgen.create_actor_type('bad', backoff => '2 min');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', turn_timeout => '0');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('bad', turn_timeout => '1 month');
SELECT dgen.create_actor_type('bad', retention => '0');
\echo :LAST_ERROR_SQLSTATE

-- The bounds themselves are fine.
SELECT dgen.create_actor_type(repeat('x', 128), max_attempts => 1, backoff => '0', max_backoff => '0',
	turn_timeout => '1 ms', retention => '1 ms');
SELECT dgen.drop_actor_type(repeat('x', 128));

-- Handlers are found on the search_path by their signature, and kept with it.
SET search_path = regress_types;
CREATE FUNCTION handler(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION handler(message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION "Odd Schema"."Odd Handler"(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION wrong_result(ctx dgen.context, state jsonb, message jsonb) RETURNS jsonb
	LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION returns_set(ctx dgen.context, state jsonb, message jsonb) RETURNS SETOF dgen.outcome
	LANGUAGE plpgsql AS 'BEGIN RETURN; END';
CREATE PROCEDURE is_procedure(ctx dgen.context, state jsonb, message jsonb)
	LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION pg_temp.temporary(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT dgen.create_actor_type('t2', 'handler');
SELECT handler, search_path FROM pg_temp.show_type('t2');
SET search_path = "$user", regress_types, pg_temp;
SELECT dgen.create_actor_type('t2', ' "Odd Schema" . "Odd Handler" ', replace => true);
SELECT handler, search_path FROM pg_temp.show_type('t2');
SET search_path = '';
SELECT dgen.create_actor_type('t2', 'regress_types.handler', replace => true);
SELECT handler, search_path FROM pg_temp.show_type('t2');
SELECT dgen.create_actor_type('t3', 'handler');
\echo :LAST_ERROR_SQLSTATE
SET search_path = regress_types;
SELECT dgen.create_actor_type('t3', 'handler(dgen.context, jsonb, jsonb)');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', 'a.b.c');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', 'a..c');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', 'wrong_result');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', 'returns_set');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', 'is_procedure');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', 'pg_temp.temporary');
\echo :LAST_ERROR_SQLSTATE

-- A role can only have handlers that it may execute.
REVOKE EXECUTE ON FUNCTION handler(dgen.context, jsonb, jsonb) FROM PUBLIC;
GRANT USAGE ON SCHEMA regress_types TO regress_dgen_other;
SET ROLE regress_dgen_other;
SELECT dgen.create_actor_type('t3', 'handler');
\echo :LAST_ERROR_SQLSTATE

-- Untrusted languages are for superusers, who are warned.
RESET ROLE;
CREATE FUNCTION regress_types.untrusted(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE internal AS 'now';
SET ROLE regress_dgen_maker;
SELECT dgen.create_actor_type('t3', 'untrusted');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
\set VERBOSITY terse
DO $$
BEGIN
	PERFORM dgen.create_actor_type('t3', 'untrusted');
	PERFORM dgen.drop_actor_type('t3');
EXCEPTION WHEN others THEN
	RAISE INFO '%', SQLERRM;
END
$$;
\set VERBOSITY default
SET ROLE regress_dgen_maker;

-- alter changes what is given. A new handler takes the search_path of now.
SELECT dgen.alter_actor_type('t1', max_attempts => 7, initial_state => '{"n": 2}');
SELECT dgen.alter_actor_type('t1', 'handler', backoff => '10 ms', turn_timeout => '1 min');
\x on
SELECT * FROM pg_temp.show_type('t1');
\x off
SELECT dgen.alter_actor_type('t1', handler => '', max_backoff => '1 hour', retention => '1 hour');
\x on
SELECT * FROM pg_temp.show_type('t1');
\x off
SELECT dgen.alter_actor_type('t1', max_attempts => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type('t1', max_backoff => '1 ms');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type('t1', 'missing');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type('missing', max_attempts => 1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type(NULL, max_attempts => 1);
\echo :LAST_ERROR_SQLSTATE

-- A superuser's changes leave the owner what it was.
RESET ROLE;
SELECT dgen.alter_actor_type('t1', max_attempts => 8);
SELECT dgen.create_actor_type('t1', max_attempts => 9, replace => true);
SELECT owner, max_attempts FROM pg_temp.show_type('t1');
-- So do those of a member of the owning role.
GRANT regress_dgen_maker TO regress_dgen_other;
SET ROLE regress_dgen_other;
SELECT dgen.alter_actor_type('t1', max_attempts => 10);
SELECT owner, max_attempts FROM pg_temp.show_type('t1');
RESET ROLE;
REVOKE regress_dgen_maker FROM regress_dgen_other;
SET ROLE regress_dgen_maker;

-- A change counts at once, in this session and after a rollback too.
BEGIN;
SELECT dgen.create_actor_type('t4');
SELECT dgen.state('t4', 'k');
ROLLBACK;
SELECT dgen.state('t4', 'k');
\echo :LAST_ERROR_SQLSTATE

-- if_not_exists leaves a type as it is, whoever owns it; and who may use the schema may ask.
SELECT dgen.actor_type_exists('t1') AS t1, dgen.actor_type_exists('missing') AS missing, dgen.actor_type_exists(NULL) IS NULL AS asks_nothing;
SELECT dgen.create_actor_type('t1', max_attempts => 77, if_not_exists => true);
SELECT dgen.create_actor_type('t3', max_attempts => 77, if_not_exists => true);
SELECT dgen.create_actor_type('t3', max_attempts => 78, if_not_exists => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('t3', replace => true, if_not_exists => true);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('', if_not_exists => true);
\echo :LAST_ERROR_SQLSTATE
SELECT actor_type, max_attempts FROM dgen.actor_types WHERE max_attempts >= 77;
BEGIN;
SELECT dgen.drop_actor_type('t3');
SELECT dgen.actor_type_exists('t3') AS dropped;
ROLLBACK;
SELECT dgen.actor_type_exists('t3') AS again;
SELECT dgen.drop_actor_type('t3');
-- drop refuses while there is something of the type.
SELECT dgen.drop_actor_type('missing');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('t1', 'a') IS NOT NULL AS sent, dgen.cast('t1', 'a', delay => '1 day') IS NOT NULL AS sent,
	dgen.request('t1', 'b') IS NOT NULL AS sent;
SELECT dgen.pause('t1'), dgen.grant_send('t1', 'regress_dgen_other');
SELECT dgen.drop_actor_type('t1');
\echo :LAST_ERROR_SQLSTATE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT dgen.drop_actor_type('t1', discard => true);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT dgen.drop_actor_type('t1', discard => true);
SELECT dgen.drop_actor_type('t1', discard => true);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('t1', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.drop_actor_type('t2');
RESET ROLE;

-- Nothing of them is left, and ids are not used again.
SELECT (SELECT count(*) FROM dgen.actor_type WHERE owner = 'regress_dgen_maker'::regrole) AS types,
	(SELECT count(*) FROM dgen.message) AS messages,
	(SELECT count(*) FROM dgen.delayed_message) AS delayed_messages,
	(SELECT count(*) FROM dgen.request WHERE status <> 'c') AS requests,
	(SELECT count(*) FROM dgen.paused) AS paused,
	(SELECT count(*) FROM dgen.privilege) AS privileges;
SELECT last_value AS before FROM dgen.actor_type_id_seq \gset
SET ROLE regress_dgen_maker;
SELECT dgen.create_actor_type('t1');
RESET ROLE;
SELECT id > :before AS higher FROM dgen.actor_type WHERE name = 't1';
SELECT dgen.drop_actor_type('t1');

RESET search_path;
SET client_min_messages = warning;
DROP FUNCTION pg_temp.show_type, pg_temp.temporary;
DROP SCHEMA regress_types, "Odd Schema" CASCADE;
DROP OWNED BY regress_dgen_maker, regress_dgen_other;
DROP ROLE regress_dgen_maker, regress_dgen_other;
