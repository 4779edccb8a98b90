-- The types that a handler receives and returns. The C code fills and reads them by
-- position (extension/turn/turn.c).

CREATE TYPE dgen.context AS (
	actor_type   text,
	actor_key    text,
	kind         text,
	message_id   bigint,
	attempt      integer,
	version      bigint,
	sent_at      timestamptz,
	headers      jsonb,
	in_reply_to  bigint,
	correlation  text,
	error        text,
	sqlstate     text,
	token        text
);
COMMENT ON TYPE dgen.context IS 'what a handler knows about its turn';
COMMENT ON COLUMN dgen.context.kind IS 'cast, call, reply, timer, dead_letter, action or locked';
COMMENT ON COLUMN dgen.context.attempt IS '1 for the first attempt';
COMMENT ON COLUMN dgen.context.token IS 'kind locked: idempotency key of the locked part, for external systems: the same in every attempt for this message, and different for every other message. Not a fencing token';
COMMENT ON COLUMN dgen.context.version IS 'version of the state; 0: new actor';
COMMENT ON COLUMN dgen.context.in_reply_to IS 'kind reply: the request that this replies to; kind dead_letter: the message that became a dead letter';
COMMENT ON COLUMN dgen.context.correlation IS 'kind reply: the correlation of the request; of an action and its reply: the name of the action';
COMMENT ON COLUMN dgen.context.error IS 'kind reply: the error of a request that failed (message is then JSON null); kind dead_letter: the last error of that message';

CREATE TYPE dgen.outcome AS (
	kind         text,
	state        jsonb,
	reply        jsonb,
	error        text,
	sqlstate     text,
	hint         text,
	delay        interval
);
COMMENT ON TYPE dgen.outcome IS 'outcome of a turn; create it only with dgen.noreply, reply, fail, retry, destroy or lock';
