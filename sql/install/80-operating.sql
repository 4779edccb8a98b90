-- Operating: functions that move or remove messages, or change an actor from outside.
--
-- A function that changes an actor's mailbox or state owns the actor first, as a worker does. So it
-- waits for the running turn, and its result is then exact. Statements after dgen._own see the
-- changes that this turn committed.

-- ---- cancel ----

-- The place of an action of an actor with that mailbox; as in extension/send/action.c.
CREATE FUNCTION dgen._action_mailbox(box bigint, id bigint) RETURNS bigint
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$ SELECT (box & -4294967296) | (id & 4294967295) $$;
COMMENT ON FUNCTION dgen._action_mailbox(bigint, bigint) IS 'the mailbox of an action';

-- Delayed messages first: one that is moved in the meantime is then found in its mailbox.
CREATE FUNCTION dgen._remove_message(type integer, box bigint, key text, id bigint) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	removed boolean;
BEGIN
	PERFORM dgen._own(type, box);
	DELETE FROM dgen.delayed_message d
	WHERE d.type_id = type AND d.mailbox = box AND d.actor_key = key AND COALESCE(d.message_id, d.seq) = id;
	removed := FOUND;
	DELETE FROM dgen.message m
	WHERE m.type_id = type AND m.mailbox = box AND m.actor_key = key AND COALESCE(m.message_id, m.seq) = id;
	removed := removed OR FOUND;
	IF removed THEN
		DELETE FROM dgen.failed_attempt f WHERE f.type_id = type AND f.mailbox = box AND f.message_id = id;
		IF FOUND THEN
			PERFORM dgen._wake(type); -- nothing backs off any more
		END IF;
	END IF;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION dgen._remove_message(integer, bigint, text, bigint) IS 'removes a waiting message, or an action, once no turn handles it';

CREATE FUNCTION dgen._cancel(actor_type text, key text, id bigint) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	type integer := dgen._type_for(actor_type, 'send');
	box  bigint  := dgen._mailbox(key);
BEGIN
	PERFORM dgen._check_not_null('message_id', id IS NULL, 'Give the id that dgen.cast or dgen.request returned.');
	IF dgen._remove_message(type, box, key, id) THEN
		PERFORM dgen._end_requests(ARRAY[id]);
		RETURN true;
	END IF;
	RETURN dgen._remove_message(-type, dgen._action_mailbox(box, id), key, id);
END
$$;
COMMENT ON FUNCTION dgen._cancel(text, text, bigint) IS 'dgen.cancel with the privileges of the owner of dgen';

CREATE FUNCTION dgen.cancel(actor_type text, actor_key text, message_id bigint) RETURNS boolean
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.cancel(text, text, bigint) IS
'removes a message that waits: true; false if it was handled, has locked its actor (see dgen.unlock), is a dead letter or is gone. Waits for a running turn of the actor, or the running action. The caller of a request gets an error (ZD012), an actor gets a reply with that error; its idempotency key stays used. Needs the privilege to send.';

-- ---- dead letters ----

CREATE FUNCTION dgen._check_letter_id(id bigint) RETURNS void
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$ SELECT dgen._check_not_null('message_id', id IS NULL, 'Give the message_id of a row in dgen.dead_letters.') $$;
COMMENT ON FUNCTION dgen._check_letter_id(bigint) IS 'raises 22004 for NULL';

-- The new seq puts it at the end of its mailbox. An error that its caller has not collected is
-- withdrawn, because there might be a reply after all. If an actor asked, it has already received the
-- error as its reply.
CREATE FUNCTION dgen._redrive(id bigint) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	letter dgen.dead_letter;
	type   integer;
	box    bigint;
BEGIN
	PERFORM dgen._check_letter_id(id);
	SELECT * INTO letter FROM dgen.dead_letter l WHERE l.message_id = id;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM dgen._check(letter.type_id, 'work');
	type := letter.type_id;
	box := letter.mailbox;
	IF letter.kind = 'a' THEN
		type := -type;
		box := dgen._action_mailbox(box, id);
	END IF;
	PERFORM dgen._own(type, box);
	DELETE FROM dgen.dead_letter l WHERE l.message_id = id AND l.mailbox = letter.mailbox;
	IF NOT FOUND THEN
		RETURN false; -- another session was faster
	END IF;
	INSERT INTO dgen.message (mailbox, seq, sent_at, type_id, priority, kind, actor_key, message, message_id,
		in_reply_to, headers, correlation, error, sqlstate)
	SELECT box, dgen._next_message(), letter.sent_at, type, letter.priority, letter.kind,
		letter.actor_key, letter.message, letter.message_id, letter.in_reply_to, letter.headers, letter.correlation,
		letter.reply_error, letter.reply_sqlstate;
	UPDATE dgen.request r
	SET status = 'p', replied_at = NULL, reply = NULL, error = NULL, sqlstate = NULL, hint = NULL,
		due_at = clock_timestamp(), reply_type_id = NULL, reply_key = NULL, correlation = NULL
	WHERE r.id = letter.message_id AND r.mailbox = letter.mailbox AND r.status = 'f';
	PERFORM dgen._wake(type);
	RETURN true;
END
$$;
COMMENT ON FUNCTION dgen._redrive(bigint) IS 'dgen.redrive with the privileges of the owner of dgen';

CREATE FUNCTION dgen.redrive(message_id bigint) RETURNS boolean
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.redrive(bigint) IS
'sends a dead letter to the end of its mailbox again, with its id and no attempts counted: true; false if there is no such dead letter. A failed request whose error was not collected is open again. Needs the privilege to work.';

CREATE FUNCTION dgen._discard(id bigint) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	type integer;
BEGIN
	PERFORM dgen._check_letter_id(id);
	SELECT l.type_id INTO type FROM dgen.dead_letter l WHERE l.message_id = id;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM dgen._check(type, 'work');
	DELETE FROM dgen.dead_letter l WHERE l.message_id = id;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION dgen._discard(bigint) IS 'dgen.discard with the privileges of the owner of dgen';

CREATE FUNCTION dgen.discard(message_id bigint) RETURNS boolean
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.discard(bigint) IS
'discards a dead letter: true; false if there is no such dead letter. Needs the privilege to work.';

-- ---- actors ----

CREATE FUNCTION dgen._reset(actor_type text, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	type integer := dgen._type_for(actor_type, 'work');
	box  bigint  := dgen._mailbox(key);
BEGIN
	PERFORM dgen._own(type, box);
	UPDATE dgen.actor a
	SET state = t.initial_state, version = nextval('dgen.version_seq'), updated_at = clock_timestamp()
	FROM dgen.actor_type t
	WHERE a.type_id = type AND a.mailbox = box AND a.actor_key = key AND t.id = type;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION dgen._reset(text, text) IS 'dgen.reset with the privileges of the owner of dgen';

CREATE FUNCTION dgen.reset(actor_type text, actor_key text) RETURNS boolean
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.reset(text, text) IS
'gives an actor the initial state of its type and keeps its mailbox: true; false if there is no such actor. Waits for a running turn of the actor. Needs the privilege to work.';

-- Senders do not wait for a deletion. A message that commits after the statement that removes
-- messages stays, with its request and its idempotency key. Later statements see more, so they ask
-- for this.
CREATE FUNCTION dgen._ids_in_mailbox(type integer, box bigint, key text) RETURNS SETOF bigint
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT COALESCE(m.message_id, m.seq) FROM dgen.message m WHERE m.type_id = type AND m.mailbox = box AND m.actor_key = key
	UNION ALL
	SELECT COALESCE(d.message_id, d.seq) FROM dgen.delayed_message d WHERE d.type_id = type AND d.mailbox = box AND d.actor_key = key
$$;
COMMENT ON FUNCTION dgen._ids_in_mailbox(integer, bigint, text) IS 'the messages of an actor, in the snapshot of the statement that calls it';

-- The caller is notified that the request was canceled. A row that a client has yet to collect keeps
-- neither key nor payload. This runs after the messages are removed: otherwise a request that commits
-- between the two would lose its message, and its caller would not be notified.
CREATE FUNCTION dgen._delete_requests(type integer, box bigint, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	removed boolean;
	pending bigint[];
BEGIN
	DELETE FROM dgen.request r WHERE r.type_id = type AND r.mailbox = box AND r.actor_key = key AND r.status <> 'p'
		AND r.id NOT IN (SELECT dgen._ids_in_mailbox(type, box, key));
	removed := FOUND;
	pending := ARRAY(SELECT r.id FROM dgen.request r
		WHERE r.type_id = type AND r.mailbox = box AND r.actor_key = key AND r.status = 'p'
			AND r.id NOT IN (SELECT dgen._ids_in_mailbox(type, box, key)));
	PERFORM dgen._end_requests(pending);
	removed := removed OR pending <> '{}';
	UPDATE dgen.request r SET actor_key = '', correlation = NULL, reply_type_id = NULL, reply_key = NULL
	WHERE r.type_id = type AND r.mailbox = box AND r.actor_key = key AND r.status = 'c';
	RETURN removed;
END
$$;
COMMENT ON FUNCTION dgen._delete_requests(integer, bigint, text) IS 'ends the requests to an actor whose messages are gone; true if there were any';

-- The waiting messages of a mailbox that is owned, in the order of dgen._remove_message.
CREATE FUNCTION dgen._delete_messages(type integer, box bigint, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	removed boolean;
BEGIN
	DELETE FROM dgen.delayed_message d WHERE d.type_id = type AND d.mailbox = box AND d.actor_key = key;
	removed := FOUND;
	DELETE FROM dgen.message m WHERE m.type_id = type AND m.mailbox = box AND m.actor_key = key;
	removed := removed OR FOUND;
	DELETE FROM dgen.failed_attempt f WHERE f.type_id = type AND f.mailbox = box AND f.actor_key = key;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION dgen._delete_messages(integer, bigint, text) IS 'removes the messages of an actor, or an action of it; true if there were any';

-- Each action is owned as a worker owns it, so this waits for one that runs; it might have stored
-- others by then.
CREATE FUNCTION dgen._delete_actions(type integer, box bigint, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	first_box CONSTANT bigint := box & -4294967296;
	last_box  CONSTANT bigint := box | 4294967295;
	action    bigint;
	removed   boolean := false;
BEGIN
	LOOP
		FOR action IN
			SELECT m.mailbox FROM dgen.message m
			WHERE m.type_id = -type AND m.mailbox BETWEEN first_box AND last_box AND m.actor_key = key
			UNION SELECT d.mailbox FROM dgen.delayed_message d
			WHERE d.type_id = -type AND d.mailbox BETWEEN first_box AND last_box AND d.actor_key = key
		LOOP
			PERFORM dgen._own(-type, action);
			PERFORM dgen._delete_messages(-type, action, key);
		END LOOP;
		EXIT WHEN NOT FOUND;
		removed := true;
	END LOOP;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION dgen._delete_actions(integer, bigint, text) IS 'removes the actions of an actor; true if there were any';

CREATE FUNCTION dgen._delete_actor(actor_type text, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	type    integer := dgen._type_for(actor_type, 'work');
	box     bigint  := dgen._mailbox(key);
	removed boolean;
BEGIN
	PERFORM dgen._own(type, box);
	removed := dgen._forget_asker(type, key); -- before the messages: a reply that commits meanwhile is one of them
	removed := dgen._delete_actions(type, box, key) OR removed; -- so is theirs
	removed := dgen._delete_messages(type, box, key) OR removed;
	removed := dgen._delete_requests(type, box, key) OR removed;
	DELETE FROM dgen.dead_letter l WHERE l.type_id = type AND l.mailbox = box AND l.actor_key = key;
	removed := removed OR FOUND;
	DELETE FROM dgen.idempotency_key i WHERE i.type_id = type AND i.mailbox = box AND i.actor_key = key
		AND i.message_id NOT IN (SELECT dgen._ids_in_mailbox(type, box, key));
	removed := removed OR FOUND;
	DELETE FROM dgen.paused p WHERE p.type_id = type AND p.mailbox = box AND p.actor_key = key;
	removed := removed OR FOUND;
	DELETE FROM dgen.locked k WHERE k.type_id = type AND k.mailbox = box AND k.actor_key = key;
	DELETE FROM dgen.actor a WHERE a.type_id = type AND a.mailbox = box AND a.actor_key = key;
	RETURN removed OR FOUND;
END
$$;
COMMENT ON FUNCTION dgen._delete_actor(text, text) IS 'dgen.delete_actor with the privileges of the owner of dgen';

CREATE FUNCTION dgen.delete_actor(actor_type text, actor_key text) RETURNS boolean
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.delete_actor(text, text) IS
'deletes everything that belongs to an actor: state, lock, mailbox, delayed messages, actions that were not run yet, dead letters, requests, replies, idempotency keys and a pause; true if there was anything. A caller that has no reply gets the error that the request was canceled (ZD012). Waits for a running turn of the actor. A message sent later makes a new actor. Needs the privilege to work.';

-- ---- pause, resume ----

-- Never waits for a running turn, because only dgen.paused is written.
CREATE FUNCTION dgen._pause(actor_type text, key text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type integer := dgen._type_for(actor_type, 'work');
	box  bigint  := CASE WHEN key IS NULL THEN 0 ELSE dgen._mailbox(key) END;
BEGIN
	INSERT INTO dgen.paused (type_id, mailbox, actor_key, paused_at)
	VALUES (type, box, COALESCE(key, ''), clock_timestamp())
	ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION dgen._pause(text, text) IS 'dgen.pause with the privileges of the owner of dgen';

CREATE FUNCTION dgen.pause(actor_type text, actor_key text DEFAULT NULL) RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.pause(text, text) IS
'pauses an actor, existing or not; without a key the whole type. Messages are kept and turns that run finish. A second pause changes nothing. Needs the privilege to work.';

CREATE FUNCTION dgen._resume(actor_type text, key text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
DECLARE
	type integer := dgen._type_for(actor_type, 'work');
	box  bigint  := CASE WHEN key IS NULL THEN 0 ELSE dgen._mailbox(key) END;
BEGIN
	DELETE FROM dgen.paused p WHERE p.type_id = type AND p.mailbox = box AND p.actor_key = COALESCE(key, '');
	IF FOUND THEN
		PERFORM dgen._wake(type);
		PERFORM dgen._wake(-type) FROM dgen.actor_type t WHERE t.id = type AND t.handle_actions;
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._resume(text, text) IS 'dgen.resume with the privileges of the owner of dgen';

CREATE FUNCTION dgen.resume(actor_type text, actor_key text DEFAULT NULL) RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.resume(text, text) IS
'ends the pause of an actor, or without a key that of the type; actors that are paused themselves remain paused. Nothing happens if there is no pause. Needs the privilege to work.';

-- ---- unlock ----

CREATE FUNCTION dgen._end_lock(type_id integer, actor_key text) RETURNS boolean
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_end_lock';
COMMENT ON FUNCTION dgen._end_lock(integer, text) IS 'makes the message that locked the actor a dead letter; the actor must be owned; false if it is not locked';

CREATE FUNCTION dgen._unlock(actor_type text, key text) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type integer := dgen._type_for(actor_type, 'work');
	box  bigint  := dgen._mailbox(key);
BEGIN
	PERFORM dgen._own(type, box);
	RETURN dgen._end_lock(type, key);
END
$$;
COMMENT ON FUNCTION dgen._unlock(text, text) IS 'dgen.unlock with the privileges of the owner of dgen';

CREATE FUNCTION dgen.unlock(actor_type text, actor_key text) RETURNS boolean
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.unlock(text, text) IS
'ends the lock of an actor: true; false if it is not locked. The message that locked it becomes a dead letter (ZD046), its caller gets that error, and the actor continues with the next message. A running locked part is not interrupted, but cannot commit. Waits for a running turn of the actor, not for the locked part. Needs the privilege to work.';

-- ---- adoption ----

-- CREATE EXTENSION does not adopt: it is also the first step of a restore, which might fill other
-- tables before this one.
CREATE FUNCTION dgen._adopt() RETURNS void
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO dgen.adoption
	SELECT c.system_identifier, d.oid, clock_timestamp()
	FROM pg_control_system() AS c, pg_database AS d
	WHERE d.datname = current_database();
	SELECT dgen._wake_everybody() -- also workers that attached to an extension that was here before
$$;
COMMENT ON FUNCTION dgen._adopt() IS 'adopts the actors of this database: when the first actor type is created, and in dgen.adopt_database';

-- The rows of a logical subscriber come without the sequences of their numbers. The lock keeps other
-- sessions from sending and handling, so that no sequence is set back.
CREATE FUNCTION dgen._raise_sequences() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	LOCK TABLE dgen.actor_type, dgen.message, dgen.worker IN SHARE ROW EXCLUSIVE MODE; -- in the order of dgen._drop_actor_type
	PERFORM setval(used.sequence, used.highest)
	FROM (VALUES
		('dgen.message_seq'::regclass, (SELECT max(number) FROM (
			SELECT max(greatest(m.seq, m.message_id)) FROM dgen.message m
			UNION ALL SELECT max(greatest(d.seq, d.message_id)) FROM dgen.delayed_message d
			UNION ALL SELECT max(k.message_id) FROM dgen.locked k
			UNION ALL SELECT max(l.message_id) FROM dgen.dead_letter l
			UNION ALL SELECT max(f.message_id) FROM dgen.failed_attempt f
			UNION ALL SELECT max(i.message_id) FROM dgen.idempotency_key i
			UNION ALL SELECT max(r.id) FROM dgen.request r
			UNION ALL SELECT max(w.id) FROM dgen.request_asker w) AS numbers(number))),
		('dgen.version_seq', (SELECT greatest(
			(SELECT max(a.version) FROM dgen.actor a), (SELECT max(k.fence) FROM dgen.locked k)))),
		('dgen.worker_id_seq', (SELECT greatest(
			(SELECT max(w.id) FROM dgen.worker w), -- What dgen.settle has closed (batch 0) is a number that its caller named.
			(SELECT max(r.worker_id) FROM dgen.receipt r WHERE r.batch > 0)))),
		('dgen.actor_type_id_seq', (SELECT max(t.id) FROM dgen.actor_type t))) AS used(sequence, highest)
	WHERE used.highest > COALESCE(pg_sequence_last_value(used.sequence), 0);
END
$$;
COMMENT ON FUNCTION dgen._raise_sequences() IS 'sets the sequences above all numbers that the tables hold; none is set back';

CREATE FUNCTION dgen._adopt_database() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT pg_has_role(dgen._calling_role(), current_user, 'USAGE') THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for role "%s" to adopt the actors of this database', pg_get_userbyid(dgen._calling_role())),
			HINT = format('Ask a superuser, or a member of role "%s", which owns the extension.', current_user);
	END IF;
	PERFORM dgen._raise_sequences();
	DELETE FROM dgen.adoption;
	PERFORM dgen._adopt();
	PERFORM dgen._depend_on_roles();
	PERFORM dgen._end_left_askers();
	PERFORM dgen._types_changed();
	PERFORM dgen._wake(t.id) FROM dgen.actor_type t;
	PERFORM dgen._wake(-t.id) FROM dgen.actor_type t WHERE t.handle_actions;
END
$$;
COMMENT ON FUNCTION dgen._adopt_database() IS 'dgen.adopt_database with the privileges of the owner of dgen';

CREATE FUNCTION dgen.adopt_database() RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_operate';
COMMENT ON FUNCTION dgen.adopt_database() IS
'adopts the actors of a copy: after a restore, CREATE DATABASE ... TEMPLATE or pg_upgrade nothing is handled before that, because a copy would repeat the work of the original. Also after a switch to a logical subscriber: sequences are raised above what the tables hold. For superusers and the owner of the extension.';

REVOKE ALL ON FUNCTION dgen._cancel(text, text, bigint),
	dgen._action_mailbox(bigint, bigint), dgen._remove_message(integer, bigint, text, bigint),
	dgen._ids_in_mailbox(integer, bigint, text), dgen._delete_messages(integer, bigint, text), dgen._delete_actions(integer, bigint, text),
	dgen._check_letter_id(bigint), dgen._redrive(bigint), dgen._discard(bigint), dgen._reset(text, text),
	dgen._delete_requests(integer, bigint, text), dgen._delete_actor(text, text), dgen._pause(text, text),
	dgen._resume(text, text), dgen._end_lock(integer, text), dgen._unlock(text, text), dgen._adopt(), dgen._raise_sequences(), dgen._adopt_database(), dgen.adopt_database()
	FROM PUBLIC;
