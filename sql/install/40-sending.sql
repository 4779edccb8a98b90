-- Sending and asking. All of them check the privilege to send for the role that is
-- current in the caller.

CREATE FUNCTION dgen.cast(
	actor_type       text,
	actor_key        text,
	message          jsonb       DEFAULT 'null',
	delay            interval    DEFAULT NULL,
	not_before       timestamptz DEFAULT NULL,
	priority         integer     DEFAULT 0,
	idempotency_key  text        DEFAULT NULL,
	headers          jsonb       DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'dgen_cast' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.cast(text, text, jsonb, interval, timestamptz, integer, text, jsonb) IS
'sends a message to an actor, as part of the caller''s transaction; returns its id';

CREATE FUNCTION dgen.cast_many(
	actor_type       text,
	actor_keys       text[],
	messages         jsonb[],
	idempotency_keys text[]    DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'dgen_cast_many' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.cast_many(text, text[], jsonb[], text[]) IS
'sends messages[i] to actor_keys[i], in array order, all or none; those whose idempotency_keys[i] that actor has seen before, also in the same array, are passed over. Returns the number sent';

CREATE FUNCTION dgen.request(
	actor_type       text,
	actor_key        text,
	message          jsonb        DEFAULT 'null',
	delay            interval     DEFAULT NULL,
	not_before       timestamptz  DEFAULT NULL,
	priority         integer      DEFAULT 0,
	idempotency_key  text         DEFAULT NULL,
	headers          jsonb        DEFAULT NULL,
	reply_to         dgen.context DEFAULT NULL,
	correlation      text         DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'dgen_request' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.request(text, text, jsonb, interval, timestamptz, integer, text, jsonb, dgen.context, text) IS
'sends a message whose reply is kept for dgen.await_reply or, with reply_to => ctx in a handler, comes to that actor as a message of kind reply; returns the id of the request';

CREATE FUNCTION dgen.send_many(
	actor_types      text[],
	actor_keys       text[],
	messages         jsonb[],
	requests         boolean[] DEFAULT NULL,
	delays_ms        bigint[]  DEFAULT NULL,
	priorities       integer[] DEFAULT NULL,
	idempotency_keys text[]    DEFAULT NULL,
	headers          jsonb[]   DEFAULT NULL,
	brief            boolean   DEFAULT false)
RETURNS TABLE (id bigint, error text, sqlstate text, hint text, element integer)
AS 'MODULE_PATHNAME', 'dgen_send_many' LANGUAGE C VOLATILE ROWS 1000;
COMMENT ON FUNCTION dgen.send_many(text[], text[], jsonb[], boolean[], bigint[], integer[], text[], jsonb[], boolean) IS
'casts, and requests where requests[i] is true, in array order; one row each in that order, with the id or the error: a message that cannot be sent fails alone. brief: no rows for casts that were sent';

CREATE FUNCTION dgen.act(
	action           text,
	message          jsonb       DEFAULT 'null',
	delay            interval    DEFAULT NULL,
	not_before       timestamptz DEFAULT NULL,
	headers          jsonb       DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'dgen_act' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.act(text, jsonb, interval, timestamptz, jsonb) IS
'in a handler: has the handler called again once the turn is committed, with kind action and the name of the action as ctx.correlation, for what is to be done outside of the database: at least once, until it succeeds or has failed max_attempts times. It neither waits for the actor''s messages nor keeps them waiting, and has no state; its reply comes to the actor. Returns its message id: the same in each attempt, and so the idempotency key to give to others';

CREATE FUNCTION dgen.await_reply(request bigint, timeout interval DEFAULT '5 s')
RETURNS jsonb
AS 'MODULE_PATHNAME', 'dgen_await_reply' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.await_reply(bigint, interval) IS
'waits for the reply to a request, returns it and removes it; holds the snapshot of its statement while it waits (dgen.ask does not); timeout NULL waits without limit. An error that is the answer, as that of a handler, has the schema name dgen and the data type name reply';

CREATE FUNCTION dgen.await_replies(requests bigint[], timeout interval DEFAULT '5 s')
RETURNS TABLE (request bigint, reply jsonb, error text, sqlstate text)
AS 'MODULE_PATHNAME', 'dgen_await_replies' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.await_replies(bigint[], interval) IS
'waits for the replies to several requests; one row each, with the error of those that failed or did not come in time';

CREATE PROCEDURE dgen.ask(
	actor_type       text,
	actor_key        text,
	message          jsonb    DEFAULT 'null',
	timeout          interval DEFAULT '5 s',
	INOUT reply      jsonb    DEFAULT NULL)
AS 'MODULE_PATHNAME', 'dgen_ask' LANGUAGE C;
COMMENT ON PROCEDURE dgen.ask(text, text, jsonb, interval, jsonb) IS
'request, commit, wait, reply in one statement, outside of a transaction block; holds no snapshot while it waits. Errors as of dgen.await_reply';

CREATE PROCEDURE dgen.await_any(
	requests         bigint[],
	timeout          interval DEFAULT '5 s',
	INOUT answers    json     DEFAULT NULL)
AS 'MODULE_PATHNAME', 'dgen_await_any' LANGUAGE C;
COMMENT ON PROCEDURE dgen.await_any(bigint[], interval, json) IS
'waits until at least one of the requests is answered, and returns and removes the answers that are there, as a JSON array; an empty one at the timeout and when the client sends something; outside of a transaction block; holds no snapshot while it waits';

CREATE FUNCTION dgen.call(
	actor_type       text,
	actor_key        text,
	message          jsonb    DEFAULT 'null',
	timeout          interval DEFAULT '5 s')
RETURNS jsonb
AS 'MODULE_PATHNAME', 'dgen_call' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.call(text, text, jsonb, interval) IS
'runs the in-database handler of an actor inside the caller''s transaction and returns its reply; the transaction owns the actor until it ends';

CREATE FUNCTION dgen.send_reply(request bigint, reply jsonb)
RETURNS boolean
AS 'MODULE_PATHNAME', 'dgen_send_reply' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.send_reply(bigint, jsonb) IS
'answers a request that a turn left open (the ctx.message_id of that turn); false if it is not open';

CREATE FUNCTION dgen.fail_request(request bigint, error text, sqlstate text DEFAULT 'ZD400')
RETURNS boolean
AS 'MODULE_PATHNAME', 'dgen_fail_request' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.fail_request(bigint, text, text) IS
'answers a request that a turn left open with an error; false if it is not open';
