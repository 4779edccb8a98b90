-- What a turn must not leave in the session of dgen.call, and what of the caller it must not
-- touch. (Constraints are in deferred.sql, workers in test/t/035_leftovers.pl.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_owner;
CREATE ROLE regress_dgen_caller;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_owner;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_owner;
CREATE SCHEMA regress_leftovers AUTHORIZATION regress_dgen_owner;
GRANT USAGE ON SCHEMA regress_leftovers TO regress_dgen_caller;
SET ROLE regress_dgen_owner;
SET search_path = regress_leftovers, pg_temp;
-- Runs the statements of the message.
CREATE FUNCTION run(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql
AS $$
DECLARE
	statement text;
BEGIN
	FOR statement IN SELECT * FROM jsonb_array_elements_text(message) LOOP
		EXECUTE statement;
	END LOOP;
	RETURN dgen.reply('"done"');
END
$$;
SELECT dgen.create_actor_type('runner', 'run');
SELECT dgen.grant_send('runner', 'regress_dgen_caller');
-- SQLSTATE, message and hint of a turn that runs the statements, or what it replied.
CREATE FUNCTION turn(VARIADIC statements text[]) RETURNS text
	LANGUAGE plpgsql
AS $$
DECLARE
	text text;
	hint text;
BEGIN
	RETURN dgen.call('runner', 'a', to_jsonb(statements));
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS text = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' / ', SQLSTATE, text, NULLIF(hint, '')), 'pg_temp_\d+', 'pg_temp_N');
END
$$;
SET ROLE regress_dgen_caller;

-- Statements that belong to the session, wherever they are.
PREPARE callers AS SELECT 'of the caller' AS this;
LISTEN callers;
SELECT turn(s) FROM unnest(ARRAY['PREPARE p AS SELECT 1', 'DEALLOCATE callers', 'DEALLOCATE ALL', 'LISTEN l', 'UNLISTEN *', 'LOAD ''plpgsql''',
	'DISCARD PLANS', 'DISCARD SEQUENCES', 'DISCARD TEMP', 'DO $d$ BEGIN EXECUTE ''PREPARE p AS SELECT 1''; END $d$']) AS s;
SELECT turn('NOTIFY nobody');
EXECUTE callers;
SELECT * FROM pg_listening_channels();
UNLISTEN *;
-- Also after an error that the handler has caught: nothing was done.
SELECT turn('DO $d$ BEGIN PREPARE p AS SELECT 1; EXCEPTION WHEN SQLSTATE ''ZD047'' THEN NULL; END $d$');
SELECT name FROM pg_prepared_statements;

-- Cursors.
BEGIN;
SELECT dgen.call('runner', 'a', '["DECLARE c CURSOR FOR SELECT 1", "TABLE nowhere"]');
ROLLBACK;
BEGIN;
SELECT dgen.call('runner', 'a', '["DECLARE c CURSOR FOR SELECT 1", "DECLARE d SCROLL CURSOR FOR SELECT 2", "FETCH c"]');
SELECT name FROM pg_cursors WHERE name <> '';
COMMIT;
SELECT turn('DECLARE c CURSOR WITH HOLD FOR SELECT pg_sleep(60)');
SELECT turn('DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'CLOSE c');
SELECT turn('DO $d$ BEGIN EXECUTE ''DECLARE c CURSOR WITH HOLD FOR SELECT 1''; EXCEPTION WHEN division_by_zero THEN NULL; END $d$');
-- Those of the caller stay, unless the turn has put one of its own in their place.
BEGIN;
DECLARE c CURSOR FOR SELECT generate_series(1, 9) AS callers;
DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 9) AS callers;
FETCH c;
SELECT dgen.call('runner', 'a', '["DECLARE d CURSOR FOR SELECT 2"]');
FETCH c;
SELECT dgen.call('runner', 'a', '["CLOSE c", "DECLARE c CURSOR FOR SELECT current_user"]');
SELECT name FROM pg_cursors WHERE name <> '' ORDER BY name;
COMMIT;
FETCH h;
SELECT dgen.call('runner', 'a', '["CLOSE h", "DECLARE h CURSOR FOR SELECT current_user"]');
SELECT name FROM pg_cursors WHERE name <> '' ORDER BY name;
DO $$
DECLARE
	i integer;
BEGIN
	FOR i IN SELECT * FROM generate_series(1, 3) LOOP
		PERFORM dgen.call('runner', 'a', '["DECLARE d CURSOR FOR SELECT 2"]');
	END LOOP;
END
$$;

-- Temporary objects.
SELECT turn(s) FROM unnest(ARRAY['CREATE TEMPORARY TABLE t (i integer)', 'CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT 1', 'DO $d$ BEGIN CREATE TEMPORARY TABLE t (i integer); END $d$',
	'CREATE TEMPORARY VIEW t AS SELECT 1 AS i', 'CREATE TEMPORARY SEQUENCE t', 'CREATE FUNCTION pg_temp.t() RETURNS integer LANGUAGE sql AS ''SELECT 1''',
	'CREATE TYPE pg_temp.t AS (i integer)', 'CREATE DOMAIN pg_temp.t AS integer']) AS s;
SELECT turn('CREATE TEMPORARY TABLE t (i integer PRIMARY KEY)', 'INSERT INTO t VALUES (1)', 'DROP TABLE t');
SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema();
-- Those of the caller stay, and hide none.
CREATE TEMPORARY TABLE before (i integer);
BEGIN;
CREATE TEMPORARY TABLE callers (i integer);
GRANT INSERT ON callers TO PUBLIC;
SELECT dgen.call('runner', 'a', '["INSERT INTO pg_temp.callers VALUES (1)"]');
SELECT turn('CREATE TEMPORARY TABLE t (i integer)');
TABLE callers;
-- The server goes on knowing of them.
SELECT dgen.call('runner', 'a', '[]');
PREPARE TRANSACTION 'regress_leftovers';
SELECT turn('CREATE TEMPORARY TABLE t (i integer)');
DROP TABLE before;

-- Advisory locks of the session: gone, whether the turn fails by them or otherwise.
CREATE VIEW pg_temp.held AS SELECT classid, objid, objsubid, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid IN (1, 2);
SELECT turn('SELECT pg_advisory_lock(-5)');
SELECT turn('SELECT pg_advisory_lock_shared(1, -2)', 'SELECT pg_advisory_lock_shared(1, -2)', 'SELECT pg_try_advisory_lock(7)');
SELECT turn('SELECT pg_advisory_lock(5)', 'SELECT 1/0');
SELECT turn('SELECT pg_advisory_lock(5)', 'SELECT pg_advisory_unlock(5)');
SELECT turn('SELECT pg_advisory_lock(5)', 'SELECT pg_advisory_xact_lock(5)');
TABLE pg_temp.held;
BEGIN;
SELECT dgen.call('runner', 'a', '["SELECT pg_advisory_xact_lock(5)"]');
TABLE pg_temp.held;
COMMIT;
SELECT pg_advisory_lock(6);
SELECT turn('SELECT pg_advisory_lock(5)');
SELECT turn('SELECT 1');
TABLE pg_temp.held;
SELECT turn('SELECT pg_advisory_unlock_all()');
TABLE pg_temp.held;
-- Also where the server has prepared the expression earlier: for the caller in the same transaction,
-- for a turn before this one.
SET ROLE regress_dgen_owner;
CREATE FUNCTION locks(i integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(i); RETURN i; END $$;
CREATE FUNCTION locker(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS $$ SELECT dgen.reply(to_jsonb(pg_try_advisory_lock(9))) $$;
SELECT dgen.create_actor_type('locker', 'locker');
SELECT dgen.grant_send('locker', 'regress_dgen_caller');
SET ROLE regress_dgen_caller;
BEGIN;
SELECT locks(8);
SELECT turn('SELECT regress_leftovers.locks(9)');
TABLE pg_temp.held;
COMMIT;
SELECT pg_advisory_unlock(8);
SELECT dgen.call('locker', 'a');
SELECT dgen.call('locker', 'a');
TABLE pg_temp.held;

-- Large objects that are open.
BEGIN;
SELECT dgen.call('runner', 'a', '["SELECT lo_open(lo_create(0), 131072)"]');
SELECT lo_tell(0);
ROLLBACK;
BEGIN;
SELECT lo_open(lo_create(0), 131072);
SELECT dgen.call('runner', 'a', '["SELECT lo_open(lo_create(0), 131072)"]');
SELECT lo_tell(0);
SELECT lo_tell(1);
ROLLBACK;

-- Settings.
SET application_name = 'of the caller';
SET my.own = 'of the caller';
SELECT dgen.call('runner', 'a', '["SET application_name = ''x''", "SET my.own = ''x''", "SET my.other = ''x''", "SET LOCAL work_mem = ''1MB''", "SELECT set_config(''my.third'', ''x'', false)"]');
SELECT dgen.call('runner', 'a', '["RESET ALL"]');
SHOW application_name;
SHOW my.own;
SELECT NULLIF(current_setting('my.other', true), '') AS other, NULLIF(current_setting('my.third', true), '') AS third,
	current_setting('work_mem') = '1MB' AS work_mem, current_setting('search_path');
SELECT turn(s) FROM unnest(ARRAY['SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET ROLE']) AS s;
SELECT current_user;

-- What runs at the end of the turn is part of it.
SET ROLE regress_dgen_owner;
CREATE TABLE late (i integer);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CREATE TEMPORARY TABLE t (i integer); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
SELECT turn('INSERT INTO late VALUES (1)');

SELECT dgen.drop_actor_type('runner', discard => true), dgen.drop_actor_type('locker', discard => true);
RESET ROLE;
RESET search_path;
DEALLOCATE callers;
SET client_min_messages = warning;
DROP SCHEMA regress_leftovers CASCADE;
DROP OWNED BY regress_dgen_owner, regress_dgen_caller;
DROP ROLE regress_dgen_owner, regress_dgen_caller;
