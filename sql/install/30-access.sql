-- The calling role, its privileges, and what the private functions need from C.
--
-- A public function is SECURITY INVOKER and written in C. Functions that are not on the
-- message path go through one entry point, dgen_operate (extension/operate/operate.c). It
-- notes the calling role, and runs the private function that has the same name after an
-- underscore, with the privileges of the extension's owner. Private functions check the
-- privileges of dgen._calling_role(), and no role has EXECUTE on them.

CREATE FUNCTION dgen.mailbox_of(actor_key text) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF
	AS 'MODULE_PATHNAME', 'dgen_mailbox_of_key';
COMMENT ON FUNCTION dgen.mailbox_of(text) IS 'the mailbox of a key: a fixed 64-bit hash of its UTF-8 bytes, the same on every platform';

-- The views call this with the privileges of their reader, so PUBLIC has EXECUTE. It answers
-- for the calling role only. Roles without USAGE on the schema cannot call it.
CREATE FUNCTION dgen._can_read(type_id integer) RETURNS boolean
	LANGUAGE c STABLE STRICT
	AS 'MODULE_PATHNAME', 'dgen_can_read';
COMMENT ON FUNCTION dgen._can_read(integer) IS 'can the calling role read actors of this type?';

CREATE FUNCTION dgen._calling_role() RETURNS regrole
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'dgen_operate_role';
COMMENT ON FUNCTION dgen._calling_role() IS 'the role that called the public function that is now running';

CREATE FUNCTION dgen._type_for(name text, privilege text) RETURNS integer
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'dgen_operate_type_for';
COMMENT ON FUNCTION dgen._type_for(text, text) IS 'the id of an actor type, for an operation that needs that privilege; ZD001 if there is no such type, 42501 as _check';

CREATE FUNCTION dgen._mailbox(actor_key text) RETURNS bigint
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'dgen_operate_mailbox';
COMMENT ON FUNCTION dgen._mailbox(text) IS 'like mailbox_of; ZD002 if the key is NULL, empty or too long';

CREATE FUNCTION dgen._check(type_id integer, privilege text) RETURNS void
	LANGUAGE c STABLE STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_check';
COMMENT ON FUNCTION dgen._check(integer, text) IS 'raises 42501 unless the calling role has the privilege to send, read or work; own: unless it owns the type';

CREATE FUNCTION dgen._own(type_id integer, mailbox bigint) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_own';
COMMENT ON FUNCTION dgen._own(integer, bigint) IS 'owns the actor until the transaction ends; waits for its running turn; the next statement sees what that turn did';

CREATE FUNCTION dgen._refuse_in_turn(type_id integer) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_refuse_in_turn';
COMMENT ON FUNCTION dgen._refuse_in_turn(integer) IS 'raises ZD030 while this session has a turn of an actor of the type, or has claimed one';

CREATE FUNCTION dgen._in_handler() RETURNS boolean
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'dgen_operate_in_handler';
COMMENT ON FUNCTION dgen._in_handler() IS 'does a handler run in this session?';

CREATE FUNCTION dgen._lock_key(type_id integer, mailbox bigint) RETURNS bigint
	LANGUAGE c STABLE STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_lock_key';
COMMENT ON FUNCTION dgen._lock_key(integer, bigint) IS 'the key of an actor''s advisory lock: pg_locks shows its halves as classid and objid. It cannot be computed without dgen.lock_secret';

CREATE FUNCTION dgen._lock_class() RETURNS integer
	LANGUAGE c IMMUTABLE
	AS 'MODULE_PATHNAME', 'dgen_operate_lock_class';
COMMENT ON FUNCTION dgen._lock_class() IS 'what pg_locks shows as objsubid of an actor''s advisory lock';

CREATE FUNCTION dgen._slot_class() RETURNS integer
	LANGUAGE c IMMUTABLE STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_slot_class';
COMMENT ON FUNCTION dgen._slot_class() IS 'what pg_locks shows as objsubid of the lock of a concurrency slot (max_concurrency); classid is the type';

CREATE FUNCTION dgen._rate_is_spent(type_id integer) RETURNS boolean
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_rate_is_spent';
COMMENT ON FUNCTION dgen._rate_is_spent(integer) IS 'has the type used all rate permits that max_rate allows at this moment?';

CREATE FUNCTION dgen._wake(type_id integer) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_wake';
COMMENT ON FUNCTION dgen._wake(integer) IS 'wakes workers of the type when this transaction has committed';

CREATE FUNCTION dgen._wake_everybody() RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate_wake_everybody';
COMMENT ON FUNCTION dgen._wake_everybody() IS 'wakes all workers when this transaction has committed';

CREATE FUNCTION dgen._wake_at(due timestamptz) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_operate_wake_at';
COMMENT ON FUNCTION dgen._wake_at(timestamptz) IS 'lets a worker check for due work at that time, once this transaction has committed';

CREATE FUNCTION dgen._next_message() RETURNS bigint
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_next_message';
COMMENT ON FUNCTION dgen._next_message() IS 'the next number of dgen.message_seq, for a message that this transaction writes';

CREATE FUNCTION dgen._maintenance_cursor(next bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate_cursor';
COMMENT ON FUNCTION dgen._maintenance_cursor(bigint) IS 'position at which dgen._maintain of this session continues; sets it, unless NULL';

REVOKE ALL ON FUNCTION dgen._calling_role(), dgen._type_for(text, text), dgen._mailbox(text),
	dgen._check(integer, text), dgen._own(integer, bigint), dgen._refuse_in_turn(integer), dgen._in_handler(),
	dgen._lock_key(integer, bigint), dgen._lock_class(), dgen._slot_class(), dgen._rate_is_spent(integer), dgen._wake(integer), dgen._wake_everybody(),
	dgen._wake_at(timestamptz), dgen._next_message(), dgen._maintenance_cursor(bigint)
	FROM PUBLIC;

-- Sessions cache types, privileges and the adoption. A change invalidates the caches.
CREATE FUNCTION dgen._types_changed_trigger() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate_types_changed';
COMMENT ON FUNCTION dgen._types_changed_trigger() IS 'tells every session that actor types or privileges changed';
REVOKE ALL ON FUNCTION dgen._types_changed_trigger() FROM PUBLIC;

CREATE TRIGGER types_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dgen.actor_type
	FOR EACH STATEMENT EXECUTE FUNCTION dgen._types_changed_trigger();
CREATE TRIGGER types_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dgen.privilege
	FOR EACH STATEMENT EXECUTE FUNCTION dgen._types_changed_trigger();
CREATE TRIGGER types_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dgen.adoption
	FOR EACH STATEMENT EXECUTE FUNCTION dgen._types_changed_trigger();
COMMENT ON TRIGGER types_changed ON dgen.actor_type IS 'see dgen._types_changed_trigger';
COMMENT ON TRIGGER types_changed ON dgen.privilege IS 'see dgen._types_changed_trigger';
COMMENT ON TRIGGER types_changed ON dgen.adoption IS 'see dgen._types_changed_trigger';

-- A role needs more than its rows in dgen.privilege: USAGE on the schema, if it has any
-- privilege, owns a type or can create one; and SELECT on the views, if it can read a type.
-- The views show each reader only the types that it can read.
--
-- A role that a row names cannot be dropped; dependencies say so (extension/actor/role.c).
--
-- The caller holds a lock on dgen.privilege: if two sessions run GRANT on one object at a time, one of
-- them fails.
CREATE FUNCTION dgen._depend_on_role(role regrole, owns boolean, granted boolean) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_depend_on_role';
COMMENT ON FUNCTION dgen._depend_on_role(regrole, boolean, boolean) IS 'dgen.actor_type depends on roles that own types, dgen.privilege on roles that have privileges';

CREATE FUNCTION dgen._may_create_types(role regrole) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT has_function_privilege(role, p.oid, 'EXECUTE')
	FROM pg_proc p
	WHERE p.pronamespace = 'dgen'::regnamespace AND p.proname = 'create_actor_type'
$$;
COMMENT ON FUNCTION dgen._may_create_types(regrole) IS 'can the role create actor types?';

-- A GRANT writes its rows even if it changes nothing: it waits for other sessions that write them, and then
-- fails. So a GRANT that changes nothing is left out. In a transaction with one snapshot that cannot be
-- known, because the snapshot can be too old.
CREATE FUNCTION dgen._granted(grantee regrole, OUT usage boolean, OUT views bigint)
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) AS a
			WHERE n.nspname = 'dgen' AND a.grantee = _granted.grantee AND a.grantor = n.nspowner AND a.privilege_type = 'USAGE'),
		(SELECT count(*) FROM pg_class c, aclexplode(c.relacl) AS a
			WHERE c.relnamespace = 'dgen'::regnamespace
				AND c.relname IN ('actor_types', 'actors', 'messages', 'dead_letters', 'requests', 'workers')
				AND a.grantee = _granted.grantee AND a.grantor = c.relowner AND a.privilege_type = 'SELECT')
	WHERE current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
$$;
COMMENT ON FUNCTION dgen._granted(regrole) IS 'privileges of a role on the schema and on the six views; NULL if that cannot be known';

CREATE FUNCTION dgen._grant_objects(grantee regrole) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owns  boolean := EXISTS (SELECT FROM dgen.actor_type t WHERE t.owner = grantee);
	uses  boolean := EXISTS (SELECT FROM dgen.privilege p WHERE p.role = grantee);
	reads boolean;
	has   record;
	name  text := CASE WHEN grantee = 0::oid THEN 'PUBLIC' ELSE grantee::text END;
BEGIN
	IF grantee <> 0::oid THEN
		IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grantee) THEN
			RETURN; -- a dropped role has no privileges
		END IF;
		PERFORM dgen._depend_on_role(grantee, owns, uses);
		IF EXISTS (SELECT FROM pg_roles r WHERE r.oid = grantee AND r.rolsuper) THEN
			RETURN; -- a superuser needs no grants
		END IF;
	END IF;

	SELECT * INTO has FROM dgen._granted(grantee);
	reads := owns OR EXISTS (SELECT FROM dgen.privilege p WHERE p.role = grantee AND p.privilege = 'read');
	IF uses OR reads OR dgen._may_create_types(grantee) THEN
		IF has.usage IS NOT TRUE THEN
			EXECUTE format('GRANT USAGE ON SCHEMA dgen TO %s', name);
		END IF;
	ELSIF has.usage IS NOT FALSE THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA dgen FROM %s', name);
	END IF;
	IF reads AND has.views IS DISTINCT FROM 6 THEN
		EXECUTE format('GRANT SELECT ON dgen.actor_types, dgen.actors, dgen.messages, dgen.dead_letters, dgen.requests, dgen.workers TO %s', name);
	ELSIF NOT reads AND has.views IS DISTINCT FROM 0 THEN
		EXECUTE format('REVOKE SELECT ON dgen.actor_types, dgen.actors, dgen.messages, dgen.dead_letters, dgen.requests, dgen.workers FROM %s', name);
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._grant_objects(regrole) IS 'grants a role the privileges on schema and views that its privileges on actor types need, and revokes the others';

CREATE FUNCTION dgen._check_not_null(parameter text, is_null boolean,
	hint text DEFAULT 'Leave the parameter out to get its default.') RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF is_null THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = format('%s must not be null', parameter),
			HINT = hint;
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._check_not_null(text, boolean, text) IS 'raises 22004 for a parameter that is NULL';

CREATE FUNCTION dgen._check_role(role regrole) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hint CONSTANT text := 'Name a role; ''-'' is everybody (PUBLIC).';
BEGIN
	PERFORM dgen._check_not_null('role', role IS NULL, hint);
	IF role <> 0::oid AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('role with OID %s does not exist', role::oid),
			HINT = hint;
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._check_role(regrole) IS 'raises 22004 or 42704 unless the role exists or is PUBLIC';

CREATE FUNCTION dgen._grant(type_name text, role regrole, privilege text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type integer := dgen._type_for(type_name, 'own');
BEGIN
	PERFORM dgen._check_role(role);
	LOCK TABLE dgen.privilege IN SHARE ROW EXCLUSIVE MODE;
	INSERT INTO dgen.privilege VALUES (type, role, privilege) ON CONFLICT DO NOTHING;
	PERFORM dgen._grant_objects(role);
END
$$;
COMMENT ON FUNCTION dgen._grant(text, regrole, text) IS 'grants send, read or work';

CREATE FUNCTION dgen._revoke(type_name text, from_role regrole, what text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type integer := dgen._type_for(type_name, 'own');
BEGIN
	PERFORM dgen._check_role(from_role);
	LOCK TABLE dgen.privilege IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM dgen.privilege p WHERE p.type_id = type AND p.role = from_role AND p.privilege = what;
	IF FOUND THEN
		PERFORM dgen._grant_objects(from_role);
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._revoke(text, regrole, text) IS 'revokes send, read or work';

REVOKE ALL ON FUNCTION dgen._depend_on_role(regrole, boolean, boolean), dgen._may_create_types(regrole), dgen._granted(regrole), dgen._grant_objects(regrole), dgen._check_not_null(text, boolean, text), dgen._check_role(regrole),
	dgen._grant(text, regrole, text), dgen._revoke(text, regrole, text) FROM PUBLIC;
