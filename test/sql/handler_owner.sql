-- Whose function a handler is: the type's owner's, or that of a role which has the owner's rights
-- anyway. Nobody else can put a function in its place.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;

CREATE ROLE regress_dgen_owner;
CREATE ROLE regress_dgen_thief;
CREATE ROLE regress_dgen_member IN ROLE regress_dgen_owner;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_owner, regress_dgen_thief;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_owner;
CREATE SCHEMA regress_shared;
GRANT ALL ON SCHEMA regress_shared TO PUBLIC;
SET search_path = regress_shared;

-- A handler that says as whom it runs.
CREATE PROCEDURE make_handler(name text) LANGUAGE plpgsql AS $make$
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION %I(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE plpgsql AS $$ BEGIN RETURN dgen.reply(to_jsonb(current_user)); END $$', name);
END
$make$;

SET ROLE regress_dgen_owner;
CALL make_handler('h');
SELECT dgen.create_actor_type('bound', 'h');
SELECT dgen.call('bound', 'k');

-- Replaced, granted, dropped and created again by its owner it is the handler, in this session and in others.
CALL make_handler('h');
SELECT dgen.call('bound', 'k');
DROP FUNCTION h;
SELECT dgen.call('bound', 'k');
CALL make_handler('h');
SELECT dgen.call('bound', 'k');

-- Another's is not, whatever the owner may execute.
DROP FUNCTION h;
SET ROLE regress_dgen_thief;
CALL make_handler('h');
GRANT EXECUTE ON FUNCTION h TO PUBLIC;
SET ROLE regress_dgen_owner;
SELECT dgen.call('bound', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('other', 'h');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type('bound', 'h');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT dgen.create_actor_type('bound', 'h', replace => true);
\echo :LAST_ERROR_SQLSTATE
-- Nor does a superuser run it for a type of its own.
SELECT dgen.create_actor_type('other', 'h');
\echo :LAST_ERROR_SQLSTATE

-- A member's is, as long as it is a member's; so is a superuser's.
ALTER FUNCTION h OWNER TO regress_dgen_member;
SELECT dgen.call('bound', 'k');
REVOKE regress_dgen_owner FROM regress_dgen_member;
SELECT dgen.call('bound', 'k');
\echo :LAST_ERROR_SQLSTATE
ALTER ROLE regress_dgen_member NOINHERIT;
GRANT regress_dgen_owner TO regress_dgen_member;
SELECT dgen.call('bound', 'k');
\echo :LAST_ERROR_SQLSTATE
ALTER FUNCTION h OWNER TO CURRENT_USER;
SELECT dgen.call('bound', 'k');
-- EXECUTE it needs all the same.
REVOKE EXECUTE ON FUNCTION h FROM PUBLIC, regress_dgen_owner;
SELECT dgen.call('bound', 'k');
\echo :LAST_ERROR_SQLSTATE
GRANT EXECUTE ON FUNCTION h TO PUBLIC;

-- A role that was a superuser.
ALTER FUNCTION h OWNER TO regress_dgen_thief;
ALTER ROLE regress_dgen_thief SUPERUSER;
SELECT dgen.call('bound', 'k');
ALTER ROLE regress_dgen_thief NOSUPERUSER;
SELECT dgen.call('bound', 'k');
\echo :LAST_ERROR_SQLSTATE
DROP FUNCTION h;

-- What has the name and other arguments is named.
SET ROLE regress_dgen_owner;
CREATE FUNCTION h(message jsonb) RETURNS dgen.outcome LANGUAGE sql AS 'SELECT dgen.noreply()';
CREATE PROCEDURE h(a integer) LANGUAGE sql AS 'SELECT 1';
SELECT dgen.call('bound', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('other', 'regress_shared.h');
\echo :LAST_ERROR_SQLSTATE
-- A handler that was renamed is named anew.
CALL make_handler('h');
ALTER FUNCTION h(dgen.context, jsonb, jsonb) RENAME TO renamed;
SELECT dgen.alter_actor_type('bound', 'renamed');
SELECT dgen.call('bound', 'k');

-- The temporary schema is the last one to be looked into, wherever it was named: the caller's objects are in it.
SET search_path = pg_temp, regress_shared;
SELECT dgen.create_actor_type('paths', 'renamed');
SELECT search_path FROM dgen.actor_types WHERE actor_type = 'paths';
SET search_path = "$user", PG_TEMP, "pg_temp_3", regress_shared, "Odd";
SELECT dgen.alter_actor_type('paths', 'renamed');
SELECT search_path FROM dgen.actor_types WHERE actor_type = 'paths';

SELECT dgen.drop_actor_type('bound', discard => true), dgen.drop_actor_type('paths');
RESET ROLE;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_shared CASCADE;
DROP OWNED BY regress_dgen_owner, regress_dgen_thief, regress_dgen_member;
DROP ROLE regress_dgen_owner, regress_dgen_thief, regress_dgen_member;
