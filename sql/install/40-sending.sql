-- Sending messages and waiting for replies. Functions that send check the privilege to send of
-- the role that is current in the caller.

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
'sends messages[i] to actor_keys[i], in array order, all or none; a message whose idempotency_keys[i] was already used for that actor, also in the same array, is skipped. Returns the number of messages sent';

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
'sends a message whose reply is kept for dgen.await_reply or, with reply_to => ctx in a handler, is sent to that actor as a message of kind reply; returns the id of the request';

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
'sends casts, and requests where requests[i] is true, in array order. Returns one row for each, in the same order, with the id or the error: a message that cannot be sent does not affect the others. brief: no rows for casts that were sent';

CREATE FUNCTION dgen.act(
	action           text,
	message          jsonb       DEFAULT 'null',
	delay            interval    DEFAULT NULL,
	not_before       timestamptz DEFAULT NULL,
	headers          jsonb       DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'dgen_act' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.act(text, jsonb, interval, timestamptz, jsonb) IS
'in a handler: stores an action, for work outside of the database. After the turn is committed, the handler runs again with kind action and the name of the action as ctx.correlation: at least once, until it succeeds or has failed max_attempts times. An action neither waits for the messages of the actor nor delays them, and has no state; its reply is sent to the actor. Returns the message id of the action, which is the same in each attempt: use it as idempotency key for external systems';

CREATE FUNCTION dgen.await_reply(request bigint, timeout interval DEFAULT '5 s')
RETURNS jsonb
AS 'MODULE_PATHNAME', 'dgen_await_reply' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.await_reply(bigint, interval) IS
'waits for the reply to a request, returns it and removes it; holds the snapshot of its statement while it waits (dgen.ask does not); timeout NULL waits indefinitely. An error that is the answer, such as the error of a handler, has the schema name dgen and the data type name reply';

CREATE FUNCTION dgen.await_replies(requests bigint[], timeout interval DEFAULT '5 s')
RETURNS TABLE (request bigint, reply jsonb, error text, sqlstate text)
AS 'MODULE_PATHNAME', 'dgen_await_replies' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.await_replies(bigint[], interval) IS
'waits for the replies to several requests. Returns one row for each; if a request failed or has no reply before the timeout, the row has the error';

CREATE PROCEDURE dgen.ask(
	actor_type       text,
	actor_key        text,
	message          jsonb    DEFAULT 'null',
	timeout          interval DEFAULT '5 s',
	INOUT reply      jsonb    DEFAULT NULL)
AS 'MODULE_PATHNAME', 'dgen_ask' LANGUAGE C;
COMMENT ON PROCEDURE dgen.ask(text, text, jsonb, interval, jsonb) IS
'sends a request, commits, waits for the reply and returns it, in one statement outside of a transaction block; holds no snapshot while it waits. Raises the same errors as dgen.await_reply';

CREATE PROCEDURE dgen.await_any(
	requests         bigint[],
	timeout          interval DEFAULT '5 s',
	INOUT answers    json     DEFAULT NULL)
AS 'MODULE_PATHNAME', 'dgen_await_any' LANGUAGE C;
COMMENT ON PROCEDURE dgen.await_any(bigint[], interval, json) IS
'waits until at least one of the requests is answered. Returns and removes all answers that exist, as a JSON array, which is empty at the timeout and when the client sends something. Runs outside of a transaction block; holds no snapshot while it waits';

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
