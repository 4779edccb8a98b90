-- The outcome of a handler; extension/turn/turn.c reads it.

CREATE FUNCTION dgen.noreply() RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_noreply' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.noreply() IS 'the turn commits; the state stays; a request stays open for dgen.send_reply';

CREATE FUNCTION dgen.noreply(state jsonb) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_noreply_state' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.noreply(jsonb) IS 'the turn commits with a new state; a request stays open for dgen.send_reply';

CREATE FUNCTION dgen.reply(reply jsonb) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_reply' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.reply(jsonb) IS 'the turn commits and answers the caller; the state stays; a cast gets no reply';

CREATE FUNCTION dgen.reply(reply jsonb, state jsonb) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_reply_state' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.reply(jsonb, jsonb) IS 'the turn commits with a new state and answers the caller; a cast gets no reply';

CREATE FUNCTION dgen.fail(error text, sqlstate text DEFAULT 'ZD400', hint text DEFAULT NULL) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_fail' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.fail(text, text, text) IS 'the turn is rolled back and not retried; the caller of a request gets the error, another message becomes a dead letter';

CREATE FUNCTION dgen.retry(delay interval DEFAULT NULL) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_retry' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.retry(interval) IS 'the turn is rolled back and retried after the delay (NULL: the type''s backoff); no attempt is counted';

CREATE FUNCTION dgen.lock() RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_lock' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.lock() IS 'the turn commits; the state stays; the actor is locked: its messages wait, and the handler is called for this message again, with kind locked, in a transaction of its own that can take long. This locked part replies to the caller and unlocks the actor';

CREATE FUNCTION dgen.lock(state jsonb) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_lock_state' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.lock(jsonb) IS 'like dgen.lock(), with a new state';

CREATE FUNCTION dgen.destroy(reply jsonb DEFAULT NULL) RETURNS dgen.outcome
AS 'MODULE_PATHNAME', 'dgen_destroy' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION dgen.destroy(jsonb) IS 'the turn commits and removes the actor''s state; messages that wait start a new actor; a reply answers the caller';
