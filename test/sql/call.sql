-- dgen.call: when it runs, and every reason for which it refuses. (Outcomes are in
-- handlers.sql; several sessions in test/specs/iso_call.spec.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_owner;
CREATE ROLE regress_dgen_caller;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_owner;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_owner;
CREATE SCHEMA regress_call AUTHORIZATION regress_dgen_owner;
GRANT USAGE ON SCHEMA regress_call TO regress_dgen_caller;
SET ROLE regress_dgen_owner;
SET search_path = regress_call, pg_temp;
-- Adds message.n to state.n; "fail" is an error.
CREATE FUNCTION add(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql
AS $$
DECLARE
	n integer := (state ->> 'n')::integer + COALESCE((message ->> 'n')::integer, 1);
BEGIN
	IF message ? 'fail' THEN
		RAISE EXCEPTION 'told to fail';
	END IF;
	RETURN dgen.reply(to_jsonb(n), jsonb_build_object('n', n));
END
$$;
SELECT dgen.create_actor_type('adder', 'add', initial_state => '{"n": 0}', backoff => '1 day', max_backoff => '1 day');
SELECT dgen.create_actor_type('external');
SELECT dgen.grant_send('adder', 'regress_dgen_caller');

-- Arguments: a default message, any timeout from zero on, NULL for none.
SELECT dgen.call('adder', 'a');
SELECT dgen.call('adder', 'a', '{"n": 10}', '1 day') AS eleven, dgen.call('adder', 'a', '{"n": 10}', '0') AS twenty_one,
	dgen.call('adder', 'a', '{"n": 10}', NULL) AS thirty_one, dgen.call('adder', 'b', timeout => '10 years') AS one;
SELECT dgen.call('missing', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call(NULL, 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('adder', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('adder', '');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('adder', repeat('k', 513));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('adder', 'a', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('adder', 'a', timeout => '-1 ms');
\echo :LAST_ERROR_SQLSTATE

-- An external type.
SELECT dgen.call('external', 'a');
\echo :LAST_ERROR_SQLSTATE

-- Paused: the actor, the type.
SELECT dgen.pause('adder', 'a');
SELECT dgen.call('adder', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('adder', 'b') AS others;
SELECT dgen.resume('adder', 'a'), dgen.pause('adder');
SELECT dgen.call('adder', 'b');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.resume('adder');
SELECT dgen.call('adder', 'a'), dgen.call('adder', 'b');

-- Backing off: a worker recorded a failed attempt.
SELECT dgen.cast('adder', 'c', '{"fail": true}') AS failing \gset
SELECT extension_version IS NOT NULL AS attached FROM dgen.attach('w', '{adder}');
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{oops}', sqlstates => '{P0001}');
COMMIT;
\set VERBOSITY terse
DO $$
BEGIN
	PERFORM dgen.call('adder', 'c');
EXCEPTION WHEN SQLSTATE 'ZD022' THEN
	RAISE INFO '% (%)', SQLERRM, SQLSTATE;
END
$$;
\set VERBOSITY default
SELECT dgen.call('adder', 'a') AS others;
-- The message is cancelled, or the time has come: the call handles it first, and its error is the caller's.
RESET ROLE;
UPDATE dgen.failed_attempt SET retry_at = clock_timestamp();
SET ROLE regress_dgen_owner;
SELECT dgen.call('adder', 'c');
\echo :LAST_ERROR_SQLSTATE
SELECT attempts, last_error FROM dgen.mailbox('adder', 'c');
SELECT dgen.cancel('adder', 'c', :failing);
SELECT dgen.call('adder', 'c');

-- A backlog that is too long.
SET dgen.call_backlog = 2;
SELECT count(dgen.cast('adder', 'd')) FROM generate_series(1, 2);
SELECT dgen.call('adder', 'd');
SELECT count(dgen.cast('adder', 'd')) FROM generate_series(1, 3);
SELECT dgen.call('adder', 'd');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('adder', 'd'), (SELECT count(*) FROM dgen.mailbox('adder', 'd')) AS waiting;
SET dgen.call_backlog = 3;
SELECT dgen.call('adder', 'd');
SET dgen.call_backlog = 0;
SELECT dgen.call('adder', 'd');
SELECT dgen.cast('adder', 'd') > 0 AS sent;
\set VERBOSITY sqlstate
SELECT dgen.call('adder', 'd');
\set VERBOSITY default
RESET dgen.call_backlog;
-- Messages of another actor with the same mailbox do not count, and hide none.
\set A '''lizuvykkEkiaA'''
\set B '''FByEeqihkuybX'''
SELECT dgen.mailbox_of(:A) = dgen.mailbox_of(:B) AS same;
SET dgen.call_backlog = 2;
SELECT count(dgen.cast('adder', :A, '{"n": 100}')) FROM generate_series(1, 5);
SELECT count(dgen.cast('adder', :B)) FROM generate_series(1, 2);
SELECT dgen.call('adder', :B) AS three;
SELECT count(dgen.cast('adder', :B)) FROM generate_series(1, 3);
\set VERBOSITY sqlstate
SELECT dgen.call('adder', :B);
SELECT dgen.call('adder', :A);
\set VERBOSITY default
RESET dgen.call_backlog;
SELECT dgen.call('adder', :A) AS a, dgen.call('adder', :B) AS b;
SELECT count(dgen.cast('adder', :A)) FROM dgen.pause('adder', :A), generate_series(1, 1100);
SELECT count(dgen.cast('adder', :B)) FROM generate_series(1, 2);
SELECT dgen.call('adder', :B) AS b;
SELECT dgen.delete_actor('adder', :A);
-- Delayed messages are not before the call.
SELECT dgen.cast('adder', 'd', '{"fail": true}', delay => '1 day') > 0 AS sent;
SELECT dgen.call('adder', 'd');

-- Isolation: only READ COMMITTED.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT dgen.call('adder', 'a');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
\set VERBOSITY sqlstate
SELECT dgen.call('adder', 'a');
ROLLBACK;
BEGIN READ ONLY;
SELECT dgen.call('adder', 'a');
ROLLBACK;
\set VERBOSITY default
BEGIN ISOLATION LEVEL READ UNCOMMITTED;
SELECT dgen.call('adder', 'a');
ROLLBACK;

-- In a claimed batch, of the same actor or another.
SELECT dgen.cast('adder', 'e') > 0 AS sent;
BEGIN;
SELECT actor_key FROM dgen.claim();
SAVEPOINT s;
SELECT dgen.call('adder', 'e');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
\set VERBOSITY sqlstate
SELECT dgen.call('adder', 'a');
\set VERBOSITY default
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}');
SELECT dgen.call('adder', 'a') > '0' AS after_the_batch;
COMMIT;
SELECT dgen.detach();

-- Who may send may call, and nobody else.
SET ROLE regress_dgen_caller;
SELECT dgen.call('adder', 'f');
SELECT dgen.call('external', 'f');
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_dgen_owner;
SELECT dgen.revoke_send('adder', 'regress_dgen_caller');
RESET ROLE;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_caller;
SET ROLE regress_dgen_caller;
SELECT dgen.call('adder', 'f');
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_dgen_owner;
SELECT dgen.grant_send('adder', 'regress_dgen_caller');

-- Part of the caller's transaction: several calls, a rollback, a savepoint, an exception block.
BEGIN;
SELECT dgen.call('adder', 'g'), dgen.call('adder', 'g'), dgen.call('adder', 'h');
SAVEPOINT s;
SELECT dgen.call('adder', 'g'), dgen.call('adder', 'i');
ROLLBACK TO s;
SELECT dgen.call('adder', 'g');
DO $$
BEGIN
	PERFORM dgen.call('adder', 'g', '{"n": 100}');
	PERFORM dgen.call('adder', 'g', '{"fail": true}');
EXCEPTION WHEN raise_exception THEN
	RAISE INFO '%, and the actor has %', SQLERRM, dgen.call('adder', 'g', '{"n": 0}');
END
$$;
COMMIT;
SELECT k, dgen.state('adder', k) FROM unnest(ARRAY['g', 'h', 'i']) AS k;
BEGIN;
SELECT dgen.call('adder', 'g');
ROLLBACK;
SELECT dgen.state('adder', 'g');
-- In a trigger, and once per row.
CREATE TABLE cart (id integer);
CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM dgen.call('adder', 'carts'); RETURN NULL; END $$;
CREATE TRIGGER count_it AFTER INSERT ON cart FOR EACH ROW EXECUTE FUNCTION count_it();
INSERT INTO cart SELECT generate_series(1, 10);
SELECT dgen.state('adder', 'carts');

-- Deferred triggers of the handler's tables run with its owner's rights, before the
-- call returns; those of the caller run with the caller's.
CREATE TABLE noted (who text);
GRANT INSERT ON noted TO regress_dgen_caller;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '% in trigger as %', NEW.who, current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER tell AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell();
CREATE FUNCTION note(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS $$ INSERT INTO noted VALUES ('handler'); SELECT dgen.reply('"noted"') $$;
SELECT dgen.create_actor_type('noter', 'note');
SELECT dgen.grant_send('noter', 'regress_dgen_caller');
SET ROLE regress_dgen_caller;
BEGIN;
INSERT INTO noted VALUES ('caller');
SELECT dgen.call('noter', 'a');
COMMIT;

SET ROLE regress_dgen_owner;
SELECT dgen.drop_actor_type('adder', discard => true), dgen.drop_actor_type('noter', discard => true), dgen.drop_actor_type('external', discard => true);
RESET ROLE;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_call CASCADE;
DROP OWNED BY regress_dgen_owner, regress_dgen_caller;
DROP ROLE regress_dgen_owner, regress_dgen_caller;
