-- dgen.explain_actor: why an actor is or is not making progress, in a sentence.
--
-- The reasons are checked in the order in which a worker meets them. Each function returns the
-- rest of a sentence that begins with the actor, or NULL if its reason does not apply.

-- How a process is involved with an actor, and which process it waits for itself.
CREATE FUNCTION dgen._describe_process(process integer) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
			WHEN process IS NULL THEN 'a prepared transaction, which COMMIT PREPARED or ROLLBACK PREPARED ends'
			WHEN process = pg_backend_pid() THEN 'this transaction'
			ELSE format('process %s%s%s', process,
				(SELECT format(' (worker %s)', quote_ident(w.name)) FROM dgen.workers w WHERE w.pid = process LIMIT 1),
				(SELECT COALESCE(', in a transaction that began at ' || date_trunc('seconds', a.xact_start), '')
						|| CASE a.wait_event WHEN 'SyncRep' THEN ', whose commit waits for a synchronous standby' ELSE '' END
					FROM pg_stat_activity a WHERE a.pid = process))
		END
		|| COALESCE((
			SELECT format(', which itself waits for process %s', string_agg(DISTINCT b::text, ', '))
			FROM unnest(pg_blocking_pids(process)) AS b
			HAVING count(*) > 0), '')
$$;
COMMENT ON FUNCTION dgen._describe_process(integer) IS 'a session in words; NULL: a prepared transaction';

-- NULL: a prepared transaction; no row: no owner.
CREATE FUNCTION dgen._lock_holder(type integer, box bigint) RETURNS TABLE (process integer)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.pid
	FROM pg_locks l
	CROSS JOIN dgen._lock_key(type, box) AS k
	WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'
		AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
		AND l.classid::bigint = (k >> 32) & 4294967295 AND l.objid::bigint = k & 4294967295
		AND l.objsubid = dgen._lock_class()
	LIMIT 1
$$;
COMMENT ON FUNCTION dgen._lock_holder(integer, bigint) IS 'the process that holds the actor''s lock';

CREATE FUNCTION dgen._explain_lock(type integer, box bigint) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'is owned by ' || dgen._describe_process(h.process) FROM dgen._lock_holder(type, box) h $$;
COMMENT ON FUNCTION dgen._explain_lock(integer, bigint) IS 'the owner of the actor now: a worker with its turn, a dgen.call, an operator';

-- The row's xmax is the transaction that locked, updated or deleted it last. The owner of the actor
-- also locks the row; workers skip an actor whose row another transaction has locked.
CREATE FUNCTION dgen._explain_row(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'has its row in dgen.actor locked by ' || dgen._describe_process(l.pid)
	FROM dgen.actor a
	JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = a.xmax
	WHERE a.type_id = type AND a.mailbox = box AND a.actor_key = key
		AND NOT EXISTS (SELECT FROM dgen._lock_holder(type, box) h WHERE h.process IS NOT DISTINCT FROM l.pid)
	LIMIT 1
$$;
COMMENT ON FUNCTION dgen._explain_row(integer, bigint, text) IS 'the process that has locked the actor''s row without dgen''s functions';

CREATE FUNCTION dgen._explain_pause(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('is paused%s since %s; run dgen.resume to continue', CASE p.actor_key WHEN '' THEN ', with its whole type,' END,
		date_trunc('seconds', p.paused_at))
	FROM dgen.paused p
	WHERE p.type_id = type AND (p.mailbox = box AND p.actor_key = key OR p.mailbox = 0 AND p.actor_key = '')
	ORDER BY p.actor_key = ''
	LIMIT 1
$$;
COMMENT ON FUNCTION dgen._explain_pause(integer, bigint, text) IS 'is the actor or its type paused?';

-- The session of an attempt holds an advisory lock on its fence; its class is one above that of actors.
CREATE FUNCTION dgen._part_holder(fence bigint) RETURNS TABLE (process integer)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.pid
	FROM pg_locks l
	WHERE l.locktype = 'advisory' AND l.granted AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
		AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
		AND l.classid::bigint = (fence >> 32) & 4294967295 AND l.objid::bigint = fence & 4294967295
		AND l.objsubid = dgen._lock_class() + 1
	LIMIT 1
$$;
COMMENT ON FUNCTION dgen._part_holder(bigint) IS 'the process that runs the attempt of a locked part';

-- True if the type has workers, but all leave its messages, actions or locked parts to others.
CREATE FUNCTION dgen._nobody_takes(type integer, lane text) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(*) > 0
		AND NOT bool_or(t.name = ANY (CASE lane WHEN 'messages' THEN w.messages WHEN 'actions' THEN w.actions ELSE w.locked END))
		AND NOT dgen._perhaps_taken(CASE lane WHEN 'actions' THEN -type ELSE type END, lane = 'locked')
	FROM dgen.actor_type t
	JOIN dgen.workers w ON t.name = ANY (w.types)
	WHERE t.id = type
$$;
COMMENT ON FUNCTION dgen._nobody_takes(integer, text) IS 'are there workers for the type, none of which handles the messages, actions or locked parts?';

CREATE FUNCTION dgen._explain_locked(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('has been locked by message %s since %s: ', k.message_id, date_trunc('seconds', k.locked_at))
		|| CASE
			WHEN h.process IS NOT NULL THEN format('attempt %s is run by %s', k.attempt, dgen._describe_process(h.process))
			WHEN k.retry_at > clock_timestamp() AND isfinite(k.retry_at) THEN
				format('attempt %s begins at %s', k.attempt + 1, date_trunc('seconds', k.retry_at))
			WHEN dgen._nobody_takes(type, 'locked') THEN
				format('attempt %s waits, because no attached worker runs locked parts of its type', k.attempt + 1)
			ELSE format('attempt %s waits for a worker', k.attempt + 1)
		END
		|| CASE WHEN k.last_error IS NULL THEN '' ELSE format(', the last one failed with error %s', concat_ws(': ', dgen._show(k.last_sqlstate, 'SQLSTATE'), dgen._show(k.last_error, 'error'))) END
		|| '; dgen.unlock ends the lock'
	FROM dgen.locked k
	LEFT JOIN LATERAL dgen._part_holder(k.fence) h ON true
	WHERE k.type_id = type AND k.mailbox = box AND k.actor_key = key
$$;
COMMENT ON FUNCTION dgen._explain_locked(integer, bigint, text) IS 'is the actor locked, and who runs its locked part?';

CREATE FUNCTION dgen._explain_backoff(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('waits until %s, because ', date_trunc('seconds', f.retry_at))
		|| CASE
			WHEN f.error IS NULL THEN format('its handler returned dgen.retry for message %s', f.message_id)
			ELSE format('%s of message %s failed, the last with error %s',
				CASE f.attempts WHEN 0 THEN 'uncounted attempts' ELSE dgen._count(f.attempts, 'attempt') END,
				f.message_id, concat_ws(': ', dgen._show(f.sqlstate, 'SQLSTATE'), dgen._show(f.error, 'error')))
		END
	FROM dgen.failed_attempt f
	WHERE f.type_id = type AND f.mailbox = box AND f.actor_key = key AND f.retry_at > clock_timestamp()
	ORDER BY f.retry_at DESC
	LIMIT 1
$$;
COMMENT ON FUNCTION dgen._explain_backoff(integer, bigint, text) IS 'does the actor back off after a failed attempt?';

-- Each actor that workers handle has a concurrency slot of its type (extension/own/slots.c).
CREATE FUNCTION dgen._explain_concurrency(type integer) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('waits, because workers already handle %s of its type, and max_concurrency is %s',
		dgen._count(count(*), 'actor'), t.max_concurrency)
	FROM dgen.actor_type t, pg_locks l
	WHERE t.id = type AND l.locktype = 'advisory' AND l.granted AND l.objsubid = dgen._slot_class()
		AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
		AND l.classid::bigint = type
	GROUP BY t.id
	HAVING count(*) >= t.max_concurrency
$$;
COMMENT ON FUNCTION dgen._explain_concurrency(integer) IS 'are all concurrency slots of the type in use?';

CREATE FUNCTION dgen._explain_rate(type integer) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('waits, because its type has reached max_rate, which is %s per second', t.max_rate)
	FROM dgen.actor_type t
	WHERE t.id = type AND dgen._rate_is_spent(type)
$$;
COMMENT ON FUNCTION dgen._explain_rate(integer) IS 'has the type used up its rate permits?';

CREATE FUNCTION dgen._explain_full(type integer, waiting bigint) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(', and max_waiting of its type is %s', t.max_waiting)
	FROM dgen.actor_type t
	WHERE t.id = type AND waiting >= t.max_waiting
$$;
COMMENT ON FUNCTION dgen._explain_full(integer, bigint) IS 'are senders refused? The end of a sentence';

CREATE FUNCTION dgen._explain_adoption() RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'is not handled, because this database is a copy of another one; if this copy replaces the original, run dgen.adopt_database'
	FROM pg_control_system() AS c, pg_database AS d
	WHERE d.datname = current_database()
		AND (SELECT bool_and((a.system_identifier, a.database_oid) = (c.system_identifier, d.oid)) FROM dgen.adoption a)
			IS NOT TRUE
$$;
COMMENT ON FUNCTION dgen._explain_adoption() IS 'does this database handle anything?';

-- A worker is connected as the owner, which needs the privilege to connect; before 17 also LOGIN.
CREATE FUNCTION dgen._explain_owner(type integer) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
			WHEN r.oid IS NULL THEN 'waits, because the owner of its type was dropped: a superuser gives it another one with dgen.set_owner'
			WHEN NOT r.rolcanlogin AND current_setting('server_version_num')::integer < 170000 THEN
				format('waits, because the owner of its type, role %s, cannot log in, and workers connect as the owner: run ALTER ROLE %s LOGIN, then dgen.start_workers',
					t.owner, t.owner)
			WHEN NOT has_database_privilege(r.oid, current_database(), 'CONNECT') THEN
				format('waits, because the owner of its type, role %s, cannot connect to this database, and workers connect as the owner: run GRANT CONNECT ON DATABASE %I TO %s',
					t.owner, current_database(), t.owner)
		END
	FROM dgen.actor_type t
	LEFT JOIN pg_roles r ON r.oid = t.owner
	WHERE t.id = type AND t.handler IS NOT NULL
$$;
COMMENT ON FUNCTION dgen._explain_owner(integer) IS 'can workers run as the owner of the type?';

CREATE FUNCTION dgen._explain_start() RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
			WHEN has_function_privilege(dgen._calling_role(), 'dgen.start_workers(integer)'::regprocedure, 'EXECUTE') THEN 'dgen.start_workers starts some'
			ELSE format('a superuser starts some with dgen.start_workers, or lets you do so with GRANT EXECUTE ON FUNCTION dgen.start_workers TO %s', dgen._calling_role())
		END
$$;
COMMENT ON FUNCTION dgen._explain_start() IS 'how the calling role starts workers, as a part of a sentence';

CREATE FUNCTION dgen._explain_workers(type integer) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
			WHEN COALESCE(bool_and(w.busy), true) AND dgen._perhaps_taken(type, false) THEN
				'waits for a worker: some handle more types than dgen.workers shows, perhaps this one'
			WHEN count(w.pid) = 0 AND t.handler IS NULL AND dgen._nobody_takes(type, 'messages') THEN
				'waits, because no attached worker handles messages of its type'
			WHEN count(w.pid) = 0 AND t.handler IS NULL THEN 'waits, because no external worker is attached for its type'
			WHEN count(w.pid) = 0 AND dgen._explain_owner(type) IS NOT NULL THEN dgen._explain_owner(type)
			WHEN count(w.pid) = 0 THEN 'waits, because no worker runs for its type: ' || dgen._explain_start()
			WHEN bool_and(w.busy) THEN format('waits, because its type''s workers (%s) are all busy', count(w.pid))
			ELSE 'is about to be handled'
		END
	FROM dgen.actor_type t
	LEFT JOIN dgen.workers w ON t.name = ANY (w.messages)
	WHERE t.id = type
	GROUP BY t.id
$$;
COMMENT ON FUNCTION dgen._explain_workers(integer) IS 'is there a worker for the actor?';

-- The last dead letter, in the middle of a sentence.
CREATE FUNCTION dgen._explain_dead(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(', and %s of it %s, the last one (message %s) since %s with error %s: dgen.redrive sends it again',
		dgen._count(count(*), 'message'), CASE count(*) WHEN 1 THEN 'is a dead letter' ELSE 'are dead letters' END,
		(array_agg(l.message_id ORDER BY l.died_at DESC))[1], date_trunc('seconds', max(l.died_at)),
		(array_agg(concat_ws(': ', dgen._show(l.sqlstate, 'SQLSTATE'), dgen._show(l.error, 'error')) ORDER BY l.died_at DESC))[1])
	FROM dgen.dead_letter l
	WHERE l.type_id = type AND l.mailbox = box AND l.actor_key = key
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dgen._explain_dead(integer, bigint, text) IS 'dead letters of an actor, in words';

-- With an empty mailbox: what else exists of the actor.
CREATE FUNCTION dgen._explain_idle(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT COALESCE(
		dgen._explain_locked(type, box, key),
		dgen._explain_lock(type, box) || '; no other message waits for it',
		(SELECT format('has nothing to do before %s, when the first of its delayed messages is due',
				date_trunc('seconds', min(d.not_before)))
			FROM dgen.delayed_message d
			WHERE d.type_id = type AND d.mailbox = box AND d.actor_key = key
			HAVING count(*) > 0),
		(SELECT 'is idle: no message waits for it' FROM dgen.actor a
			WHERE a.type_id = type AND a.mailbox = box AND a.actor_key = key),
		CASE WHEN dgen._explain_dead(type, box, key) IS NULL THEN 'does not exist, and no message waits for it'
			ELSE 'does not exist: no message waits for it' END)
		|| COALESCE(dgen._explain_dead(type, box, key), '')
$$;
COMMENT ON FUNCTION dgen._explain_idle(integer, bigint, text) IS 'an actor without messages, in words';

-- Actions do not wait for the actor, so this is added to the sentence about it.
CREATE FUNCTION dgen._explain_actions(type integer, box bigint, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(' %s of it %s%s%s.', dgen._count(count(*), 'action'), CASE count(*) WHEN 1 THEN 'waits' ELSE 'wait' END,
		(SELECT CASE
				WHEN NOT t.handle_actions THEN ', because its type no longer handles actions'
				WHEN dgen._nobody_takes(type, 'actions') THEN ', because no attached worker handles actions of its type'
			END
			FROM dgen.actor_type t WHERE t.id = type),
		CASE WHEN count(f.attempts) > 0 THEN format(', %s after failed attempts, the last with error %s', count(f.attempts),
			(array_agg(concat_ws(': ', dgen._show(f.sqlstate, 'SQLSTATE'), dgen._show(f.error, 'error')) ORDER BY f.retry_at DESC NULLS LAST))[1]) END)
	FROM (
		SELECT m.mailbox, COALESCE(m.message_id, m.seq) AS id
		FROM dgen.message m
		WHERE m.type_id = -type AND m.mailbox BETWEEN box & -4294967296 AND box | 4294967295 AND m.actor_key = key
		LIMIT 10000) AS a
	LEFT JOIN dgen.failed_attempt f ON f.type_id = -type AND f.mailbox = a.mailbox AND f.message_id = a.id
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dgen._explain_actions(integer, bigint, text) IS 'the waiting actions of an actor, as a sentence';

CREATE FUNCTION dgen._explain_actor(actor_type text, key text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	type    integer := dgen._type_for(actor_type, 'read');
	box     bigint  := dgen._mailbox(key);
	waiting bigint;
	reason  text;
BEGIN
	SELECT count(*) INTO waiting
	FROM (
		SELECT FROM dgen.message m
		WHERE m.type_id = type AND m.mailbox = box AND m.actor_key = key
		LIMIT 10000) AS counted;
	IF waiting = 0 THEN
		reason := dgen._explain_idle(type, box, key);
	ELSE
		reason := COALESCE(dgen._explain_adoption(), dgen._explain_pause(type, box, key),
				dgen._explain_locked(type, box, key), dgen._explain_backoff(type, box, key), dgen._explain_row(type, box, key),
				dgen._explain_lock(type, box), dgen._explain_concurrency(type), dgen._explain_rate(type),
				dgen._explain_workers(type))
			|| format(' (%s%s in its mailbox%s)', CASE waiting WHEN 10000 THEN 'at least ' END, dgen._count(waiting, 'message'),
				dgen._explain_full(type, waiting));
	END IF;
	RETURN format('Actor "%s" of type "%s" %s.', key, actor_type, reason) || COALESCE(dgen._explain_requests(type, key), '') || COALESCE(dgen._explain_actions(type, box, key), '');
END
$$;
COMMENT ON FUNCTION dgen._explain_actor(text, text) IS 'dgen.explain_actor with the privileges of the owner of dgen';

CREATE FUNCTION dgen.explain_actor(actor_type text, actor_key text) RETURNS text
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.explain_actor(text, text) IS
'why an actor is or is not making progress right now, in a sentence, with the process that blocks it and the number of its waiting messages. Needs the privilege to read.';

REVOKE ALL ON FUNCTION dgen._describe_process(integer), dgen._lock_holder(integer, bigint),
	dgen._explain_lock(integer, bigint),
	dgen._explain_row(integer, bigint, text), dgen._explain_pause(integer, bigint, text),
	dgen._part_holder(bigint), dgen._nobody_takes(integer, text), dgen._explain_locked(integer, bigint, text),
	dgen._explain_backoff(integer, bigint, text), dgen._explain_full(integer, bigint),
	dgen._explain_concurrency(integer), dgen._explain_rate(integer), dgen._explain_adoption(), dgen._explain_owner(integer), dgen._explain_start(), dgen._explain_workers(integer),
	dgen._explain_dead(integer, bigint, text), dgen._explain_idle(integer, bigint, text), dgen._explain_actions(integer, bigint, text), dgen._explain_actor(text, text)
	FROM PUBLIC;
