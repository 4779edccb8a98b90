-- Workers: attaching a session, waiting for work, and in-database workers.

CREATE FUNCTION dgen.attach(name text, actor_types text[], library_version text DEFAULT NULL,
		dead_letters text[] DEFAULT NULL, actions text[] DEFAULT NULL, messages text[] DEFAULT NULL, locked text[] DEFAULT NULL, OUT worker_id bigint, OUT extension_version text, OUT type_ids integer[])
	RETURNS record LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'dgen_attach';
COMMENT ON FUNCTION dgen.attach(text, text[], text, text[], text[], text[], text[]) IS
	'makes this session a worker for the actor types; a second call replaces the attachment. dead_letters: the types whose actors are notified of their dead letters, from now on; actions: the types whose actions it also handles; messages: the types whose messages it handles, NULL: all; locked: the types among those whose locked parts it can run, NULL: all';

CREATE FUNCTION dgen.detach() RETURNS void LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'dgen_detach';
COMMENT ON FUNCTION dgen.detach() IS 'this session is no longer a worker';

-- A procedure, so that a waiting worker is in no transaction and holds no snapshot.
CREATE PROCEDURE dgen.wait(timeout interval DEFAULT '1 min', INOUT ready boolean DEFAULT NULL) LANGUAGE C
	AS 'MODULE_PATHNAME', 'dgen_wait';
COMMENT ON PROCEDURE dgen.wait(interval, boolean) IS
	'waits until there might be something to claim (ready) or the timeout has passed; NULL: no timeout. Ends the session without an error when the client closes its connection';

-- The rows are restricted to workers for types that the caller can read.
CREATE FUNCTION dgen._workers(OUT id bigint, OUT name text, OUT types text[], OUT in_database boolean,
		OUT client_addr text, OUT pid integer, OUT busy boolean, OUT since timestamptz, OUT turns bigint,
		OUT messages text[], OUT actions text[], OUT locked text[], OUT complete boolean)
	RETURNS SETOF record LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'dgen_workers';
COMMENT ON FUNCTION dgen._workers() IS 'rows of dgen.workers, from shared memory';

-- The views call them with the privileges of their reader. A comparison with a key is not held back.
CREATE FUNCTION dgen._show(value jsonb, what cstring) RETURNS jsonb
	LANGUAGE c STABLE STRICT
	AS 'MODULE_PATHNAME', 'dgen_show_jsonb';
COMMENT ON FUNCTION dgen._show(jsonb, cstring) IS 'the value, or a text in its place if it cannot be sent to the reader';

CREATE FUNCTION dgen._show(value text, what cstring) RETURNS text
	LANGUAGE c STABLE STRICT LEAKPROOF
	AS 'MODULE_PATHNAME', 'dgen_show_text';
COMMENT ON FUNCTION dgen._show(text, cstring) IS 'the value, or a text in its place if it cannot be sent to the reader';

CREATE VIEW dgen.workers WITH (security_barrier) AS
SELECT live.id,
	dgen._show(live.name, 'worker name') AS name,
	live.types,
	CASE WHEN live.in_database THEN 'in-database' ELSE 'external' END AS kind,
	live.client_addr::inet AS client_addr,
	live.pid,
	live.busy,
	live.since,
	live.turns,
	attached.attached_at,
	attached.library_version,
	live.messages,
	live.actions,
	live.locked,
	live.complete
FROM dgen._workers() AS live
	LEFT JOIN dgen.worker AS attached USING (id);
COMMENT ON VIEW dgen.workers IS 'live workers, for actor types that the caller can read';
COMMENT ON COLUMN dgen.workers.types IS 'actor types that it handles and that the caller can read';
COMMENT ON COLUMN dgen.workers.kind IS 'in-database or external';
COMMENT ON COLUMN dgen.workers.client_addr IS 'NULL: in-database, or connected by a socket of the same host';
COMMENT ON COLUMN dgen.workers.busy IS 'runs a batch now';
COMMENT ON COLUMN dgen.workers.since IS 'when it became busy, or stopped being busy';
COMMENT ON COLUMN dgen.workers.turns IS 'turns that it has run';
COMMENT ON COLUMN dgen.workers.messages IS 'the types whose messages it handles';
COMMENT ON COLUMN dgen.workers.actions IS 'the types whose actions it handles';
COMMENT ON COLUMN dgen.workers.locked IS 'the types whose locked parts it can run';
COMMENT ON COLUMN dgen.workers.complete IS 'false: it handles more types than the 32 that these lists can show';

CREATE FUNCTION dgen._perhaps_taken(type integer, parts boolean) RETURNS boolean LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'dgen_perhaps_taken';
COMMENT ON FUNCTION dgen._perhaps_taken(integer, boolean) IS
	'might there be a worker for the type (negative: for its actions), or for its locked parts, that dgen.workers does not show as one, because it handles too many types?';
REVOKE ALL ON FUNCTION dgen._perhaps_taken(integer, boolean) FROM PUBLIC;

-- In-database workers. Each runs as the owner of the actor types that it handles, so
-- the count is per owner of types with a handler.
CREATE FUNCTION dgen.start_workers(count integer DEFAULT 1) RETURNS integer LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'dgen_start_workers';
COMMENT ON FUNCTION dgen.start_workers(integer) IS
	'starts or stops in-database workers now, so that count of them run per owner of actor types; returns the number that run';

CREATE FUNCTION dgen.stop_workers() RETURNS integer LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'dgen_stop_workers';
COMMENT ON FUNCTION dgen.stop_workers() IS
	'stops the in-database workers of this database and waits until they are gone; returns how many ran';

CREATE FUNCTION dgen._types_changed() RETURNS void LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'dgen_types_changed';
COMMENT ON FUNCTION dgen._types_changed() IS
	'after this transaction in-database workers read the actor types again, and are started for new owners';

REVOKE ALL ON FUNCTION dgen.start_workers(integer), dgen.stop_workers(), dgen._types_changed() FROM PUBLIC;
