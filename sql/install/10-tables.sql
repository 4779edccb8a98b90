-- The tables, in the order of the message path.
--
-- Every hot table has `mailbox` in its primary key: a 64-bit hash of the actor's
-- key (see dgen.mailbox_of). Rows also have the type and the key, because two keys can
-- have the same hash. There are no foreign keys, so a sender locks only the row that it
-- inserts.
--
-- The C code reads and writes these tables directly, by column position
-- (extension/table/columns.h), so new columns come last. It refuses tables, columns
-- and indexes that differ from these (extension/table/shapes.c has them as data).
--
-- Each table has a replica identity: its primary key, or the one that is named. So a
-- publication of all tables can tell its subscribers which row was deleted.

-- Each message and each actor version gets a number. CACHE 1: a number that is drawn
-- later in a session, or after the commit of another session, is always higher.
CREATE SEQUENCE dgen.message_seq AS bigint MINVALUE 1 MAXVALUE 9007199254740991 CACHE 1;
COMMENT ON SEQUENCE dgen.message_seq IS 'order of messages and their ids; below 2^53, so that JSON numbers hold them';

CREATE SEQUENCE dgen.version_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE dgen.version_seq IS 'versions of actors; never restarts, so that an actor that is deleted and created again gets higher ones';

CREATE SEQUENCE dgen.actor_type_id_seq AS integer CACHE 1;
COMMENT ON SEQUENCE dgen.actor_type_id_seq IS 'ids of actor types; never reused';

CREATE SEQUENCE dgen.worker_id_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE dgen.worker_id_seq IS 'ids of workers';

CREATE TABLE dgen.actor_type (
	id              integer     NOT NULL PRIMARY KEY,
	name            text        COLLATE "C" NOT NULL UNIQUE,
	owner           regrole     NOT NULL,
	handler         text,
	search_path     text        NOT NULL,
	initial_state   jsonb       NOT NULL,
	max_attempts    integer     NOT NULL,
	backoff         interval    NOT NULL,
	max_backoff     interval    NOT NULL,
	turn_timeout    interval    NOT NULL,
	retention       interval    NOT NULL,
	created_at      timestamptz NOT NULL,
	max_waiting     integer,
	max_concurrency integer,
	max_rate        double precision,
	handle_dead_letters boolean NOT NULL,
	handle_actions  boolean     NOT NULL,
	lock_timeout    interval    NOT NULL,
	locked_priority integer     NOT NULL
) USING heap;
COMMENT ON TABLE dgen.actor_type IS 'one row per actor type: its handler and its policy';
COMMENT ON COLUMN dgen.actor_type.handler IS 'schema-qualified function name, as text; NULL: handled by external workers';
COMMENT ON COLUMN dgen.actor_type.handle_dead_letters IS 'an actor gets messages of kind dead_letter for its dead letters';
COMMENT ON COLUMN dgen.actor_type.handle_actions IS 'turns of its actors can store actions';
COMMENT ON COLUMN dgen.actor_type.search_path IS 'search_path of the handler: the one of the session that created the type';
COMMENT ON COLUMN dgen.actor_type.max_waiting IS 'maximum number of messages that wait for one actor; NULL: no limit';
COMMENT ON COLUMN dgen.actor_type.max_concurrency IS 'maximum number of actors that workers own at a time; NULL: no limit';
COMMENT ON COLUMN dgen.actor_type.max_rate IS 'maximum number of turns per second, of all workers together; NULL: no limit';
COMMENT ON COLUMN dgen.actor_type.locked_priority IS 'a locked actor handles messages of this priority and above; 32768 is above all';

CREATE TABLE dgen.privilege (
	type_id         integer     NOT NULL,
	role            regrole     NOT NULL,
	privilege       text        NOT NULL CHECK (privilege IN ('send', 'read', 'work')),
	PRIMARY KEY (type_id, role, privilege)
) USING heap;
COMMENT ON TABLE dgen.privilege IS 'roles and their privileges to send to, read and work for actor types; the owner of a type has all three';

-- The mailboxes. Rows are inserted and deleted, never updated. seq gives the
-- order. message_id is NULL while it equals seq: a message that was delayed or redriven
-- joins the end of its mailbox with a new seq, and keeps its id.
CREATE TABLE dgen.message (
	mailbox         bigint      NOT NULL,
	seq             bigint      NOT NULL,
	sent_at         timestamptz NOT NULL,
	type_id         integer     NOT NULL,
	priority        smallint    NOT NULL,
	kind            "char"      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	message         jsonb       NOT NULL,
	message_id      bigint,
	in_reply_to     bigint,
	headers         jsonb,
	correlation     text,
	error           text,
	sqlstate        text
) USING heap;
CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq);
ALTER TABLE dgen.message REPLICA IDENTITY USING INDEX message_order;
COMMENT ON TABLE dgen.message IS 'the mailboxes: messages that can be handled now';
-- extension/send/action.c has a picture of it.
COMMENT ON COLUMN dgen.message.type_id IS 'the actor type; negative: the message is an action of an actor of that type, and each action has its own mailbox';
COMMENT ON COLUMN dgen.message.kind IS 'c: cast, q: request (shown as call), r: reply, t: timer, d: dead_letter, a: action';

-- Messages that are not due yet. They have their own table, so that a million of them do not slow a claim.
CREATE TABLE dgen.delayed_message (
	mailbox         bigint      NOT NULL,
	seq             bigint      NOT NULL,
	sent_at         timestamptz NOT NULL,
	type_id         integer     NOT NULL,
	priority        smallint    NOT NULL,
	kind            "char"      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	message         jsonb       NOT NULL,
	message_id      bigint,
	in_reply_to     bigint,
	headers         jsonb,
	correlation     text,
	error           text,
	sqlstate        text,
	not_before      timestamptz NOT NULL,
	PRIMARY KEY (type_id, mailbox, seq)
) USING heap;
CREATE INDEX delayed_message_due ON dgen.delayed_message (type_id, not_before);
COMMENT ON TABLE dgen.delayed_message IS 'messages with a delay, until they are due and join their mailbox';

CREATE TABLE dgen.idempotency_key (
	type_id         integer     NOT NULL,
	mailbox         bigint      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	idempotency_key text        COLLATE "C" NOT NULL,
	message_id      bigint      NOT NULL,
	expires_at      timestamptz NOT NULL,
	PRIMARY KEY (type_id, mailbox, actor_key, idempotency_key)
) USING heap;
CREATE INDEX idempotency_key_expiry ON dgen.idempotency_key (expires_at);
COMMENT ON TABLE dgen.idempotency_key IS 'idempotency keys in use and the message each one stands for, for the retention of the type';

CREATE TABLE dgen.paused (
	type_id         integer     NOT NULL,
	mailbox         bigint      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	paused_at       timestamptz NOT NULL,
	PRIMARY KEY (type_id, mailbox, actor_key)
) USING heap;
COMMENT ON TABLE dgen.paused IS 'paused actors; mailbox 0 with an empty key is the whole type';

CREATE TABLE dgen.failed_attempt (
	type_id         integer     NOT NULL,
	mailbox         bigint      NOT NULL,
	message_id      bigint      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	attempts        integer     NOT NULL,
	retry_at        timestamptz NOT NULL,
	error           text,
	sqlstate        text,
	PRIMARY KEY (type_id, mailbox, message_id)
) USING heap;
CREATE INDEX failed_attempt_retry ON dgen.failed_attempt (retry_at);
COMMENT ON TABLE dgen.failed_attempt IS 'messages whose last attempt failed: how often, why, and when the next attempt is due';

-- One row per actor. Written only under the actor's lock; fillfactor leaves room
-- for HOT updates.
CREATE TABLE dgen.actor (
	mailbox         bigint      NOT NULL,
	version         bigint      NOT NULL,
	updated_at      timestamptz NOT NULL,
	type_id         integer     NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	status          text        COLLATE "C" NOT NULL,
	state           jsonb       NOT NULL,
	PRIMARY KEY (type_id, mailbox, actor_key)
) USING heap WITH (fillfactor = 70);
COMMENT ON TABLE dgen.actor IS 'one row per actor: its state and the version of it';
COMMENT ON COLUMN dgen.actor.status IS 'active, or locked: then there is a row in dgen.locked';
COMMENT ON COLUMN dgen.actor.version IS 'rises with every change; never repeats for the same key, also after delete_actor';

-- One row per locked actor, with the message that locked it. Written only under the
-- actor's lock. Each attempt to run the locked part has its own fence (fencing token), and
-- its session holds an advisory lock on it: the lock manager shows whether the attempt is
-- alive. A session that has another fence than the row cannot commit.
CREATE TABLE dgen.locked (
	type_id         integer     NOT NULL,
	mailbox         bigint      NOT NULL,
	fence           bigint      NOT NULL,
	message_id      bigint      NOT NULL,
	sent_at         timestamptz NOT NULL,
	locked_at       timestamptz NOT NULL,
	retry_at        timestamptz NOT NULL,
	expires_at      timestamptz NOT NULL,
	attempt         integer     NOT NULL,
	failed          integer     NOT NULL,
	priority        smallint    NOT NULL,
	kind            "char"      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	message         jsonb       NOT NULL,
	in_reply_to     bigint,
	headers         jsonb,
	correlation     text,
	error           text,
	sqlstate        text,
	worker          text,
	last_error      text,
	last_sqlstate   text,
	PRIMARY KEY (type_id, mailbox, actor_key)
) USING heap;
CREATE INDEX locked_retry ON dgen.locked (retry_at);
CREATE INDEX locked_expiry ON dgen.locked (expires_at);
COMMENT ON TABLE dgen.locked IS 'locked actors, with the message whose locked part runs or will run';
COMMENT ON COLUMN dgen.locked.fence IS 'fence of the last attempt that has begun; from dgen.version_seq';
COMMENT ON COLUMN dgen.locked.retry_at IS 'when the next attempt can begin; infinity: one has begun';
COMMENT ON COLUMN dgen.locked.expires_at IS 'when the attempt that has begun times out; infinity: none has begun';
COMMENT ON COLUMN dgen.locked.attempt IS 'attempts begun so far';
COMMENT ON COLUMN dgen.locked.failed IS 'attempts that count towards max_attempts';
COMMENT ON COLUMN dgen.locked.worker IS 'name of the worker that began the last attempt';

CREATE TABLE dgen.dead_letter (
	message_id      bigint      NOT NULL,
	mailbox         bigint      NOT NULL,
	sent_at         timestamptz NOT NULL,
	died_at         timestamptz NOT NULL,
	type_id         integer     NOT NULL,
	attempts        integer     NOT NULL,
	priority        smallint    NOT NULL,
	kind            "char"      NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	message         jsonb       NOT NULL,
	in_reply_to     bigint,
	headers         jsonb,
	correlation     text,
	error           text,
	sqlstate        text,
	hint            text,
	worker          text,
	reply_error     text,
	reply_sqlstate  text,
	PRIMARY KEY (message_id, mailbox)
) USING heap;
COMMENT ON COLUMN dgen.dead_letter.reply_error IS 'kind reply: error of the request that the message answers; part of the message';
COMMENT ON TABLE dgen.dead_letter IS 'messages that became dead letters, with the error; see dgen.redrive and dgen.discard';

-- One row per open request, inserted with its message. So a caller immediately learns whether
-- a request is unknown, pending, replied, failed, canceled or of another role.
CREATE TABLE dgen.request (
	id              bigint      NOT NULL,
	mailbox         bigint      NOT NULL,
	sent_at         timestamptz NOT NULL,
	replied_at      timestamptz,
	type_id         integer     NOT NULL,
	requester       regrole     NOT NULL,
	status          "char"      NOT NULL,
	keep            boolean     NOT NULL,
	actor_key       text        COLLATE "C" NOT NULL,
	reply_type_id   integer,
	reply_key       text        COLLATE "C",
	correlation     text,
	reply           jsonb,
	error           text,
	sqlstate        text,
	hint            text,
	due_at          timestamptz,
	PRIMARY KEY (id, mailbox)
) USING heap WITH (fillfactor = 80);
COMMENT ON TABLE dgen.request IS 'requests whose reply has not been collected yet';
COMMENT ON COLUMN dgen.request.due_at IS 'when the message of a delayed request is due; NULL: the request has no delay';
COMMENT ON COLUMN dgen.request.status IS 'p: pending, r: replied, f: failed, c: canceled';
COMMENT ON COLUMN dgen.request.keep IS 'sent with an idempotency key: the reply is kept for the retention of the type';

CREATE TABLE dgen.worker (
	id              bigint      NOT NULL PRIMARY KEY,
	name            text        NOT NULL,
	pid             integer     NOT NULL,
	backend_start   timestamptz NOT NULL,
	in_database     boolean     NOT NULL,
	type_ids        integer[]   NOT NULL,
	role            regrole     NOT NULL,
	client_addr     inet,
	library_version text,
	attached_at     timestamptz NOT NULL
) USING heap;
COMMENT ON TABLE dgen.worker IS 'attached workers; dgen.workers shows those whose session exists';

-- Commit receipts: whether the last batch of a worker was committed; see dgen.receipt.
CREATE TABLE dgen.receipt (
	worker_id       bigint      NOT NULL,
	role            regrole     NOT NULL,
	batch           bigint      NOT NULL,
	closed          boolean     NOT NULL,
	written_at      timestamptz NOT NULL,
	PRIMARY KEY (worker_id, role)
) USING heap WITH (fillfactor = 50);
COMMENT ON TABLE dgen.receipt IS 'the last batch of a worker that was committed with dgen.receipt';
COMMENT ON COLUMN dgen.receipt.closed IS 'dgen.settle was called: batches of this worker no longer get a receipt';

-- A dump includes the row of this table. In the database into which it is restored, the row
-- names another system or another database, and no message is handled until
-- dgen.adopt_database() is called. The same applies while there is no row, because a parallel
-- restore can fill the other tables first.
CREATE TABLE dgen.adoption (
	system_identifier bigint    NOT NULL,
	database_oid      oid       NOT NULL,
	adopted_at        timestamptz NOT NULL
) USING heap;
ALTER TABLE dgen.adoption REPLICA IDENTITY FULL; -- it has no key, and one row
COMMENT ON TABLE dgen.adoption IS 'the database that the actors belong to; see dgen.adopt_database';

-- Dumps include all tables except worker and receipt, whose rows belong to sessions. (This is
-- a loop because each call updates the same catalog row.)
DO $$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['message_seq', 'version_seq', 'actor_type_id_seq', 'worker_id_seq',
		'actor_type', 'privilege', 'message', 'delayed_message', 'idempotency_key', 'paused',
		'failed_attempt', 'actor', 'locked', 'dead_letter', 'request', 'adoption']
	LOOP
		PERFORM pg_catalog.pg_extension_config_dump(format('dgen.%I', relation)::regclass, '');
	END LOOP;
END
$$;

-- Actors that used the idempotency key of an earlier request that has no reply yet; see
-- extension/send/askers.c.
CREATE TABLE dgen.request_asker (
	request_id      bigint      NOT NULL,
	mailbox         bigint      NOT NULL,
	id              bigint      NOT NULL,
	asked_at        timestamptz NOT NULL,
	reply_type_id   integer     NOT NULL,
	reply_key       text        COLLATE "C" NOT NULL,
	correlation     text,
	PRIMARY KEY (request_id, mailbox, id)
) USING heap;
COMMENT ON TABLE dgen.request_asker IS 'actors that wait for the reply to a request, besides its sender';
COMMENT ON COLUMN dgen.request_asker.mailbox IS 'mailbox of the request';
COMMENT ON COLUMN dgen.request_asker.id IS 'number of the caller, from dgen.message_seq';
SELECT pg_catalog.pg_extension_config_dump('dgen.request_asker', '');

-- The keys of actors' advisory locks cannot be computed without the secret; see extension/actor/lock_key.c.
-- All sessions must have the same secret, and locks may be held at any time. So nothing changes it, not even
-- a subscription to all tables of another database, and dumps do not include it. The row is inserted before
-- the triggers exist.
CREATE TABLE dgen.lock_secret (
	secret          bytea       NOT NULL
) USING heap;
ALTER TABLE dgen.lock_secret REPLICA IDENTITY FULL; -- it has no key, and one row
COMMENT ON TABLE dgen.lock_secret IS 'the secret that the keys of advisory locks are made with; never changes';
INSERT INTO dgen.lock_secret
SELECT pg_catalog.substr(pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) OPERATOR(pg_catalog.||)
	pg_catalog.uuid_send(pg_catalog.gen_random_uuid())), 1, 16);

CREATE FUNCTION dgen._lock_secret_trigger() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_LEVEL = 'ROW' AND current_setting('session_replication_role') = 'replica' THEN
		RETURN NULL;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
		MESSAGE = 'dgen.lock_secret cannot be changed',
		HINT = 'Do not change it: sessions that disagree about it could handle the same actor at the same time.';
END
$$;
COMMENT ON FUNCTION dgen._lock_secret_trigger() IS 'refuses changes of dgen.lock_secret, and skips replicated rows';
REVOKE ALL ON FUNCTION dgen._lock_secret_trigger() FROM PUBLIC;

CREATE TRIGGER unchanged BEFORE INSERT OR UPDATE OR DELETE ON dgen.lock_secret
	FOR EACH ROW EXECUTE FUNCTION dgen._lock_secret_trigger();
CREATE TRIGGER untruncated BEFORE TRUNCATE ON dgen.lock_secret
	FOR EACH STATEMENT EXECUTE FUNCTION dgen._lock_secret_trigger();
ALTER TABLE dgen.lock_secret ENABLE ALWAYS TRIGGER unchanged;
ALTER TABLE dgen.lock_secret ENABLE ALWAYS TRIGGER untruncated;
COMMENT ON TRIGGER unchanged ON dgen.lock_secret IS 'see dgen._lock_secret_trigger';
COMMENT ON TRIGGER untruncated ON dgen.lock_secret IS 'see dgen._lock_secret_trigger';
