-- Who may do what: send, read, work, own; roles set with SET ROLE; views that show
-- each reader its own types.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;

CREATE ROLE regress_dgen_owner;
CREATE ROLE regress_dgen_sender;
CREATE ROLE regress_dgen_reader;
CREATE ROLE regress_dgen_worker;
CREATE ROLE regress_dgen_group;
CREATE ROLE regress_dgen_member IN ROLE regress_dgen_group;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_owner;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_owner;

-- Nothing of dgen is PUBLIC's: no table, no USAGE; and no private function is
-- anybody's but those that the views call.
SELECT nspacl::text LIKE '%{=%' OR nspacl::text LIKE '%,=%' AS public_has_usage
FROM pg_namespace WHERE nspname = 'dgen';
SELECT relname FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'dgen'::regnamespace AND a.grantee = 0 ORDER BY 1;
SELECT proname FROM pg_proc
WHERE pronamespace = 'dgen'::regnamespace AND proname LIKE '\_%' AND has_function_privilege('regress_dgen_sender', oid, 'EXECUTE')
ORDER BY 1;
-- Every function runs with a search_path of its own, or as its caller in C or in a bound body.
SELECT proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE pronamespace = 'dgen'::regnamespace AND lanname NOT IN ('c', 'internal') AND prosqlbody IS NULL
	AND NOT EXISTS (SELECT FROM unnest(proconfig) AS c WHERE c LIKE 'search_path=pg_catalog,%pg_temp')
ORDER BY 1;
SELECT proname FROM pg_proc WHERE pronamespace = 'dgen'::regnamespace AND prosecdef ORDER BY 1;
-- Everything has a comment.
SELECT pg_describe_object(classid, objid, 0) AS object FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'dgen')
	AND ((classid = 'pg_proc'::regclass AND obj_description(objid, 'pg_proc') IS NULL)
		OR (classid = 'pg_class'::regclass AND obj_description(objid, 'pg_class') IS NULL)
		OR (classid = 'pg_type'::regclass AND obj_description(objid, 'pg_type') IS NULL
			AND objid IN ('dgen.context'::regtype, 'dgen.outcome'::regtype)))
ORDER BY 1;

SET ROLE regress_dgen_owner;
SELECT dgen.create_actor_type('mine');
SELECT dgen.create_actor_type('other');

-- Without privileges there is not even the schema.
SET ROLE regress_dgen_sender;
SELECT dgen.cast('mine', 'k');
\echo :LAST_ERROR_SQLSTATE

SET ROLE regress_dgen_owner;
SELECT dgen.grant_send('mine', 'regress_dgen_sender');
SELECT dgen.grant_send('mine', 'regress_dgen_sender');
SELECT dgen.grant_read('mine', 'regress_dgen_reader');
SELECT dgen.grant_work('mine', 'regress_dgen_worker');

-- To send.
SET ROLE regress_dgen_sender;
SELECT dgen.cast('mine', 'k', '{"by": "sender"}') AS sent \gset
SELECT dgen.cast('mine', 'k', '{"by": "sender"}') AS cancelled \gset
SELECT dgen.cancel('mine', 'k', :cancelled);
SELECT dgen.cast('other', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cancel('other', 'k', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('mine', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.pause('mine', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.messages;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.message;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.mailbox('mine', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen._cancel('mine', 'k', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('sender''s');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.adopt_database();
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.grant_send('mine', 'regress_dgen_reader');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.drop_actor_type('mine');
\echo :LAST_ERROR_SQLSTATE

-- A slip in a name is told of, but for types that one has nothing to do with.
SELECT dgen.cast('mien', 'k');
SELECT dgen.cast('Mine', 'k');
SELECT dgen.cast('othr', 'k');
SELECT dgen.cast('mi', 'k');
SELECT dgen.cast('', 'k');
SELECT dgen.cast(repeat('mine', 33), 'k');
SET ROLE regress_dgen_owner;
SELECT dgen.drop_actor_type('othr');

-- To read: the views show the types one may read, and nothing of others.
RESET ROLE;
SELECT dgen.cast('other', 'secret', '{"by": "superuser"}') IS NOT NULL AS sent;
SET ROLE regress_dgen_reader;
SELECT actor_type, actor_key, message FROM dgen.messages;
SELECT actor_type FROM dgen.actor_types;
SELECT actor_type, actor_key, message FROM dgen.mailbox('mine', 'k');
SELECT actor_type, actor_key, message FROM dgen.mailbox('other', 'secret');
SELECT count(*) FROM dgen.actors;
SELECT count(*) FROM dgen.dead_letters;
SELECT count(*) FROM dgen.workers;
SELECT dgen.state('mine', 'k');
SELECT dgen.state('other', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.explain_actor('other', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('mine', 'k');
\echo :LAST_ERROR_SQLSTATE
-- A condition of the reader's own does not see what it may not.
CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
AS 'BEGIN RAISE INFO ''saw %'', $1; RETURN true; END';
SELECT count(*) FROM dgen.messages WHERE pg_temp.tell(actor_key);
RESET ROLE;
SELECT relname FROM pg_class WHERE relnamespace = 'dgen'::regnamespace AND relkind = 'v'
	AND NOT COALESCE('security_barrier=true' = ANY (reloptions), false);

-- To work: handling, and operating.
SET ROLE regress_dgen_worker;
SELECT dgen.pause('mine', 'k'), dgen.resume('mine', 'k'), dgen.reset('mine', 'k');
SELECT dgen.redrive(1), dgen.discard(1);
SELECT dgen.cast('mine', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.delete_actor('other', 'secret');
\echo :LAST_ERROR_SQLSTATE

-- The role that counts is the current one, also within a SECURITY DEFINER function.
RESET ROLE;
CREATE FUNCTION send_as_sender() RETURNS boolean LANGUAGE sql SECURITY DEFINER
AS $$ SELECT dgen.cast('mine', 'k') IS NOT NULL $$;
ALTER FUNCTION send_as_sender OWNER TO regress_dgen_sender;
CREATE FUNCTION pause_as_sender() RETURNS void LANGUAGE sql SECURITY DEFINER
AS $$ SELECT dgen.pause('mine', 'k') $$;
ALTER FUNCTION pause_as_sender OWNER TO regress_dgen_sender;
SET ROLE regress_dgen_worker;
SELECT send_as_sender();
SELECT pause_as_sender();
\echo :LAST_ERROR_SQLSTATE
-- After an error the role is what it was.
SELECT current_user, dgen.pause('mine', 'k');
SELECT current_user, dgen.resume('mine', 'k');

-- A privilege granted to a group is its members'.
SET ROLE regress_dgen_member;
SELECT dgen.cast('mine', 'k');
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_dgen_owner;
SELECT dgen.grant_send('mine', 'regress_dgen_group');
SET ROLE regress_dgen_member;
SELECT dgen.cast('mine', 'k') IS NOT NULL AS sent;
SET ROLE regress_dgen_owner;
SELECT dgen.revoke_send('mine', 'regress_dgen_group');
SET ROLE regress_dgen_member;
SELECT dgen.cast('mine', 'k');
\echo :LAST_ERROR_SQLSTATE

-- '-' is everybody.
SET ROLE regress_dgen_owner;
SELECT dgen.grant_send('mine', '-');
SET ROLE regress_dgen_member;
SELECT dgen.cast('mine', 'k') IS NOT NULL AS sent;
SET ROLE regress_dgen_owner;
SELECT dgen.revoke_send('mine', '-');
SET ROLE regress_dgen_member;
SELECT dgen.cast('mine', 'k');
\echo :LAST_ERROR_SQLSTATE

-- To revoke takes back the rest with the last privilege.
SET ROLE regress_dgen_owner;
SELECT dgen.grant_send('mine', 'regress_dgen_reader');
SELECT dgen.revoke_read('mine', 'regress_dgen_reader');
SET ROLE regress_dgen_reader;
SELECT dgen.cast('mine', 'k') IS NOT NULL AS sent;
SELECT count(*) FROM dgen.messages;
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_dgen_owner;
SELECT dgen.revoke_send('mine', 'regress_dgen_reader');
SELECT dgen.revoke_work('mine', 'regress_dgen_worker');
SELECT has_schema_privilege('regress_dgen_reader', 'dgen', 'USAGE') AS reader,
	has_schema_privilege('regress_dgen_worker', 'dgen', 'USAGE') AS worker,
	has_schema_privilege('regress_dgen_sender', 'dgen', 'USAGE') AS sender;
SELECT dgen.revoke_work('mine', 'regress_dgen_worker');

-- What cannot be.
SELECT dgen.grant_send('missing', 'regress_dgen_sender');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.grant_send(NULL, 'regress_dgen_sender');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.grant_read('mine', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.grant_work('mine', 'regress_dgen_nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.grant_work('mine', 4294967295::oid::regrole);
\echo :LAST_ERROR_SQLSTATE

-- An owner may do everything, a superuser too, and a member of the owner's role.
SELECT dgen.cast('mine', 'k') IS NOT NULL AS sent, dgen.pause('mine'), dgen.resume('mine');
SELECT DISTINCT actor_key FROM dgen.messages ORDER BY 1;
RESET ROLE;
GRANT regress_dgen_owner TO regress_dgen_member;
SET ROLE regress_dgen_member;
SELECT dgen.cast('mine', 'k') IS NOT NULL AS sent, dgen.pause('mine'), dgen.resume('mine');
SELECT dgen.drop_actor_type('mine', discard => true), dgen.drop_actor_type('other', discard => true);
RESET ROLE;

-- Who may create types keeps the schema when its last type goes.
SELECT has_schema_privilege('regress_dgen_owner', 'dgen', 'USAGE') AS owner,
	has_schema_privilege('regress_dgen_sender', 'dgen', 'USAGE') AS sender;

DROP FUNCTION send_as_sender, pause_as_sender, pg_temp.tell;
DROP OWNED BY regress_dgen_owner, regress_dgen_sender, regress_dgen_reader, regress_dgen_worker, regress_dgen_group,
	regress_dgen_member;
DROP ROLE regress_dgen_owner, regress_dgen_sender, regress_dgen_reader, regress_dgen_worker, regress_dgen_group,
	regress_dgen_member;
