-- Owners of actor types: another owner, another name, and what happens when the owner is dropped.

-- ---- another owner ----

CREATE FUNCTION dgen._check_new_owner(role regrole) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_check_new_owner';
COMMENT ON FUNCTION dgen._check_new_owner(regrole) IS 'raises 42704 or 42501 unless the role exists and the calling role can SET ROLE to it';

-- Turns that have begun end as the old owner. The search_path of the handler remains.
CREATE FUNCTION dgen._change_owner(type integer, new_owner regrole) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed dgen.actor_type;
	old_owner regrole;
BEGIN
	SELECT t.owner INTO old_owner FROM dgen.actor_type t WHERE t.id = type;
	UPDATE dgen.actor_type t SET owner = new_owner WHERE t.id = type RETURNING * INTO changed;
	PERFORM dgen._warn_superuser(changed);
	PERFORM dgen._grant_objects(new_owner);
	PERFORM dgen._grant_objects(old_owner);
	PERFORM dgen._types_changed();
	PERFORM dgen._wake(type);
	PERFORM dgen._wake(-type) WHERE changed.handle_actions;
END
$$;
COMMENT ON FUNCTION dgen._change_owner(integer, regrole) IS 'gives a type to another role; dgen.actor_type and dgen.privilege are locked';

CREATE FUNCTION dgen._set_owner(type_name text, new_owner regrole) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type dgen.actor_type;
BEGIN
	PERFORM dgen._check_not_null('role', new_owner IS NULL, 'Name the role that is to own the actor type.');
	PERFORM dgen._lock_type(type_name);
	type.id := dgen._type_for(type_name, 'own');
	SELECT * INTO type FROM dgen.actor_type t WHERE t.id = type.id;
	PERFORM dgen._check_new_owner(new_owner);
	IF type.owner = new_owner THEN
		RETURN;
	END IF;
	IF NOT dgen._may_create_types(new_owner)
		AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = dgen._calling_role() AND r.rolsuper) THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for role %s to create actor types', new_owner),
			HINT = format('Run GRANT USAGE ON SCHEMA dgen TO %s; GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO %s.', new_owner, new_owner);
	END IF;
	PERFORM dgen._check_handler(type.handler, new_owner);
	PERFORM dgen._change_owner(type.id, new_owner);
END
$$;
COMMENT ON FUNCTION dgen._set_owner(text, regrole) IS 'dgen.set_owner with the privileges of the owner of dgen';

CREATE FUNCTION dgen.set_owner(actor_type text, role regrole) RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.set_owner(text, regrole) IS
'gives an actor type to another role. Give its handler to that role in the same transaction: ALTER FUNCTION ... OWNER TO. Granted privileges and open requests remain. Turns that have begun end with the privileges of the old owner; later turns run with those of the new owner. For superusers, and for the owner of the type if it can SET ROLE to the new owner and the new owner can create actor types.';

-- ---- another name ----

CREATE FUNCTION dgen._rename_actor_type(old_name text, new_name text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type integer;
BEGIN
	PERFORM dgen._check_type_name(new_name);
	PERFORM dgen._lock_type(old_name);
	type := dgen._type_for(old_name, 'own');
	IF EXISTS (SELECT FROM dgen.actor_type t WHERE t.name = new_name) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = format('actor type "%s" already exists', new_name),
			HINT = 'Choose another name, or rename or drop that type first.';
	END IF;
	UPDATE dgen.actor_type t SET name = new_name WHERE t.id = type;
	PERFORM dgen._types_changed();
END
$$;
COMMENT ON FUNCTION dgen._rename_actor_type(text, text) IS 'dgen.rename_actor_type with the privileges of the owner of dgen';

CREATE FUNCTION dgen.rename_actor_type(actor_type text, new_name text) RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.rename_actor_type(text, text) IS
'gives an actor type another name, of 1 to 128 bytes. Its actors keep their states and mailboxes. Senders must use the new name immediately. An attached external worker continues under the name that it attached with. For the owner of the type.';

-- ---- roles that rows name ----

CREATE FUNCTION dgen._depend_on_roles() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	LOCK TABLE dgen.actor_type, dgen.privilege IN SHARE ROW EXCLUSIVE MODE;
	PERFORM dgen._grant_objects(r.role)
	FROM (SELECT t.owner AS role FROM dgen.actor_type t UNION SELECT p.role FROM dgen.privilege p ORDER BY 1) AS r;
END
$$;
COMMENT ON FUNCTION dgen._depend_on_roles() IS 'restores grants and dependencies, which a dump can lack, in a restored database';

-- There is no event for REASSIGN OWNED. So DROP OWNED refuses to drop types unless CASCADE says so: a user may
-- have relied on REASSIGN OWNED.
CREATE FUNCTION dgen._drop_owned(role regrole, discard boolean) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owned CONSTANT text[] := ARRAY(SELECT t.name FROM dgen.actor_type t WHERE t.owner = role ORDER BY t.name);
	type_name text;
BEGIN
	IF cardinality(owned) > 0 AND NOT discard THEN
		RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
			MESSAGE = format('role %s owns actor types', role),
			DETAIL = (SELECT string_agg(format('owner of actor type "%s"', n), E'\n') FROM unnest(owned) AS n),
			HINT = format('Give them to another role: SELECT dgen.set_owner(actor_type, ROLE) FROM dgen.actor_types WHERE owner = %L::regrole. DROP OWNED ... CASCADE deletes them with all that they have.', role::text);
	END IF;
	FOREACH type_name IN ARRAY owned LOOP
		PERFORM dgen._drop_actor_type(type_name, true);
	END LOOP;
	IF EXISTS (SELECT FROM dgen.privilege p WHERE p.role = _drop_owned.role) THEN
		LOCK TABLE dgen.privilege IN SHARE ROW EXCLUSIVE MODE;
		DELETE FROM dgen.privilege p WHERE p.role = _drop_owned.role;
		PERFORM dgen._grant_objects(role);
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._drop_owned(regrole, boolean) IS 'DROP OWNED: revokes the privileges of a role on actor types; refuses if it owns some, unless discard says that they are deleted';

CREATE FUNCTION dgen._owned_command() RETURNS event_trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_owned_command';
COMMENT ON FUNCTION dgen._owned_command() IS 'makes DROP OWNED apply to actor types and privileges';

-- At the start of commands: an event trigger at their end would make PostgreSQL record what each command does.
CREATE EVENT TRIGGER dgen_owned ON ddl_command_start
	WHEN TAG IN ('DROP OWNED')
	EXECUTE FUNCTION dgen._owned_command();
ALTER EVENT TRIGGER dgen_owned ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dgen_owned IS 'see dgen._owned_command';

CREATE FUNCTION dgen._refuse_drop_role(role regrole) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found text;
BEGIN
	SELECT string_agg(d.line, E'\n' ORDER BY d.line) INTO found
	FROM (
		SELECT format('owner of actor type "%s"', t.name) AS line FROM dgen.actor_type t WHERE t.owner = role
		UNION ALL
		SELECT format('privilege to %s: actor type "%s"', p.privilege, t.name)
		FROM dgen.privilege p JOIN dgen.actor_type t ON t.id = p.type_id WHERE p.role = _refuse_drop_role.role
		ORDER BY 1
		LIMIT 100) AS d;
	IF found IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
			MESSAGE = format('role %s cannot be dropped because actor types of this database depend on it', role),
			DETAIL = found,
			HINT = 'Give what it owns to another role with dgen.set_owner; DROP OWNED takes its privileges back.';
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._refuse_drop_role(regrole) IS 'raises 2BP01 with the actor types that need a role';

-- ---- dumps ----

-- A role that was dropped nevertheless would be dumped as a number, which can be another role where the dump is
-- restored. A dump without the type would lose its messages. So the dump fails.
CREATE FUNCTION dgen._is_owned(name text, owner regrole) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = owner) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('actor type "%s" cannot be dumped: its owner was dropped', name),
			HINT = format('Give it to another role: SELECT dgen.set_owner(%L, ROLE).', name);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dgen._is_owned(text, regrole) IS 'for dumps: raises 42704 if the owner of an actor type is gone';

DO $$
BEGIN
	PERFORM pg_catalog.pg_extension_config_dump('dgen.actor_type', 'WHERE dgen._is_owned(name, owner)');
	PERFORM pg_catalog.pg_extension_config_dump('dgen.privilege',
		'WHERE role = 0::oid OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
	-- No other role can read the reply to a dropped role; the reply to an actor goes to the actor.
	PERFORM pg_catalog.pg_extension_config_dump('dgen.request',
		'WHERE reply_type_id IS NOT NULL OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = requester)');
END
$$;

REVOKE ALL ON FUNCTION dgen._check_new_owner(regrole), dgen._change_owner(integer, regrole), dgen._set_owner(text, regrole),
	dgen._rename_actor_type(text, text), dgen._depend_on_roles(), dgen._drop_owned(regrole, boolean),
	dgen._owned_command(), dgen._refuse_drop_role(regrole)
	FROM PUBLIC;
