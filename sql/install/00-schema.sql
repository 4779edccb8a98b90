-- CREATE EXTENSION creates the schema (dgen.control names it). PUBLIC has no privilege on
-- it; dgen.grant_send, grant_read and grant_work grant USAGE.
--
-- The owner of a schema can replace the objects in it, and dgen's functions run with the
-- privileges of the extension's owner. So a schema of another role is refused, unless a
-- superuser owns it: after a restore that can be another superuser. Operators are
-- qualified, because that schema is on the search_path here.
DO $$
DECLARE
	schema_owner pg_catalog.name;
BEGIN
	SELECT r.rolname INTO schema_owner
	FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
	WHERE n.nspname OPERATOR(pg_catalog.=) 'dgen' AND NOT r.rolsuper
		AND r.rolname OPERATOR(pg_catalog.<>) CURRENT_USER;
	IF FOUND THEN
		RAISE EXCEPTION 'schema dgen exists already and belongs to role %', schema_owner
			USING ERRCODE = 'insufficient_privilege', HINT = 'Drop the schema, rename it, or become its owner.';
	END IF;
END
$$;
COMMENT ON SCHEMA dgen IS 'durable actors';
REVOKE ALL ON SCHEMA dgen FROM PUBLIC;
