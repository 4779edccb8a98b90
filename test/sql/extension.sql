-- What CREATE EXTENSION makes, for whom, and that it can be undone and done again.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dgen CASCADE;
DROP SCHEMA IF EXISTS dgen CASCADE;
RESET client_min_messages;
CREATE EXTENSION dgen;

-- It is not trusted, and lives in its own schema only.
SELECT extname, extnamespace::regnamespace AS schema, extrelocatable FROM pg_extension WHERE extname = 'dgen';
SELECT superuser, trusted, relocatable, schema, requires FROM pg_available_extension_versions WHERE name = 'dgen';
ALTER EXTENSION dgen SET SCHEMA public;
\echo :LAST_ERROR_SQLSTATE

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid, replace(pg_describe_object(d.classid, d.objid, 0), '"char"', 'char') AS object,
	obj_description(d.objid, d.classid::regclass::name) AS comment
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'dgen')
	-- From 17 on the row types of tables and the types of arrays are members, too.
	AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (
		SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
		WHERE t.oid = d.objid AND (t.typelem <> 0 OR c.relkind <> 'c')));

-- What is public: names without an underscore.
SELECT p.oid::regproc AS routine, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
WHERE p.proname NOT LIKE '\_%' ORDER BY p.proname COLLATE "C", pg_get_function_arguments(p.oid) COLLATE "C" \gx
SELECT c.relkind, c.relname FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relname NOT LIKE '\_%' ORDER BY c.relkind, c.relname COLLATE "C";

-- Every object has a comment: the members of the extension, and their triggers.
SELECT object FROM member WHERE comment IS NULL ORDER BY object COLLATE "C";
SELECT tgname, tgrelid::regclass FROM pg_trigger
WHERE tgrelid IN (SELECT objid FROM member) AND NOT tgisinternal AND obj_description(oid, 'pg_trigger') IS NULL;
SELECT obj_description('dgen'::regnamespace) IS NOT NULL AS schema,
	(SELECT obj_description(oid, 'pg_extension') IS NOT NULL FROM pg_extension WHERE extname = 'dgen') AS extension;

-- PUBLIC has no table, view, sequence or column. It may execute the public functions
-- below and those that the views call, all out of reach without USAGE on the schema.
SELECT c.relname, a.privilege_type
FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid,
	aclexplode(COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a
WHERE a.grantee = 0;
SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT objid FROM member) AND attacl IS NOT NULL;
SELECT DISTINCT p.proname COLLATE "C" AS executable
FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid,
	aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) a
WHERE a.grantee = 0 ORDER BY 1;
SELECT a.privilege_type FROM pg_namespace n, aclexplode(COALESCE(n.nspacl, acldefault('n', n.nspowner))) a
WHERE n.nspname = 'dgen' AND a.grantee = 0;

-- A dump carries the rows of all tables but those of sessions, and the secret, of which each database has its own.
SELECT c.relname FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relkind IN ('r', 'S') AND NOT c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'dgen')::oid[]);

-- Settings: all of them are dgen's, and other names are refused.
SELECT name, setting, unit, context, vartype, min_val, max_val FROM pg_settings WHERE name LIKE 'dgen.%' ORDER BY name COLLATE "C";
SET dgen.no_such_setting = 1;
\echo :LAST_ERROR_SQLSTATE
SET dgen.batch_actors = 0;
\echo :LAST_ERROR_SQLSTATE

-- A session goes on when the extension is dropped and made again.
SELECT dgen.create_actor_type('extension');
SELECT dgen.cast('extension', 'k') IS NOT NULL AS sent;
DROP EXTENSION dgen;
SELECT count(*) AS objects FROM pg_proc WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'dgen');
\set VERBOSITY terse
SELECT dgen.cast('extension', 'k');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
CREATE EXTENSION dgen;
SELECT dgen.cast('extension', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('extension');
SELECT dgen.cast('extension', 'k', idempotency_key => 'i') = dgen.cast('extension', 'k', idempotency_key => 'i') AS same;
BEGIN;
DROP EXTENSION dgen;
ROLLBACK;
SELECT count(*) FROM dgen.mailbox('extension', 'k');
SELECT dgen.drop_actor_type('extension', discard => true);
DROP VIEW member;
