-- Removing expired rows. Workers call dgen._maintain in their safety-net check. Each part is
-- bounded, uses an index, and skips rows that another session has locked: a worker waits for no
-- other transaction. (Without sequential scans the planner's costs are so high that it would
-- compile each statement, which takes longer than the statements: hence no JIT.)

CREATE FUNCTION dgen._expire_idempotency_keys(max_rows integer) RETURNS bigint
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
	WITH removed AS (
		DELETE FROM dgen.idempotency_key k
		WHERE k.ctid = ANY (ARRAY(
			SELECT i.ctid
			FROM dgen.idempotency_key i
			WHERE i.expires_at <= clock_timestamp()
			ORDER BY i.expires_at
			LIMIT max_rows
			FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM removed
$$;
COMMENT ON FUNCTION dgen._expire_idempotency_keys(integer) IS 'removes expired idempotency keys';

-- Checks the next requests, ten times as many as it can remove, because most might be open. Ends
-- those that have been open longer than the retention of their type, and removes those that were
-- answered or canceled longer ago than that. The replies of a dropped type stay for a day.
CREATE FUNCTION dgen._expire_requests(max_rows integer) RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	looked_at bigint := 10 * max_rows::bigint;
	seen      bigint;
	last      bigint;
	removed   bigint;
BEGIN
	LOCK TABLE dgen.request IN ROW EXCLUSIVE MODE; -- before it is read, or a REINDEX in between is a deadlock
	SELECT count(*), max(s.id) INTO seen, last
	FROM (
		SELECT r.id
		FROM dgen.request r
		WHERE r.id > dgen._maintenance_cursor()
		ORDER BY r.id
		LIMIT looked_at) AS s;
	DELETE FROM dgen.request d
	WHERE d.ctid = ANY (ARRAY(
		SELECT r.ctid
		FROM dgen.request r
		LEFT JOIN dgen.actor_type t ON t.id = r.type_id
		WHERE r.id > dgen._maintenance_cursor() AND r.id <= last AND r.status <> 'p'
			AND r.replied_at + COALESCE(t.retention, '1 day') <= clock_timestamp()
		FOR UPDATE OF r SKIP LOCKED));
	GET DIAGNOSTICS removed = ROW_COUNT;
	removed := removed + dgen._end_late_requests(dgen._maintenance_cursor(), last, max_rows);
	PERFORM dgen._maintenance_cursor(CASE WHEN seen < looked_at THEN 0 ELSE last END);
	RETURN removed;
END
$$;
COMMENT ON FUNCTION dgen._expire_requests(integer) IS 'removes replies that were not collected in time, and ends requests that were not answered in time';

-- A worker that lost its batch can leave a mark for a message that is gone. The marks of waiting
-- messages are due soon afterwards, or wait for a worker: after an hour the message is checked.
CREATE FUNCTION dgen._remove_stale_rows(max_rows integer) RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	removed bigint := 0;
	part    bigint;
BEGIN
	DELETE FROM dgen.failed_attempt d
	WHERE d.ctid = ANY (ARRAY(
		SELECT f.ctid
		FROM dgen.failed_attempt f
		WHERE f.ctid = ANY (ARRAY(
				SELECT a.ctid
				FROM dgen.failed_attempt a
				WHERE a.retry_at < clock_timestamp() - interval '1 hour'
				ORDER BY a.retry_at
				LIMIT max_rows))
			AND NOT EXISTS (
				SELECT FROM dgen.message m
				WHERE m.type_id = f.type_id AND m.mailbox = f.mailbox AND COALESCE(m.message_id, m.seq) = f.message_id)
		FOR UPDATE OF f SKIP LOCKED));
	GET DIAGNOSTICS part = ROW_COUNT;
	removed := removed + part;

	DELETE FROM dgen.worker d
	WHERE d.ctid = ANY (ARRAY(
		SELECT w.ctid
		FROM dgen.worker w
		WHERE NOT EXISTS (
			SELECT FROM pg_stat_get_activity(NULL) a
			WHERE a.pid = w.pid AND a.backend_start = w.backend_start)
		FOR UPDATE OF w SKIP LOCKED));
	GET DIAGNOSTICS part = ROW_COUNT;
	removed := removed + part;

	-- A worker asks for its receipt within a day.
	DELETE FROM dgen.receipt d
	WHERE d.ctid = ANY (ARRAY(
		SELECT r.ctid
		FROM dgen.receipt r
		WHERE r.written_at < clock_timestamp() - interval '2 days'
			AND NOT EXISTS (SELECT FROM dgen.worker w WHERE w.id = r.worker_id)
		FOR UPDATE OF r SKIP LOCKED));
	GET DIAGNOSTICS part = ROW_COUNT;
	removed := removed + part;

	-- Asked first, because the DELETE alone would have every session forget its types.
	IF EXISTS (SELECT FROM dgen.privilege p WHERE p.role <> 0::oid AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = p.role)) THEN
		DELETE FROM dgen.privilege d
		WHERE d.ctid = ANY (ARRAY(
			SELECT p.ctid
			FROM dgen.privilege p
			WHERE p.role <> 0::oid AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = p.role)
			FOR UPDATE OF p SKIP LOCKED));
		GET DIAGNOSTICS part = ROW_COUNT;
		removed := removed + part;
	END IF;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION dgen._remove_stale_rows(integer) IS 'removes failed attempts without a message, workers without a session, privileges without a role';

CREATE FUNCTION dgen._maintain(max_rows integer) RETURNS bigint
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dgen._expire_idempotency_keys(max_rows) + dgen._expire_requests(max_rows) + dgen._remove_stale_rows(max_rows)
$$;
COMMENT ON FUNCTION dgen._maintain(integer) IS 'removes expired rows, about max_rows of each kind; returns how many';

REVOKE ALL ON FUNCTION dgen._expire_idempotency_keys(integer), dgen._expire_requests(integer),
	dgen._remove_stale_rows(integer), dgen._maintain(integer) FROM PUBLIC;
