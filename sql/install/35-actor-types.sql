-- Actor types: creating, altering and dropping them, and privileges on them.

-- ---- checks of a policy ----

CREATE FUNCTION dgen._is_bounded(value interval) RETURNS boolean
	LANGUAGE c STRICT IMMUTABLE
	AS 'MODULE_PATHNAME', 'dgen_is_bounded';
COMMENT ON FUNCTION dgen._is_bounded(interval) IS 'whether an interval, and each part of it, is no longer than 36525 days';

-- A timeout above 24 days does not fit statement_timeout, which has 32 bits, in milliseconds.
CREATE FUNCTION dgen._check_interval(parameter text, value interval, shortest interval, longest interval) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dgen._check_not_null(parameter, value IS NULL);
	IF value < shortest OR value > longest OR NOT dgen._is_bounded(value) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid value for parameter "%s": %s', parameter, value),
			HINT = format('Give an interval between %s and %s.', shortest, longest);
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._check_interval(text, interval, interval, interval) IS 'raises 22023 for an interval out of bounds';

CREATE FUNCTION dgen._check_limit(parameter text, value double precision) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value < 0 OR value IN ('Infinity', 'NaN') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid value for parameter "%s": %s', parameter, value),
			HINT = 'Give a number above 0, or 0 for no limit.';
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._check_limit(text, double precision) IS 'raises 22023 for an invalid limit';

CREATE FUNCTION dgen._check_policy(type dgen.actor_type) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dgen._check_not_null('initial_state', type.initial_state IS NULL);
	PERFORM dgen._check_not_null('max_attempts', type.max_attempts IS NULL);
	PERFORM dgen._check_not_null('handle_dead_letters', type.handle_dead_letters IS NULL);
	PERFORM dgen._check_not_null('handle_actions', type.handle_actions IS NULL);
	IF jsonb_typeof(type.initial_state) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('initial_state must be a JSON object, not a JSON %s', jsonb_typeof(type.initial_state)),
			HINT = 'Put the value into a member of a JSON object.';
	END IF;
	IF type.max_attempts < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid value for parameter "max_attempts": %s', type.max_attempts),
			HINT = 'Give at least 1. With 1, a message becomes a dead letter when its first attempt fails.';
	END IF;
	PERFORM dgen._check_interval('backoff', type.backoff, '0', '1 year');
	PERFORM dgen._check_interval('max_backoff', type.max_backoff, '0', '1 year');
	PERFORM dgen._check_interval('turn_timeout', type.turn_timeout, '1 ms', '24 days');
	PERFORM dgen._check_interval('retention', type.retention, '1 ms', '100 years');
	PERFORM dgen._check_limit('max_waiting', type.max_waiting);
	PERFORM dgen._check_limit('max_concurrency', type.max_concurrency);
	PERFORM dgen._check_limit('max_rate', type.max_rate);
	PERFORM dgen._check_interval('lock_timeout', type.lock_timeout, '1 ms', '24 days');
	PERFORM dgen._check_not_null('locked_priority', type.locked_priority IS NULL);
	IF type.locked_priority NOT BETWEEN -32768 AND 32768 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid value for parameter "locked_priority": %s', type.locked_priority),
			HINT = 'Give the lowest priority that a locked actor handles, or 32768 for none.';
	END IF;
	IF type.max_backoff < type.backoff THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('max_backoff %s must be at least backoff %s', type.max_backoff, type.backoff),
			HINT = 'Give both: the backoff doubles from backoff up to max_backoff.';
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._check_policy(dgen.actor_type) IS 'raises 22004 or 22023 for an invalid policy';

-- The handler runs as the owner of the type, so the owner's privileges are checked.
CREATE FUNCTION dgen._check_handler(handler text, owner regrole) RETURNS void
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_check_type_handler';
COMMENT ON FUNCTION dgen._check_handler(text, regrole) IS 'raises ZD004 or 42501 if the function cannot be a handler, or not for types of that owner';

CREATE FUNCTION dgen._warn_superuser(type dgen.actor_type) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF type.handler IS NOT NULL AND EXISTS (SELECT FROM pg_roles r WHERE r.oid = type.owner AND r.rolsuper) THEN
		RAISE WARNING USING
			MESSAGE = format('actor type "%s" is owned by superuser %s: its handler runs with the privileges of a superuser', type.name, type.owner),
			HINT = 'Create actor types as a role that has only the privileges that the handler needs.';
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._warn_superuser(dgen.actor_type) IS 'warns of a handler that runs with the privileges of a superuser';

CREATE FUNCTION dgen._check_type_name(name text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF COALESCE(octet_length(name), 0) NOT BETWEEN 1 AND 128 THEN
		RAISE EXCEPTION USING
			ERRCODE = CASE WHEN name IS NULL THEN 'null_value_not_allowed' ELSE 'invalid_parameter_value' END,
			MESSAGE = CASE WHEN name IS NULL THEN 'name of actor type must not be null'
				ELSE format('name of actor type must have 1 to 128 bytes, not %s', octet_length(name)) END,
			HINT = 'Give a name of 1 to 128 bytes.';
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._check_type_name(text) IS 'raises 22004 or 22023 for an invalid name of an actor type';

-- ---- create, alter ----

-- Changes of types run one at a time, but next to workers that attach: those write into rows of external types
-- (extension/actor/declare.c), and a client can leave that transaction open. A session that waits for such a row
-- releases the table locks first, so that other sessions do not also wait for the row. A session that waits for
-- the tables has released the row: otherwise it would deadlock with a session that has the tables and changes
-- that type.
CREATE FUNCTION dgen._lock_type(type_name text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type integer;
BEGIN
	LOOP
		BEGIN
			LOCK TABLE dgen.actor_type IN SHARE UPDATE EXCLUSIVE MODE;
			LOCK TABLE dgen.privilege IN SHARE ROW EXCLUSIVE MODE;
			type := (SELECT t.id FROM dgen.actor_type t WHERE t.name = type_name);
			IF type IS NULL THEN
				RETURN;
			END IF;
			PERFORM dgen._check(type, 'own');
			PERFORM FROM dgen.actor_type t WHERE t.id = type FOR UPDATE SKIP LOCKED;
			IF FOUND THEN
				RETURN;
			END IF;
			RAISE object_in_use;
		EXCEPTION WHEN object_in_use THEN
			NULL; -- the tables are free
		END;
		BEGIN
			PERFORM FROM dgen.actor_type t WHERE t.id = type FOR SHARE;
			RAISE object_in_use;
		EXCEPTION WHEN object_in_use THEN
			NULL; -- and the row
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dgen._lock_type(text) IS 'locks the tables that a change of a type needs, and the row of that type, if there is one: 42501 unless the calling role owns it';

CREATE FUNCTION dgen._create_actor_type(new_name text, handler text, initial_state jsonb, max_attempts integer,
	backoff interval, max_backoff interval, turn_timeout interval, retention interval, replace boolean,
	if_not_exists boolean, max_waiting integer, max_concurrency integer, max_rate double precision,
	handle_dead_letters boolean, handle_actions boolean,
	lock_timeout interval, locked_priority integer, search_path text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new dgen.actor_type;
	old dgen.actor_type;
BEGIN
	PERFORM dgen._check_type_name(new_name);
	IF replace AND if_not_exists THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'replace and if_not_exists cannot be used together',
			HINT = 'Use replace to change an existing type, or if_not_exists to keep it.';
	END IF;
	PERFORM dgen._lock_type(CASE WHEN replace THEN new_name END);
	SELECT * INTO old FROM dgen.actor_type t WHERE t.name = new_name;
	IF old.id IS NOT NULL AND if_not_exists THEN
		RAISE NOTICE USING ERRCODE = 'duplicate_object',
			MESSAGE = format('actor type "%s" already exists, skipping', new_name);
		RETURN;
	END IF;
	IF old.id IS NOT NULL AND replace IS NOT TRUE THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = format('actor type "%s" already exists', new_name),
			HINT = 'Change it with dgen.alter_actor_type, or pass replace => true; if_not_exists => true leaves it as it is.';
	END IF;
	IF old.id IS NOT NULL THEN
		PERFORM dgen._check(old.id, 'own');
		SELECT * INTO old FROM dgen.actor_type t WHERE t.id = old.id FOR UPDATE;
		IF old.owner <> dgen._calling_role() THEN
			RAISE NOTICE USING
				MESSAGE = format('actor type "%s" already exists, and its owner is still role %s', new_name, old.owner),
				HINT = 'To give the type to another role, use dgen.set_owner.';
		END IF;
	END IF;

	new := ROW(COALESCE(old.id, nextval('dgen.actor_type_id_seq')), new_name,
		COALESCE(old.owner, dgen._calling_role()), NULLIF(handler, ''), search_path, initial_state, max_attempts,
		backoff, max_backoff, turn_timeout, retention, COALESCE(old.created_at, clock_timestamp()), NULLIF(max_waiting, 0), NULLIF(max_concurrency, 0),
		NULLIF(max_rate, 0), handle_dead_letters, handle_actions, lock_timeout, locked_priority);
	-- What external workers declared when they attached remains.
	IF new.handler IS NULL AND old.handler IS NULL THEN
		new.handle_dead_letters := new.handle_dead_letters OR COALESCE(old.handle_dead_letters, false);
		new.handle_actions := new.handle_actions OR COALESCE(old.handle_actions, false);
	END IF;
	PERFORM dgen._check_policy(new);
	PERFORM dgen._check_handler(new.handler, new.owner);
	PERFORM dgen._warn_superuser(new);
	IF NOT EXISTS (SELECT FROM dgen.adoption) AND NOT EXISTS (SELECT FROM dgen.actor_type) THEN
		PERFORM dgen._adopt();
	END IF;
	DELETE FROM dgen.actor_type t WHERE t.id = new.id;
	INSERT INTO dgen.actor_type SELECT new.*;
	PERFORM dgen._grant_objects(new.owner);
	PERFORM dgen._types_changed();
	IF old.id IS NOT NULL THEN
		PERFORM dgen._wake(new.id);
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._create_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, boolean, boolean, integer, integer, double precision, boolean, boolean, interval, integer, text) IS 'dgen.create_actor_type with the privileges of the owner of dgen; handler qualified, search_path of the caller';

CREATE FUNCTION dgen.create_actor_type(name text, handler text DEFAULT NULL, initial_state jsonb DEFAULT '{}',
	max_attempts integer DEFAULT 10, backoff interval DEFAULT '100 ms', max_backoff interval DEFAULT '1 min',
	turn_timeout interval DEFAULT '30 s', retention interval DEFAULT '1 day', replace boolean DEFAULT false,
	if_not_exists boolean DEFAULT false, max_waiting integer DEFAULT NULL, max_concurrency integer DEFAULT NULL, max_rate double precision DEFAULT NULL,
	handle_dead_letters boolean DEFAULT false, handle_actions boolean DEFAULT false,
	lock_timeout interval DEFAULT '1 hour', locked_priority integer DEFAULT 32768) RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_create_actor_type';
COMMENT ON FUNCTION dgen.create_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, boolean, boolean, integer, integer, double precision, boolean, boolean, interval, integer) IS
'creates an actor type, owned by the calling role. handler: a function (ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome, found on the search_path, which is stored for its turns; NULL: external workers handle the type. replace: an existing type of that name, if the caller owns it, gets all values given here and keeps its owner. if_not_exists: an existing type of that name is not changed, and a NOTICE says so. max_waiting: maximum number of messages that wait for one actor; sending more is refused (ZD006). max_concurrency: maximum number of actors of the type that workers handle at a time. max_rate: maximum number of turns per second; 0.1 is one turn in ten seconds. NULL or 0: no limit. handle_dead_letters: the handler also runs for dead letters of its actor, with kind dead_letter. handle_actions: the handler can call dgen.act, and runs for actions, with kind action. For an external type, its workers declare both. lock_timeout: maximum duration of an attempt of a locked part (dgen.lock). locked_priority: a locked actor handles messages of this priority and above; 32768: none. EXECUTE is not granted to PUBLIC: GRANT USAGE ON SCHEMA dgen and EXECUTE on this function to the roles that create types.';

CREATE FUNCTION dgen.actor_type_exists(name text) RETURNS boolean
	LANGUAGE c STABLE STRICT
	AS 'MODULE_PATHNAME', 'dgen_actor_type_exists';
COMMENT ON FUNCTION dgen.actor_type_exists(text) IS
'is there an actor type of that name? Every role with USAGE on the schema can ask; it needs no privilege on the type.';

CREATE FUNCTION dgen._alter_actor_type(old_name text, handler text, initial_state jsonb, max_attempts integer,
	backoff interval, max_backoff interval, turn_timeout interval, retention interval, max_waiting integer, max_concurrency integer, max_rate double precision,
	handle_dead_letters boolean, handle_actions boolean,
	lock_timeout interval, locked_priority integer, search_path text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type dgen.actor_type;
BEGIN
	PERFORM dgen._lock_type(old_name);
	type.id := dgen._type_for(old_name, 'own');
	SELECT * INTO type FROM dgen.actor_type t WHERE t.id = type.id FOR UPDATE;
	IF handler IS NOT NULL THEN
		type.handler := NULLIF(handler, '');
		type.search_path := search_path;
		PERFORM dgen._check_handler(type.handler, type.owner);
		PERFORM dgen._warn_superuser(type);
	END IF;
	type.initial_state := COALESCE(initial_state, type.initial_state);
	type.max_attempts := COALESCE(max_attempts, type.max_attempts);
	type.backoff := COALESCE(backoff, type.backoff);
	type.max_backoff := COALESCE(max_backoff, type.max_backoff);
	type.turn_timeout := COALESCE(turn_timeout, type.turn_timeout);
	type.retention := COALESCE(retention, type.retention);
	type.max_waiting := NULLIF(COALESCE(max_waiting, type.max_waiting), 0);
	type.max_concurrency := NULLIF(COALESCE(max_concurrency, type.max_concurrency), 0);
	type.max_rate := NULLIF(COALESCE(max_rate, type.max_rate), 0);
	type.handle_dead_letters := COALESCE(handle_dead_letters, type.handle_dead_letters);
	type.handle_actions := COALESCE(handle_actions, type.handle_actions);
	type.lock_timeout := COALESCE(lock_timeout, type.lock_timeout);
	type.locked_priority := COALESCE(locked_priority, type.locked_priority);
	PERFORM dgen._check_policy(type);
	DELETE FROM dgen.actor_type t WHERE t.id = type.id;
	INSERT INTO dgen.actor_type SELECT type.*;
	PERFORM dgen._types_changed();
	PERFORM dgen._wake(type.id); -- a limit may be higher now
END
$$;
COMMENT ON FUNCTION dgen._alter_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, integer, integer, double precision, boolean, boolean, interval, integer, text) IS 'dgen.alter_actor_type with the privileges of the owner of dgen; handler qualified, search_path of the caller';

CREATE FUNCTION dgen.alter_actor_type(name text, handler text DEFAULT NULL, initial_state jsonb DEFAULT NULL,
	max_attempts integer DEFAULT NULL, backoff interval DEFAULT NULL, max_backoff interval DEFAULT NULL,
	turn_timeout interval DEFAULT NULL, retention interval DEFAULT NULL, max_waiting integer DEFAULT NULL, max_concurrency integer DEFAULT NULL, max_rate double precision DEFAULT NULL,
	handle_dead_letters boolean DEFAULT NULL, handle_actions boolean DEFAULT NULL,
	lock_timeout interval DEFAULT NULL, locked_priority integer DEFAULT NULL)
	RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_alter_actor_type';
COMMENT ON FUNCTION dgen.alter_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, integer, integer, double precision, boolean, boolean, interval, integer) IS
'changes the values that are given and keeps the others. handler '''': external workers handle the type from now on. A limit of 0 removes the limit. A new initial_state applies to actors that are created later. Only for the owner of the type.';

-- ---- drop ----

CREATE FUNCTION dgen._count(number bigint, thing text) RETURNS text
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE number WHEN 0 THEN NULL WHEN 1 THEN '1 ' || thing ELSE number || ' ' || thing || 's' END $$;
COMMENT ON FUNCTION dgen._count(bigint, text) IS 'a number with its noun, for messages; NULL for none';

CREATE FUNCTION dgen._refuse_type_in_use(type integer, name text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found text;
BEGIN
	SELECT concat_ws(', ',
		dgen._count((SELECT count(*) FROM dgen.message m WHERE m.type_id = type), 'message'),
		dgen._count((SELECT count(*) FROM dgen.delayed_message d WHERE d.type_id = type), 'delayed message'),
		dgen._count((SELECT count(*) FROM dgen.message m WHERE m.type_id = -type)
			+ (SELECT count(*) FROM dgen.delayed_message d WHERE d.type_id = -type), 'action'),
		dgen._count((SELECT count(*) FROM dgen.dead_letter l WHERE l.type_id = type), 'dead letter'),
		dgen._count((SELECT count(*) FROM dgen.actor a WHERE a.type_id = type), 'actor'),
		dgen._count((SELECT count(*) FROM dgen.locked k WHERE k.type_id = type), 'locked message'),
		dgen._count((SELECT count(*) FROM dgen.request r WHERE r.type_id = type AND r.status = 'p'), 'open request'))
		INTO found;
	IF found <> '' THEN
		RAISE EXCEPTION USING ERRCODE = 'ZD005',
			MESSAGE = format('actor type "%s" is in use', name),
			DETAIL = format('It has %s.', found),
			HINT = 'To delete all of that with the type, pass discard => true.';
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._refuse_type_in_use(integer, text) IS 'raises ZD005 with what there is of a type';

-- Existing replies remain for their callers; with discard, so does the error that a request was canceled.
-- dgen._maintain removes them later. Replies to actors of the type are no longer needed.
CREATE FUNCTION dgen._delete_type(type integer, discard boolean) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dgen._forget_asker(type, NULL);
	IF discard THEN
		DELETE FROM dgen.message m WHERE m.type_id IN (type, -type);
		DELETE FROM dgen.delayed_message d WHERE d.type_id IN (type, -type);
		DELETE FROM dgen.dead_letter l WHERE l.type_id = type;
		DELETE FROM dgen.actor a WHERE a.type_id = type;
		DELETE FROM dgen.locked k WHERE k.type_id = type;
		DELETE FROM dgen.request r WHERE r.type_id = type AND r.status <> 'p';
		PERFORM dgen._end_requests(ARRAY(SELECT r.id FROM dgen.request r WHERE r.type_id = type AND r.status = 'p'));
		UPDATE dgen.request r SET actor_key = '', correlation = NULL, reply_type_id = NULL, reply_key = NULL WHERE r.type_id = type;
	END IF;
	DELETE FROM dgen.failed_attempt f WHERE f.type_id IN (type, -type);
	DELETE FROM dgen.idempotency_key i WHERE i.type_id = type;
	DELETE FROM dgen.paused p WHERE p.type_id = type;
	DELETE FROM dgen.actor_type t WHERE t.id = type;
END
$$;
COMMENT ON FUNCTION dgen._delete_type(integer, boolean) IS 'deletes a type, and with discard everything that belongs to it';

-- Senders wait for the lock until this transaction ends, and then find that the type does
-- not exist. The lock is requested in short attempts, because senders queue behind the
-- request. One attempt does everything, because a worker that has claimed can hold rows and
-- wait for the tables.
CREATE FUNCTION dgen._drop_actor_type(type_name text, discard boolean) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
AS $$
DECLARE
	type  integer;
	owner regrole;
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION USING ERRCODE = 'ZD031',
			MESSAGE = 'cannot drop an actor type in a transaction that is not READ COMMITTED',
			HINT = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED.';
	END IF;
	type := dgen._type_for(type_name, 'own');
	PERFORM dgen._refuse_in_turn(type);
	FOR try IN 1 .. 50 LOOP
		BEGIN
			LOCK TABLE dgen.actor_type, dgen.privilege IN SHARE ROW EXCLUSIVE MODE;
			LOCK TABLE dgen.message, dgen.delayed_message IN SHARE ROW EXCLUSIVE MODE;
			type := dgen._type_for(type_name, 'own');
			PERFORM dgen._refuse_in_turn(type); -- the name can belong to another type now
			IF discard IS NOT TRUE THEN
				PERFORM dgen._refuse_type_in_use(type, type_name);
			END IF;
			SELECT t.owner INTO owner FROM dgen.actor_type t WHERE t.id = type;
			PERFORM dgen._delete_type(type, COALESCE(discard, false));
			PERFORM dgen._revoke_all(type, owner);
			PERFORM dgen._types_changed();
			RETURN;
		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
			PERFORM pg_sleep(0.05 + 0.1 * random());
		END;
	END LOOP;
	RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
		MESSAGE = format('could not drop actor type "%s": its mailboxes are in use', type_name),
		DETAIL = COALESCE(dgen._holders_of_mailboxes(), 'Turns of its actors are running.'),
		HINT = 'End the open transactions that send or handle messages, of this type or of others, then try again.';
END
$$;
COMMENT ON FUNCTION dgen._drop_actor_type(text, boolean) IS 'dgen.drop_actor_type with the privileges of the owner of dgen';

CREATE FUNCTION dgen._revoke_all(type integer, type_owner regrole) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	roles oid[];
BEGIN
	roles := ARRAY(SELECT p.role FROM dgen.privilege p WHERE p.type_id = type UNION SELECT type_owner ORDER BY 1);
	DELETE FROM dgen.privilege p WHERE p.type_id = type;
	PERFORM dgen._grant_objects(r::regrole) FROM unnest(roles) AS r;
END
$$;
COMMENT ON FUNCTION dgen._revoke_all(integer, regrole) IS 'revokes what roles have for a type that was dropped';

CREATE FUNCTION dgen._holders_of_mailboxes() RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'Processes that have sent messages or handle some: ' || string_agg(DISTINCT l.pid::text, ', ') || '.'
	FROM pg_locks l
	WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()
		AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
		AND l.relation IN ('dgen.message'::regclass, 'dgen.delayed_message'::regclass)
$$;
COMMENT ON FUNCTION dgen._holders_of_mailboxes() IS 'the sessions that dgen.drop_actor_type waits for, in words';

CREATE FUNCTION dgen.drop_actor_type(name text, discard boolean DEFAULT false) RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.drop_actor_type(text, boolean) IS
'drops an actor type. Refuses (ZD005) while it has messages, dead letters, actors or open requests, unless discard is true: then they are deleted, and a caller that has no reply gets the error that the request was canceled (ZD012). Senders of all types wait until this transaction ends. For the owner of the type.';

-- ---- grant, revoke ----

CREATE FUNCTION dgen._grant_send(actor_type text, role regrole) RETURNS void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dgen._grant($1, $2, 'send') $$;
CREATE FUNCTION dgen._grant_read(actor_type text, role regrole) RETURNS void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dgen._grant($1, $2, 'read') $$;
CREATE FUNCTION dgen._grant_work(actor_type text, role regrole) RETURNS void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dgen._grant($1, $2, 'work') $$;
CREATE FUNCTION dgen._revoke_send(actor_type text, role regrole) RETURNS void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dgen._revoke($1, $2, 'send') $$;
CREATE FUNCTION dgen._revoke_read(actor_type text, role regrole) RETURNS void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dgen._revoke($1, $2, 'read') $$;
CREATE FUNCTION dgen._revoke_work(actor_type text, role regrole) RETURNS void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dgen._revoke($1, $2, 'work') $$;
COMMENT ON FUNCTION dgen._grant_send(text, regrole) IS 'dgen.grant_send with the privileges of the owner of dgen';
COMMENT ON FUNCTION dgen._grant_read(text, regrole) IS 'dgen.grant_read with the privileges of the owner of dgen';
COMMENT ON FUNCTION dgen._grant_work(text, regrole) IS 'dgen.grant_work with the privileges of the owner of dgen';
COMMENT ON FUNCTION dgen._revoke_send(text, regrole) IS 'dgen.revoke_send with the privileges of the owner of dgen';
COMMENT ON FUNCTION dgen._revoke_read(text, regrole) IS 'dgen.revoke_read with the privileges of the owner of dgen';
COMMENT ON FUNCTION dgen._revoke_work(text, regrole) IS 'dgen.revoke_work with the privileges of the owner of dgen';

CREATE FUNCTION dgen.grant_send(actor_type text, role regrole) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.grant_send(text, regrole) IS
'lets a role send to the type (cast, request, call, cancel), and use schema dgen. role ''-'' is PUBLIC. For the owner of the type.';
CREATE FUNCTION dgen.grant_read(actor_type text, role regrole) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.grant_read(text, regrole) IS
'lets a role read the states, mailboxes and dead letters of the type, and use schema dgen and its views. role ''-'' is PUBLIC. For the owner of the type.';
CREATE FUNCTION dgen.grant_work(actor_type text, role regrole) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.grant_work(text, regrole) IS
'lets a role handle the type''s messages and operate its actors (pause, reset, redrive ...), and use schema dgen. role ''-'' is PUBLIC. For the owner of the type.';
CREATE FUNCTION dgen.revoke_send(actor_type text, role regrole) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.revoke_send(text, regrole) IS
'revokes what dgen.grant_send granted, and USAGE on schema dgen with the last privilege. For the owner of the type.';
CREATE FUNCTION dgen.revoke_read(actor_type text, role regrole) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.revoke_read(text, regrole) IS
'revokes what dgen.grant_read granted, and USAGE on schema dgen with the last privilege. For the owner of the type.';
CREATE FUNCTION dgen.revoke_work(actor_type text, role regrole) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.revoke_work(text, regrole) IS
'revokes what dgen.grant_work granted, and USAGE on schema dgen with the last privilege. For the owner of the type.';

REVOKE ALL ON FUNCTION
	dgen.create_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, boolean, boolean, integer, integer, double precision, boolean, boolean, interval, integer),
	dgen._create_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, boolean, boolean, integer, integer, double precision, boolean, boolean, interval, integer, text),
	dgen._alter_actor_type(text, text, jsonb, integer, interval, interval, interval, interval, integer, integer, double precision, boolean, boolean, interval, integer, text),
	dgen._is_bounded(interval),
	dgen._check_interval(text, interval, interval, interval), dgen._check_type_name(text), dgen._lock_type(text),
	dgen._check_limit(text, double precision), dgen._check_policy(dgen.actor_type), dgen._check_handler(text, regrole),
	dgen._warn_superuser(dgen.actor_type),	dgen._count(bigint, text), dgen._refuse_type_in_use(integer, text), dgen._delete_type(integer, boolean),
	dgen._drop_actor_type(text, boolean), dgen._revoke_all(integer, regrole), dgen._holders_of_mailboxes(),
	dgen._grant_send(text, regrole), dgen._grant_read(text, regrole), dgen._grant_work(text, regrole),
	dgen._revoke_send(text, regrole), dgen._revoke_read(text, regrole), dgen._revoke_work(text, regrole)
	FROM PUBLIC;
