-- Open requests: which roles see them, and how they end without a reply.

CREATE FUNCTION dgen._request_status(status "char") RETURNS text
	LANGUAGE sql IMMUTABLE
	RETURN CASE status WHEN 'p' THEN 'pending' WHEN 'r' THEN 'replied' WHEN 'f' THEN 'failed' WHEN 'c' THEN 'cancelled' END;
COMMENT ON FUNCTION dgen._request_status("char") IS 'the status of a request in words';

-- A role that can read the type that is asked sees its requests. A role that can read the type of
-- an actor that asks sees the requests that this actor waits for. Only such a role sees which actor
-- asks, and its correlation.
CREATE VIEW dgen._first_requests WITH (security_barrier) AS
	SELECT
		r.id,
		t.name AS actor_type,
		dgen._show(r.actor_key, 'actor key') AS actor_key,
		dgen._request_status(r.status) AS status,
		r.requester AS role,
		a.name AS asking_type,
		CASE WHEN a.id IS NOT NULL THEN dgen._show(r.reply_key, 'actor key') END AS asking_key,
		CASE WHEN a.id IS NOT NULL THEN dgen._show(r.correlation, 'correlation') END AS correlation,
		r.sent_at,
		-- A time that ends the calendar has none after it.
		LEAST(CASE r.status WHEN 'p' THEN COALESCE(r.due_at, r.sent_at) ELSE r.replied_at END, '290000-01-01') + t.retention AS deadline,
		r.mailbox
	FROM dgen.request r
	JOIN dgen.actor_type t ON t.id = r.type_id
	LEFT JOIN dgen.actor_type a ON a.id = r.reply_type_id AND dgen._can_read(a.id)
	WHERE dgen._can_read(t.id) OR a.id IS NOT NULL;
COMMENT ON VIEW dgen._first_requests IS 'the first part of dgen.requests';

CREATE VIEW dgen._later_requests WITH (security_barrier) AS
	SELECT
		r.id,
		t.name AS actor_type,
		dgen._show(r.actor_key, 'actor key') AS actor_key,
		dgen._request_status(r.status) AS status,
		r.requester AS role,
		a.name AS asking_type,
		CASE WHEN a.id IS NOT NULL THEN dgen._show(w.reply_key, 'actor key') END AS asking_key,
		CASE WHEN a.id IS NOT NULL THEN dgen._show(w.correlation, 'correlation') END AS correlation,
		w.asked_at AS sent_at,
		LEAST(COALESCE(r.due_at, r.sent_at), '290000-01-01') + t.retention AS deadline,
		r.mailbox
	FROM dgen.request_asker w
	JOIN dgen.request r ON r.id = w.request_id AND r.mailbox = w.mailbox
	JOIN dgen.actor_type t ON t.id = r.type_id
	LEFT JOIN dgen.actor_type a ON a.id = w.reply_type_id AND dgen._can_read(a.id)
	WHERE dgen._can_read(t.id) OR a.id IS NOT NULL;
COMMENT ON VIEW dgen._later_requests IS 'the second part of dgen.requests: actors that asked with the idempotency key of another request';

CREATE VIEW dgen.requests WITH (security_barrier) AS
	SELECT * FROM dgen._first_requests
	UNION ALL
	SELECT * FROM dgen._later_requests;
COMMENT ON VIEW dgen.requests IS 'requests that wait for their reply, or whose reply is kept, of the types that the reader can read: those asked, and those of the actors that ask';
COMMENT ON COLUMN dgen.requests.actor_key IS 'of the actor that is asked';
COMMENT ON COLUMN dgen.requests.status IS 'pending, replied, failed or cancelled';
COMMENT ON COLUMN dgen.requests.role IS 'the role of the caller, or the role that the turn of the caller ran as';
COMMENT ON COLUMN dgen.requests.asking_type IS 'the actor whose turn asked, and which gets the reply as a message; NULL: a client, which awaits it, or the reader cannot read that type';
COMMENT ON COLUMN dgen.requests.deadline IS 'pending: then it ends with ZD016; otherwise the reply is kept until then';
COMMENT ON COLUMN dgen.requests.correlation IS 'as the actor that asks gave it to dgen.request; NULL also if the reader cannot read that type';
COMMENT ON COLUMN dgen.requests.mailbox IS 'dgen.mailbox_of(actor_key)';

-- In C, because it waits for a session that answers at the same moment; that answer then comes first.
CREATE FUNCTION dgen._end_requests(requests bigint[], error text DEFAULT NULL, sqlstate text DEFAULT NULL, hint text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_end_requests';
COMMENT ON FUNCTION dgen._end_requests(bigint[], text, text, text) IS
'ends the open ones of the requests with an error, or without one as cancelled, and notifies all callers; returns how many were open';

CREATE FUNCTION dgen._end_askers(request bigint, error text DEFAULT NULL, sqlstate text DEFAULT NULL, hint text DEFAULT NULL)
	RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_end_askers';
COMMENT ON FUNCTION dgen._end_askers(bigint, text, text, text) IS
'notifies the actors that wait for a request that has no row, as dgen._end_requests does';

-- A dump lacks requests of clients whose role is gone, but has all actors that wait for the same reply.
CREATE FUNCTION dgen._end_left_askers() RETURNS void
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dgen._end_askers(l.request_id, format('request %s was not restored, because the role that sent it first was dropped', l.request_id),
		'ZD012', 'Ask again, with another idempotency key.')
	FROM (
		SELECT DISTINCT a.request_id
		FROM dgen.request_asker a
		WHERE NOT EXISTS (SELECT FROM dgen.request r WHERE r.id = a.request_id AND r.mailbox = a.mailbox)) AS l
$$;
COMMENT ON FUNCTION dgen._end_left_askers() IS 'notifies the actors that wait for a request that was not restored';

-- An actor that is gone waits for nothing. A reply that is kept for others stays.
CREATE FUNCTION dgen._forget_asker(type integer, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_any boolean;
	asked     record;
BEGIN
	DELETE FROM dgen.request_asker a WHERE a.reply_type_id = type AND (key IS NULL OR a.reply_key = key);
	found_any := FOUND;
	FOR asked IN
		SELECT r.id, r.mailbox, r.keep FROM dgen.request r
		WHERE r.reply_type_id = type AND (key IS NULL OR r.reply_key = key)
	LOOP
		found_any := true;
		IF asked.keep THEN
			UPDATE dgen.request r SET reply_type_id = NULL, reply_key = NULL, correlation = NULL
			WHERE r.id = asked.id AND r.mailbox = asked.mailbox;
		ELSE
			DELETE FROM dgen.request r WHERE r.id = asked.id AND r.mailbox = asked.mailbox;
		END IF;
	END LOOP;
	RETURN found_any;
END
$$;
COMMENT ON FUNCTION dgen._forget_asker(integer, text) IS 'an actor, or without a key a whole type, no longer waits for a reply; true if it did';

-- Requests that were not answered in time. The message of such a request might still wait: it will be
-- handled, and the reply discarded. When a type is dropped, its requests end.
CREATE FUNCTION dgen._end_late_requests(after bigint, last bigint, max_rows integer) RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
	SET intervalstyle = 'postgres'
AS $$
DECLARE
	late  record;
	ended bigint := 0;
BEGIN
	FOR late IN
		SELECT array_agg(o.id) AS ids, o.retention
		FROM (
			SELECT r.id, t.retention
			FROM dgen.request r
			JOIN dgen.actor_type t ON t.id = r.type_id
			WHERE r.id > after AND r.id <= last AND r.status = 'p'
				AND COALESCE(r.due_at, r.sent_at) <= clock_timestamp() - t.retention
			LIMIT max_rows
			FOR UPDATE OF r SKIP LOCKED) AS o
		GROUP BY o.retention
	LOOP
		ended := ended + dgen._end_requests(late.ids, format('request was not answered within %s, the retention of its type', late.retention),
			'ZD016', 'Use dgen.explain_actor to see whether the message still waits, check that its handler replies, or raise retention.');
	END LOOP;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION dgen._end_late_requests(bigint, bigint, integer) IS 'ends open requests of the range that have passed their deadline; how many';

-- Added to the sentence about the actor. There is no index for it, because every request would have
-- to pay for that: a bounded number of the oldest requests is checked.
CREATE FUNCTION dgen._explain_requests(type integer, key text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(' It waits for the reply of actor "%s" of type "%s", since %s (request %s%s).',
		dgen._show((array_agg(w.actor_key ORDER BY w.since))[1], 'actor key'), (array_agg(t.name ORDER BY w.since))[1],
		date_trunc('seconds', min(w.since)), (array_agg(w.id ORDER BY w.since))[1],
		CASE WHEN count(*) > 1 THEN format(', and of %s more', count(*) - 1) END)
	FROM (
		SELECT r.id, r.type_id, r.actor_key, r.sent_at AS since
		FROM (SELECT * FROM dgen.request o ORDER BY o.id, o.mailbox LIMIT 100000) AS r
		WHERE r.status = 'p' AND r.reply_type_id = type AND r.reply_key = key
		UNION ALL
		SELECT r.id, r.type_id, r.actor_key, a.asked_at
		FROM (SELECT * FROM dgen.request_asker o ORDER BY o.request_id, o.mailbox, o.id LIMIT 100000) AS a
		JOIN dgen.request r ON r.id = a.request_id AND r.mailbox = a.mailbox
		WHERE r.status = 'p' AND a.reply_type_id = type AND a.reply_key = key) AS w
	JOIN dgen.actor_type t ON t.id = w.type_id
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dgen._explain_requests(integer, text) IS 'for whose reply does the actor wait? A sentence';

REVOKE ALL ON FUNCTION dgen._end_requests(bigint[], text, text, text), dgen._end_askers(bigint, text, text, text), dgen._end_left_askers(), dgen._forget_asker(integer, text),
	dgen._end_late_requests(bigint, bigint, integer), dgen._explain_requests(integer, text) FROM PUBLIC;
