-- Owners of actor types: giving a type to another role, renaming it, and dropping roles that types need.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;

CREATE ROLE regress_dgen_first;
CREATE ROLE regress_dgen_second;
CREATE ROLE regress_dgen_reader;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_first, regress_dgen_second;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_first;
CREATE SCHEMA regress_owners;
GRANT ALL ON SCHEMA regress_owners TO PUBLIC;
SET search_path = regress_owners;

SET ROLE regress_dgen_first;
CREATE FUNCTION h(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	RETURN dgen.reply(jsonb_build_object('as', current_user, 'type', ctx.actor_type, 'path', current_setting('search_path')),
		state || jsonb_build_object('n', COALESCE((state->>'n')::int, 0) + 1));
END
$$;
SELECT dgen.create_actor_type('owned', 'h');
SELECT dgen.create_actor_type('owned_too');
SELECT dgen.grant_read('owned', 'regress_dgen_reader'), dgen.grant_send('owned', 'regress_dgen_second');
SELECT dgen.call('owned', 'k');
SELECT dgen.cast('owned', 'waiting') IS NOT NULL AS sent, dgen.request('owned', 'asked') AS asked \gset

-- What cannot be.
SELECT dgen.set_owner(NULL, 'regress_dgen_second');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.set_owner('missing', 'regress_dgen_second');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.set_owner('owned', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.set_owner('owned', '-');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.set_owner('owned', 4294967295::oid::regrole);
\echo :LAST_ERROR_SQLSTATE
-- Not to a role that one cannot become, nor to one that may not create types: what PostgreSQL asks for its own.
SELECT dgen.set_owner('owned', 'regress_dgen_second');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT regress_dgen_second TO regress_dgen_first;
SET ROLE regress_dgen_first;
SELECT dgen.set_owner('owned', 'regress_dgen_second');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
REVOKE regress_dgen_second FROM regress_dgen_first;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_second;
-- Not by somebody else.
SET ROLE regress_dgen_second;
SELECT dgen.set_owner('owned', 'regress_dgen_second');
\echo :LAST_ERROR_SQLSTATE
-- The handler has to be the new owner's, too, and both change in one transaction.
RESET ROLE;
SELECT dgen.set_owner('owned', 'regress_dgen_second');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
ALTER FUNCTION h OWNER TO regress_dgen_second;
SELECT dgen.call('owned', 'k');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
GRANT regress_dgen_second TO regress_dgen_first;
SET ROLE regress_dgen_first;
BEGIN;
ALTER FUNCTION h OWNER TO regress_dgen_second;
SELECT dgen.set_owner('owned', 'regress_dgen_second');
SELECT dgen.call('owned', 'k');
COMMIT;
SELECT dgen.set_owner('owned_too', 'regress_dgen_first');
RESET ROLE;

-- The new owner has all rights, the old one none; what was granted stays, and what waits.
REVOKE regress_dgen_second FROM regress_dgen_first;
SELECT actor_type, owner FROM dgen.actor_types WHERE actor_type LIKE 'owned%' ORDER BY 1;
SET ROLE regress_dgen_first;
SELECT dgen.state('owned', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.drop_actor_type('owned', discard => true);
\echo :LAST_ERROR_SQLSTATE
SELECT actor_type FROM dgen.actor_types;
SET ROLE regress_dgen_second;
SELECT dgen.state('owned', 'k');
SELECT actor_type, owner, search_path FROM dgen.actor_types;
SELECT actor_key, kind FROM dgen.messages ORDER BY 1;
SET ROLE regress_dgen_reader;
SELECT dgen.state('owned', 'k');
-- Who has asked gets the answer.
RESET ROLE;
SELECT requester FROM dgen.request WHERE id = :asked;

-- A superuser's types are warned of; to the same owner again nothing is done.
SELECT dgen.set_owner('owned', CURRENT_USER::regrole) \g /dev/null
ALTER FUNCTION h OWNER TO CURRENT_USER;
\set VERBOSITY terse
DO $$ BEGIN PERFORM dgen.set_owner('owned', CURRENT_USER::regrole); EXCEPTION WHEN others THEN RAISE INFO '%', SQLERRM; END $$;
SELECT dgen.set_owner('owned', CURRENT_USER::regrole);
\set VERBOSITY default
SELECT dgen.set_owner('owned', 'regress_dgen_second');

-- Another name: the actors stay what they are.
SET ROLE regress_dgen_second;
SELECT dgen.rename_actor_type('owned', 'owned_too');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type('owned', 'owned');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type('owned_too', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type('missing', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type(NULL, 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type('owned', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type('owned', '');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.rename_actor_type('owned', repeat('x', 129));
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT dgen.rename_actor_type('owned', 'renamed');
SELECT dgen.state('renamed', 'k');
ROLLBACK;
SELECT dgen.state('owned', 'k');
SELECT dgen.rename_actor_type('owned', 'renamed');
SELECT dgen.state('owned', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('owned', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('renamed', 'k');
SELECT actor_type, actor_key, kind FROM dgen.messages ORDER BY 2;
SELECT dgen.call('renamed', 'k');

-- A worker that has attached goes on under the name that it knows.
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{renamed}');
SELECT dgen.rename_actor_type('renamed', 'owned');
BEGIN;
SELECT DISTINCT actor_type FROM dgen.claim();
ROLLBACK;
SELECT types FROM dgen.workers WHERE pid = pg_backend_pid();
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{owned}');
BEGIN;
SELECT DISTINCT actor_type FROM dgen.claim();
ROLLBACK;
SELECT dgen.detach();
RESET ROLE;

-- A role that types need is not dropped, and it is said which types.
DROP ROLE regress_dgen_second;
\echo :LAST_ERROR_SQLSTATE
DROP ROLE regress_dgen_reader;
\echo :LAST_ERROR_SQLSTATE
-- PostgreSQL would know it without dgen's help, whatever was revoked by hand.
REVOKE USAGE ON SCHEMA dgen FROM regress_dgen_second;
SELECT pg_describe_object(classid, objid, objsubid) AS object, refobjid::regrole, deptype
FROM pg_shdepend WHERE classid = 'pg_class'::regclass AND objid IN ('dgen.actor_type'::regclass, 'dgen.privilege'::regclass)
	AND refobjid::regrole::text LIKE 'regress_dgen_%'
ORDER BY 1, 2;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_second;

-- DROP OWNED takes privileges back, also by the role itself.
SET ROLE regress_dgen_reader;
DROP OWNED BY CURRENT_USER;
RESET ROLE;
SELECT dgen.grant_work('owned', 'regress_dgen_reader'), dgen.grant_send('owned_too', 'regress_dgen_reader');
SET ROLE regress_dgen_first;
\set VERBOSITY sqlstate
DROP OWNED BY regress_dgen_reader;
\set VERBOSITY default
RESET ROLE;
SELECT count(*) AS privileges FROM dgen.privilege WHERE role = 'regress_dgen_reader'::regrole;
DROP OWNED BY regress_dgen_reader;
SELECT count(*) AS privileges FROM dgen.privilege WHERE role = 'regress_dgen_reader'::regrole;
DROP ROLE regress_dgen_reader;

-- Types it does not drop unless told to.
DROP OWNED BY regress_dgen_second;
\echo :LAST_ERROR_SQLSTATE
-- Nor are they given away with what PostgreSQL reassigns.
REASSIGN OWNED BY regress_dgen_second TO regress_dgen_first;
DROP OWNED BY regress_dgen_second;
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.set_owner('owned', 'regress_dgen_first');
DROP OWNED BY regress_dgen_second;
DROP ROLE regress_dgen_second;
SELECT dgen.call('owned', 'k');

BEGIN;
DROP OWNED BY regress_dgen_first CASCADE;
SELECT count(*) FROM dgen.actor_types WHERE actor_type LIKE 'owned%';
SELECT count(*) FROM pg_shdepend WHERE refobjid = 'regress_dgen_first'::regrole;
ROLLBACK;
SELECT dgen.state('owned', 'k');
DROP OWNED BY regress_dgen_first CASCADE;
DROP ROLE regress_dgen_first;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_owners CASCADE;
