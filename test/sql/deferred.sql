-- Deferred triggers and constraints around dgen.call: those of the turn are fired at its end, as
-- its owner; those of the caller in its own time, as the caller; and everybody's modes stay.
-- (Workers are in test/t/035_leftovers.pl.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_owner;
CREATE ROLE regress_dgen_caller;
CREATE ROLE regress_dgen_around;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_owner;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_owner;
CREATE SCHEMA regress_owner AUTHORIZATION regress_dgen_owner;
CREATE SCHEMA regress_caller AUTHORIZATION regress_dgen_caller;
GRANT USAGE ON SCHEMA regress_owner, regress_caller TO PUBLIC;
CREATE TABLE regress_caller.log (n serial, who name, what text);
GRANT ALL ON regress_caller.log, regress_caller.log_n_seq TO PUBLIC;
CREATE PROCEDURE regress_caller.tell(what text) LANGUAGE sql
	AS $$ INSERT INTO regress_caller.log (who, what) VALUES (current_user, what) $$;
CREATE VIEW regress_caller.told AS SELECT string_agg(concat(replace(who, 'regress_dgen_', ''), ': ', what), ', ' ORDER BY n) FROM regress_caller.log;
GRANT SELECT ON regress_caller.told TO PUBLIC;

-- Runs the statements of the message; one may be in an exception block, and one after it.
SET ROLE regress_dgen_owner;
SET search_path = regress_owner, pg_temp;
CREATE FUNCTION run(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql
AS $$
DECLARE
	statement text;
BEGIN
	FOR statement IN SELECT * FROM jsonb_array_elements_text(message -> 'run') LOOP
		EXECUTE statement;
	END LOOP;
	IF message ? 'try' THEN
		BEGIN
			EXECUTE message ->> 'try';
		EXCEPTION WHEN foreign_key_violation THEN
			CALL regress_caller.tell('caught ' || SQLSTATE);
		END;
		EXECUTE message ->> 'then';
	END IF;
	RETURN dgen.reply('"done"', jsonb_build_object('turns', COALESCE((state ->> 'turns')::integer, 0) + 1));
END
$$;
SELECT dgen.create_actor_type('runner', 'run', turn_timeout => '10 s');
SELECT dgen.grant_send('runner', 'regress_dgen_caller'), dgen.grant_send('runner', 'regress_dgen_around');
RESET ROLE;

-- While nothing in the database can be deferred, a call takes no subtransaction, and so no
-- transaction number of its own.
SELECT count(*) AS deferrable FROM pg_constraint WHERE condeferrable;
SET ROLE regress_dgen_owner;
CREATE TABLE plain (x xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION in_one_transaction() RETURNS boolean
	LANGUAGE sql AS $$ SELECT bool_and(xmin = x::xid) FROM plain $$;
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO plain DEFAULT VALUES"]}');
SELECT in_one_transaction();
-- Not even a turn that makes such a constraint, and is checked at its end. From then on calls do.
SELECT dgen.call('runner', 'a', '{"run": ["CREATE TABLE late (i integer UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO late VALUES (1), (1)"]}');
SELECT dgen.call('runner', 'a', '{"run": ["SET CONSTRAINTS ALL IMMEDIATE", "CREATE TABLE late (i integer UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO late VALUES (1), (2)"]}');
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO plain DEFAULT VALUES"]}');
SELECT in_one_transaction();

-- What the turn defers.
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
GRANT INSERT ON child, parent TO regress_dgen_caller;
CREATE TABLE again (i integer);
CREATE FUNCTION again() RETURNS trigger
	LANGUAGE plpgsql
AS $$
BEGIN
	CALL regress_caller.tell('again ' || NEW.i);
	IF NEW.i < 3 THEN
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO again VALUES (NEW.i + 1);
	ELSIF NEW.i > 3 THEN
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO again VALUES (NEW.i);
	END IF;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER again AFTER INSERT ON again DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION again();
RESET ROLE;

-- The caller's: its trigger defers itself again, too.
SET ROLE regress_dgen_caller;
SET search_path = regress_caller, pg_temp;
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE prompt (id integer CONSTRAINT prompt REFERENCES parent DEFERRABLE INITIALLY IMMEDIATE);
CREATE TABLE mine (i integer);
GRANT INSERT ON mine TO PUBLIC;
CREATE FUNCTION mine() RETURNS trigger
	LANGUAGE plpgsql
AS $$
BEGIN
	CALL regress_caller.tell('mine ' || NEW.i);
	IF NEW.i = 1 THEN
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO regress_caller.mine VALUES (2);
	END IF;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER mine AFTER INSERT ON mine DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mine();

-- The turn's are fired before the call returns, as the owner, also those that defer themselves again.
BEGIN;
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (1)"]}');
CALL tell('called');
COMMIT;
TABLE told;
TRUNCATE log;
-- Those that never end are cut off.
RESET ROLE;
SELECT dgen.alter_actor_type('runner', turn_timeout => '50 ms');
SET ROLE regress_dgen_caller;
\set VERBOSITY sqlstate
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (4)"]}');
\set VERBOSITY default
RESET ROLE;
SELECT dgen.alter_actor_type('runner', turn_timeout => '10 s');
SET ROLE regress_dgen_caller;

-- The caller's are fired at the COMMIT, as the caller.
BEGIN;
INSERT INTO mine VALUES (1);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (1)"]}');
CALL tell('called');
INSERT INTO mine VALUES (3);
COMMIT;
TABLE told;
TRUNCATE log;
-- Whatever modes the handler sets.
BEGIN;
INSERT INTO mine VALUES (0);
SELECT dgen.call('runner', 'a', '{"run": ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED", "INSERT INTO regress_caller.mine VALUES (5)", "SET CONSTRAINTS ALL IMMEDIATE"]}');
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO regress_caller.mine VALUES (6)"]}');
CALL tell('called');
COMMIT;
TABLE told;
TRUNCATE log;
-- In a savepoint, released or not, and when the call fails.
BEGIN;
INSERT INTO mine VALUES (0);
SAVEPOINT s;
INSERT INTO mine VALUES (10);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}');
RELEASE s;
SAVEPOINT s;
INSERT INTO mine VALUES (20);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}');
ROLLBACK TO s;
DO $$
BEGIN
	INSERT INTO regress_caller.mine VALUES (30);
	PERFORM dgen.call('runner', 'a', '{"run": ["INSERT INTO regress_owner.child VALUES (1)"]}');
EXCEPTION WHEN foreign_key_violation THEN
	CALL regress_caller.tell('failed');
END
$$;
INSERT INTO mine VALUES (40);
COMMIT;
TABLE told;
TRUNCATE log;
-- A function with somebody else's privileges around the call.
RESET ROLE;
CREATE FUNCTION regress_caller.around() RETURNS void SECURITY DEFINER
	LANGUAGE sql AS $$ SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}') $$;
ALTER FUNCTION regress_caller.around OWNER TO regress_dgen_around;
SET ROLE regress_dgen_caller;
BEGIN;
INSERT INTO mine VALUES (1);
SELECT around();
CALL tell('called');
COMMIT;
TABLE told;
TRUNCATE log;
-- In triggers: of a statement that has deferred something, and at the COMMIT.
CREATE FUNCTION call_it() RETURNS trigger
	LANGUAGE plpgsql
AS $$
BEGIN
	PERFORM dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}');
	CALL regress_caller.tell(TG_NAME || ' called');
	RETURN NULL;
END
$$;
CREATE TRIGGER at_once AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION call_it();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON mine DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION call_it();
BEGIN;
INSERT INTO mine VALUES (0), (5);
COMMIT;
TABLE told;
TRUNCATE log;
DROP TRIGGER at_once ON mine;
DROP TRIGGER late ON mine;

-- Nothing is checked early, and nothing is forgotten.
BEGIN;
INSERT INTO child VALUES (1);
SELECT dgen.call('runner', 'a');
INSERT INTO parent VALUES (1);
COMMIT;
BEGIN;
INSERT INTO child VALUES (2);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}');
COMMIT;
TRUNCATE log;
-- The modes are those from before: as declared, as set for all, as set for some.
BEGIN;
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}');
INSERT INTO child VALUES (3);
INSERT INTO prompt VALUES (3);
ROLLBACK;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)", "SET CONSTRAINTS ALL IMMEDIATE"]}');
INSERT INTO child VALUES (3);
INSERT INTO prompt VALUES (3);
INSERT INTO parent VALUES (3);
COMMIT;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT dgen.call('runner', 'a', '{"run": ["SET CONSTRAINTS ALL DEFERRED"]}');
INSERT INTO child VALUES (4);
ROLLBACK;
BEGIN;
SET CONSTRAINTS prompt DEFERRED;
INSERT INTO prompt VALUES (4);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO again VALUES (3)"]}');
INSERT INTO prompt VALUES (4);
INSERT INTO child VALUES (4);
INSERT INTO parent VALUES (4);
COMMIT;

-- The handler's own: as in a worker, checked at the end of the turn.
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO child VALUES (1)", "INSERT INTO parent VALUES (1)"]}');
BEGIN;
INSERT INTO child VALUES (1);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO child VALUES (2)", "INSERT INTO parent VALUES (2)"]}');
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO child VALUES (3)"]}');
COMMIT;
-- Each turn of a call for itself: two that wait, and the call.
SELECT dgen.cast('runner', 'b', '{"run": ["INSERT INTO again VALUES (1)", "SET CONSTRAINTS ALL IMMEDIATE"]}') > 0 AS sent;
SELECT dgen.cast('runner', 'b', '{"run": ["INSERT INTO child VALUES (5)", "INSERT INTO parent VALUES (5)"]}') > 0 AS sent;
TRUNCATE log;
BEGIN;
INSERT INTO mine VALUES (0);
SELECT dgen.call('runner', 'b', '{"run": ["INSERT INTO child VALUES (6)", "INSERT INTO parent VALUES (6)", "CALL regress_caller.tell(''third'')"]}');
COMMIT;
TABLE told;
TRUNCATE log;

-- In an exception block modes could not be set back, but where the caller's are kept anyway.
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO child VALUES (7)"], "try": "SET CONSTRAINTS ALL IMMEDIATE"}');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
INSERT INTO child VALUES (3);
SELECT dgen.call('runner', 'a', '{"run": ["INSERT INTO child VALUES (7)"], "try": "SET CONSTRAINTS ALL IMMEDIATE", "then": "INSERT INTO parent VALUES (7)"}');
TABLE told;
ROLLBACK;

SET ROLE regress_dgen_owner;
SELECT dgen.drop_actor_type('runner', discard => true);
RESET ROLE;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_owner, regress_caller CASCADE;
DROP OWNED BY regress_dgen_owner, regress_dgen_caller, regress_dgen_around;
DROP ROLE regress_dgen_owner, regress_dgen_caller, regress_dgen_around;
