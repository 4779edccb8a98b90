-- The worker protocol: claim and commit_turns (attach, wait and detach are with the
-- workers). docs/protocol.md describes it.

CREATE FUNCTION dgen.claim(
	max_actors       integer  DEFAULT NULL,
	max_messages     integer  DEFAULT NULL,
	cached           boolean  DEFAULT false,
	worker_id        bigint   DEFAULT NULL,
	locked           boolean  DEFAULT false)
RETURNS TABLE (
	actor            integer,
	actor_type       text,
	actor_key        text,
	version          bigint,
	state            jsonb,
	message_id       bigint,
	kind             text,
	attempt          integer,
	sent_at          timestamptz,
	message          jsonb,
	headers          jsonb,
	in_reply_to      bigint,
	correlation      text,
	error            text,
	sqlstate         text,
	token            text)
AS 'MODULE_PATHNAME', 'dgen_claim' LANGUAGE C VOLATILE ROWS 1000;
COMMENT ON FUNCTION dgen.claim(integer, integer, boolean, bigint, boolean) IS
'claims a batch of actors with their first messages for the attached worker, until the transaction ends; one row per message in order, the state in the first row of each actor; cached: unless this session''s client holds it already; worker_id: of dgen.attach, refused in any other session; locked: the batch can be one row of kind locked instead, which must be run after COMMIT, see dgen.claim_locked';

CREATE FUNCTION dgen.claim_locked()
RETURNS void
AS 'MODULE_PATHNAME', 'dgen_claim_locked' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.claim_locked() IS
'claims the actor of the locked part that this session has run, as a batch of one message, for dgen.commit_turns; waits for a running turn of the actor; ZD033 if the lock has ended in the meantime, or belongs to another attempt';

CREATE FUNCTION dgen.batch_state(actor integer)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'dgen_batch_state' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.batch_state(integer) IS
'the state of actor n of the claimed batch as it was claimed, for a client that claims with cached and no longer holds it';

CREATE FUNCTION dgen.receipt(batch bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'dgen_receipt' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.receipt(bigint) IS
'in the transaction of a batch: writes a commit receipt for dgen.settle; batch counts up from 1 in each session';

CREATE FUNCTION dgen.settle(worker_id bigint, batch bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'dgen_settle' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.settle(bigint, bigint) IS
'resolves an unknown outcome: was that batch of a lost session committed? If not, it can no longer be committed. Must be called within a day';

CREATE FUNCTION dgen.commit_turns(
	handled          integer[],
	states           jsonb[]    DEFAULT NULL,
	set_entries      jsonb[]    DEFAULT NULL,
	delete_entries   jsonb[]    DEFAULT NULL,
	destroyed        boolean[]  DEFAULT NULL,
	errors           text[]     DEFAULT NULL,
	sqlstates        text[]     DEFAULT NULL,
	hints            text[]     DEFAULT NULL,
	outcomes         text[]     DEFAULT NULL,
	delays           interval[] DEFAULT NULL,
	reply_requests   bigint[]   DEFAULT NULL,
	replies          jsonb[]    DEFAULT NULL,
	send_types       text[]     DEFAULT NULL,
	send_keys        text[]     DEFAULT NULL,
	send_messages    jsonb[]    DEFAULT NULL,
	send_actors      integer[]  DEFAULT NULL,
	send_requests    boolean[]  DEFAULT NULL,
	send_correlations text[]    DEFAULT NULL,
	send_delays_ms   bigint[]   DEFAULT NULL,
	send_priorities  integer[]  DEFAULT NULL,
	send_idempotency_keys text[] DEFAULT NULL,
	send_headers     jsonb[]    DEFAULT NULL,
	reply_errors     text[]     DEFAULT NULL,
	reply_sqlstates  text[]     DEFAULT NULL,
	send_actions     boolean[]  DEFAULT NULL,
	locks            boolean[]  DEFAULT NULL,
	run_us           bigint     DEFAULT NULL)
RETURNS integer
AS 'MODULE_PATHNAME', 'dgen_commit_turns' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION dgen.commit_turns(integer[], jsonb[], jsonb[], jsonb[], boolean[], text[], text[], text[], text[], interval[], bigint[], jsonb[], text[], text[], jsonb[], integer[], boolean[], text[], bigint[], integer[], text[], jsonb[], text[], text[], boolean[], boolean[], bigint) IS
'writes the results of the turns of the claimed batch: element n of the arrays up to delays is about actor n; reply_requests[i] is answered with replies[i], or fails with reply_errors[i]; locks[n]: the last message handled locks actor n; run_us: the time that the turns alone took, us, for the size of the next batches (NULL: all the time since the claim); returns the number of messages handled';
