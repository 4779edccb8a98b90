-- The schema itself is made by CREATE EXTENSION (dgen.control names it). Nothing in
-- it is granted to PUBLIC; dgen.grant_send and its sisters grant USAGE.
--
-- Whoever owns a schema can replace what is in it, and dgen's functions run with the
-- rights of the extension's owner: a schema that somebody put there before is refused.
-- (After a restore it may belong to another superuser.) Operators are qualified,
-- because that schema is on the search_path now.
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
