-- Reading: views that show each role the types that it can read, and functions that find
-- one actor's rows by index.
--
-- The views are security barriers: a condition of the reader that could reveal the rows that
-- it sees is evaluated after the check of the privilege. Comparisons are not held back, nor is
-- dgen.mailbox_of, which is LEAKPROOF, so the functions below find their rows through the
-- primary keys.

CREATE FUNCTION dgen.state(actor_type text, actor_key text) RETURNS jsonb
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'dgen_state';
COMMENT ON FUNCTION dgen.state(text, text) IS 'the committed state of an actor; NULL if there is no such actor. Needs the privilege to read.';

CREATE FUNCTION dgen.stats(most integer DEFAULT 10000)
RETURNS TABLE (
	actor_type       text,
	waiting          bigint,
	oldest           timestamptz,
	delayed          bigint,
	backing_off      bigint,
	dead_letters     bigint,
	paused_actors    bigint,
	paused_at        timestamptz,
	complete         boolean,
	actions          bigint,
	locked_actors    bigint)
	LANGUAGE c STABLE ROWS 10
	AS 'MODULE_PATHNAME', 'dgen_stats';
COMMENT ON FUNCTION dgen.stats(integer) IS
'counts of each actor type that the caller can read. A count stops at most, and complete is then false; oldest is the time of the oldest message that was counted. Reads indexes, and a bounded number of rows';

CREATE FUNCTION dgen.longest_waiting(each integer DEFAULT 3, most integer DEFAULT 10000)
RETURNS TABLE (actor_type text, actor_key text, sent_at timestamptz, waiting bigint)
	LANGUAGE c STABLE ROWS 10
	AS 'MODULE_PATHNAME', 'dgen_longest_waiting';
COMMENT ON FUNCTION dgen.longest_waiting(integer, integer) IS
'for each actor type that the caller can read, at most that number of actors whose messages have waited longest, among the first most messages of the type in the order of mailboxes; sent_at is that of the oldest message';

CREATE VIEW dgen.actor_types WITH (security_barrier) AS
	SELECT
		t.name AS actor_type,
		t.owner,
		t.handler,
		p.paused_at,
		t.initial_state,
		t.max_attempts,
		t.backoff,
		t.max_backoff,
		t.turn_timeout,
		t.retention,
		t.search_path,
		t.created_at,
		t.max_waiting,
		t.max_concurrency,
		t.max_rate,
		t.handle_dead_letters,
		t.handle_actions,
		t.lock_timeout,
		t.locked_priority
	FROM dgen.actor_type t
	LEFT JOIN dgen.paused p ON p.type_id = t.id AND p.mailbox = 0 AND p.actor_key = ''
	WHERE dgen._can_read(t.id);
COMMENT ON VIEW dgen.actor_types IS 'the actor types that the reader can read';
COMMENT ON COLUMN dgen.actor_types.handler IS 'NULL: handled by external workers';
COMMENT ON COLUMN dgen.actor_types.handle_dead_letters IS 'an actor gets messages of kind dead_letter for its dead letters';
COMMENT ON COLUMN dgen.actor_types.handle_actions IS 'turns of its actors can store actions';
COMMENT ON COLUMN dgen.actor_types.paused_at IS 'since when the whole type is paused; NULL: it is not';

CREATE VIEW dgen.actors WITH (security_barrier) AS
	SELECT
		t.name AS actor_type,
		dgen._show(a.actor_key, 'actor key') AS actor_key,
		CASE
			WHEN EXISTS (SELECT FROM dgen.paused p WHERE p.type_id = a.type_id
				AND (p.mailbox = a.mailbox AND p.actor_key = a.actor_key OR p.mailbox = 0 AND p.actor_key = ''))
				THEN 'paused'
			WHEN a.status = 'locked'
				THEN 'locked'
			WHEN EXISTS (SELECT FROM dgen.failed_attempt f WHERE f.type_id = a.type_id AND f.mailbox = a.mailbox
				AND f.actor_key = a.actor_key AND f.retry_at > statement_timestamp())
				THEN 'backing off'
			WHEN EXISTS (SELECT FROM dgen.message m WHERE m.type_id = a.type_id AND m.mailbox = a.mailbox
				AND m.actor_key = a.actor_key)
				THEN 'waiting'
			ELSE 'idle'
		END AS status,
		a.version,
		dgen._show(a.state, 'state') AS state,
		a.updated_at,
		a.mailbox
	FROM dgen.actor a
	JOIN dgen.actor_type t ON t.id = a.type_id
	WHERE dgen._can_read(t.id);
COMMENT ON VIEW dgen.actors IS 'the actors that have a state, of the types that the reader can read';
COMMENT ON COLUMN dgen.actors.status IS 'idle, waiting (it has messages), backing off (after a failed attempt), locked (see dgen.lock) or paused; computed only if the column is read';
COMMENT ON COLUMN dgen.actors.version IS 'rises with every change';
COMMENT ON COLUMN dgen.actors.state IS 'a value that cannot be sent to the reader, because it is too large or not in its encoding, is replaced by a text that says so; see dgen.state';
COMMENT ON COLUMN dgen.actors.mailbox IS 'dgen.mailbox_of(actor_key); together with actor_type it finds rows by index';

-- The views call it with the privileges of their reader.
CREATE FUNCTION dgen._kind(kind "char") RETURNS text
	LANGUAGE sql IMMUTABLE
	RETURN CASE kind WHEN 'c' THEN 'cast' WHEN 'q' THEN 'call' WHEN 'r' THEN 'reply' WHEN 't' THEN 'timer'
		WHEN 'd' THEN 'dead_letter' WHEN 'a' THEN 'action' END;
COMMENT ON FUNCTION dgen._kind("char") IS 'the kind of a message as handlers see it';

-- Each part of dgen.messages is a barrier of its own: PostgreSQL flattens a UNION
-- ALL even in a view that is one, and then lets the reader's conditions see all rows.
CREATE VIEW dgen._ready_messages WITH (security_barrier) AS
	SELECT
		COALESCE(m.message_id, m.seq) AS message_id,
		t.name AS actor_type,
		dgen._show(m.actor_key, 'actor key') AS actor_key,
		dgen._kind(m.kind) AS kind,
		CASE
			WHEN EXISTS (SELECT FROM dgen.paused p WHERE p.type_id = t.id
				AND (p.mailbox = CASE m.kind WHEN 'a' THEN dgen.mailbox_of(m.actor_key) ELSE m.mailbox END AND p.actor_key = m.actor_key OR p.mailbox = 0 AND p.actor_key = ''))
				THEN 'paused'
			WHEN f.retry_at > statement_timestamp() THEN 'backing off'
			ELSE 'waiting'
		END AS status,
		dgen._show(m.message, 'message') AS message,
		m.priority::integer AS priority,
		COALESCE(f.attempts, 0) AS attempts,
		m.sent_at,
		f.retry_at AS not_before,
		dgen._show(f.error, 'error') AS last_error,
		dgen._show(f.sqlstate, 'SQLSTATE') AS last_sqlstate,
		dgen._show(m.headers, 'headers') AS headers,
		dgen._show(m.correlation, 'correlation') AS correlation,
		m.in_reply_to,
		dgen._show(m.error, 'error') AS error,
		dgen._show(m.sqlstate, 'SQLSTATE') AS sqlstate,
		m.seq,
		m.mailbox
	FROM dgen.actor_type t
	CROSS JOIN LATERAL (VALUES (t.id), (-t.id)) AS with_actions (type_id)
	JOIN dgen.message m ON m.type_id = with_actions.type_id
	LEFT JOIN dgen.failed_attempt f ON f.type_id = m.type_id AND f.mailbox = m.mailbox
		AND f.message_id = COALESCE(m.message_id, m.seq)
	WHERE dgen._can_read(t.id);
COMMENT ON VIEW dgen._ready_messages IS 'the first part of dgen.messages';

CREATE VIEW dgen._delayed_messages WITH (security_barrier) AS
	SELECT
		COALESCE(d.message_id, d.seq) AS message_id,
		t.name AS actor_type,
		dgen._show(d.actor_key, 'actor key') AS actor_key,
		dgen._kind(d.kind) AS kind,
		'delayed'::text AS status,
		dgen._show(d.message, 'message') AS message,
		d.priority::integer AS priority,
		0 AS attempts,
		d.sent_at,
		d.not_before,
		NULL::text AS last_error,
		NULL::text AS last_sqlstate,
		dgen._show(d.headers, 'headers') AS headers,
		dgen._show(d.correlation, 'correlation') AS correlation,
		d.in_reply_to,
		dgen._show(d.error, 'error') AS error,
		dgen._show(d.sqlstate, 'SQLSTATE') AS sqlstate,
		d.seq,
		d.mailbox
	FROM dgen.actor_type t
	CROSS JOIN LATERAL (VALUES (t.id), (-t.id)) AS with_actions (type_id)
	JOIN dgen.delayed_message d ON d.type_id = with_actions.type_id
	WHERE dgen._can_read(t.id);
COMMENT ON VIEW dgen._delayed_messages IS 'the second part of dgen.messages';

CREATE VIEW dgen._locked_messages WITH (security_barrier) AS
	SELECT
		k.message_id,
		t.name AS actor_type,
		dgen._show(k.actor_key, 'actor key') AS actor_key,
		dgen._kind(k.kind) AS kind,
		'locked'::text AS status,
		dgen._show(k.message, 'message') AS message,
		k.priority::integer AS priority,
		k.failed AS attempts,
		k.sent_at,
		CASE WHEN k.retry_at > statement_timestamp() AND isfinite(k.retry_at) THEN k.retry_at END AS not_before,
		dgen._show(k.last_error, 'error') AS last_error,
		dgen._show(k.last_sqlstate, 'SQLSTATE') AS last_sqlstate,
		dgen._show(k.headers, 'headers') AS headers,
		dgen._show(k.correlation, 'correlation') AS correlation,
		k.in_reply_to,
		dgen._show(k.error, 'error') AS error,
		dgen._show(k.sqlstate, 'SQLSTATE') AS sqlstate,
		k.message_id AS seq,
		k.mailbox
	FROM dgen.locked k
	JOIN dgen.actor_type t ON t.id = k.type_id
	WHERE dgen._can_read(t.id);
COMMENT ON VIEW dgen._locked_messages IS 'the third part of dgen.messages';

CREATE VIEW dgen.messages WITH (security_barrier) AS
	SELECT * FROM dgen._ready_messages
	UNION ALL
	SELECT * FROM dgen._delayed_messages
	UNION ALL
	SELECT * FROM dgen._locked_messages;
COMMENT ON VIEW dgen.messages IS 'the messages that wait or are handled right now, of the types that the reader can read';
COMMENT ON COLUMN dgen.messages.kind IS 'cast, call, reply, timer, dead_letter or action';
COMMENT ON COLUMN dgen.messages.status IS 'waiting, delayed (until not_before), backing off (after a failed attempt, until not_before), locked (it has locked its actor) or paused';
COMMENT ON COLUMN dgen.messages.attempts IS 'the number of failed attempts so far';
COMMENT ON COLUMN dgen.messages.last_error IS 'why the last attempt to handle it failed';
COMMENT ON COLUMN dgen.messages.error IS 'kind reply: the error of the request that failed; kind dead_letter: why that message became a dead letter';
COMMENT ON COLUMN dgen.messages.seq IS 'order within the mailbox, among messages of the same priority';
COMMENT ON COLUMN dgen.messages.message IS 'a value that cannot be sent to the reader, because it is too large or not in its encoding, is replaced by a text that says so; so are keys, headers and errors';
COMMENT ON COLUMN dgen.messages.mailbox IS 'dgen.mailbox_of(actor_key); together with actor_type it finds rows by index. An action has a mailbox hash of its own, with the same upper 32 bits';
COMMENT ON COLUMN dgen.messages.correlation IS 'kind reply: as given to dgen.request; kind action: its name';

-- For readers and dgen.delete_actor: the primary key begins with the message id.
CREATE INDEX dead_letter_actor ON dgen.dead_letter (type_id, mailbox);

CREATE VIEW dgen.dead_letters WITH (security_barrier) AS
	SELECT
		l.message_id,
		t.name AS actor_type,
		dgen._show(l.actor_key, 'actor key') AS actor_key,
		dgen._kind(l.kind) AS kind,
		dgen._show(l.message, 'message') AS message,
		l.attempts,
		dgen._show(l.error, 'error') AS error,
		dgen._show(l.sqlstate, 'SQLSTATE') AS sqlstate,
		dgen._show(l.hint, 'hint') AS hint,
		dgen._show(l.worker, 'worker name') AS worker,
		l.sent_at,
		l.died_at,
		l.priority::integer AS priority,
		dgen._show(l.headers, 'headers') AS headers,
		dgen._show(l.correlation, 'correlation') AS correlation,
		l.in_reply_to,
		l.mailbox
	FROM dgen.dead_letter l
	JOIN dgen.actor_type t ON t.id = l.type_id
	WHERE dgen._can_read(t.id);
COMMENT ON VIEW dgen.dead_letters IS 'messages that became dead letters, of the types that the reader can read; see dgen.redrive and dgen.discard';
COMMENT ON COLUMN dgen.dead_letters.attempts IS 'the number of attempts';
COMMENT ON COLUMN dgen.dead_letters.mailbox IS 'dgen.mailbox_of(actor_key); together with actor_type it finds rows by index';

-- Both are inlined. OFFSET and ORDER BY keep the planner from turning the conditions
-- into a join with the whole view in a LATERAL subquery: a security barrier is never
-- joined row by row.
CREATE FUNCTION dgen.actor(actor_type text, actor_key text) RETURNS SETOF dgen.actors
	LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
	SELECT a.*
	FROM dgen.actors a
	WHERE a.actor_type = $1 COLLATE "C" AND a.mailbox = dgen.mailbox_of($2) AND a.actor_key = $2 COLLATE "C"
	OFFSET 0;
END;
COMMENT ON FUNCTION dgen.actor(text, text) IS 'the row of dgen.actors of one actor, or none; by index, also in LATERAL';

-- The actions of one actor are neighbors. No statistics show how few rows the range has.
CREATE FUNCTION dgen._actions(actor_type text, actor_key text) RETURNS SETOF dgen.messages
	LANGUAGE sql STABLE ROWS 1
	SET enable_seqscan = off
	SET jit = off
BEGIN ATOMIC
	SELECT m.*
	FROM dgen.messages m
	WHERE m.actor_type = $1 COLLATE "C" AND m.actor_key = $2 COLLATE "C" AND m.kind = 'action'
		AND m.mailbox BETWEEN dgen.mailbox_of($2) & -4294967296 AND dgen.mailbox_of($2) | 4294967295;
END;
COMMENT ON FUNCTION dgen._actions(text, text) IS 'the rows of dgen.messages of the actions of one actor; by index';

CREATE FUNCTION dgen.mailbox(actor_type text, actor_key text) RETURNS SETOF dgen.messages
	LANGUAGE sql STABLE ROWS 10
BEGIN ATOMIC
	SELECT a.*
	FROM (
		SELECT m.*
		FROM dgen.messages m
		WHERE m.actor_type = $1 COLLATE "C" AND m.mailbox = dgen.mailbox_of($2) AND m.actor_key = $2 COLLATE "C"
			AND m.kind <> 'action'
		UNION ALL
		SELECT * FROM dgen._actions($1, $2)) AS a
	ORDER BY a.kind = 'action', a.status = 'delayed', a.status <> 'locked', a.priority DESC, a.seq;
END;
COMMENT ON FUNCTION dgen.mailbox(text, text) IS 'the rows of dgen.messages of one actor, in the order in which they will be handled, delayed ones last, and behind them its actions; by index, also in LATERAL';

