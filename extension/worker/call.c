/*
 * dgen.call, the inline call: a turn in the caller's transaction, without mailbox or worker.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "base/base.h"
#include "base/blame.h"
#include "base/delay.h"
#include "base/errors.h"
#include "claim/read_batch.h"
#include "commit/commit.h"
#include "own/own.h"
#include "reply/reply.h"
#include "send/request.h"
#include "send/send.h"
#include "table/table.h"
#include "turn/deferred.h"
#include "turn/leftovers.h"
#include "turn/session_locks.h"
#include "turn/turn.h"
#include "write/sequence.h"

PG_FUNCTION_INFO_V1(dgen_call);

static int64
timeout_ms(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return 0;
	dgen_check_interval(PG_GETARG_INTERVAL_P(n), "timeout", DGEN_TIMEOUT_HINT);
	return Min(Max(dgen_interval_us(PG_GETARG_INTERVAL_P(n)) / 1000, 1), INT_MAX);
}

static void
check_callable(const ActorType *type, const text *key)
{
	dgen_refuse_in_handler("dgen.call",
						   "Use dgen.request with reply_to => ctx; the reply comes as a message.");
	dgen_refuse_in_batch("dgen.call", "Commit the batch first, or use dgen.request.");
	if (type->handler == NULL)
		ereport(ERROR, (errcode(DGEN_ERR_EXTERNAL_TYPE),
						errmsg("actor type \"%s\" is handled by external workers", type->name),
						errhint("Use CALL dgen.ask, or dgen.request and dgen.await_reply.")));
	dgen_refuse_isolation("dgen.call");
	dgen_check_adopted();
}

/*
 * Waits for the actor with the caller's timeout as lock_timeout. Two callers that own actors in
 * opposite orders get PostgreSQL's deadlock error.
 */
static Batch *
take_in_time(const ActorType *type, text *key, int64 ms)
{
	Batch *volatile batch = NULL;
	int64 mailbox = dgen_mailbox_of(key);
	int nest_level = NewGUCNestLevel();
	MemoryContext context = CurrentMemoryContext;
	char value[32];

	snprintf(value, sizeof(value), INT64_FORMAT, ms);
	(void) set_config_option("lock_timeout", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	PG_TRY();
	{
		dgen_own(type->id, mailbox);

		/* In time, too: the actor's row might be locked. */
		batch = dgen_read_actor(type, key, dgen_call_backlog);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ereport(
			ERROR,
			(errcode(DGEN_ERR_CALL_TIMEOUT),
			 errmsg("could not own actor \"%s\" of type \"%s\" before the timeout",
					text_to_cstring(key), type->name),
			 errhint(
				 "Another transaction owns the actor; see dgen.explain_actor. You can also use dgen.request and dgen.await_reply.")));
	}
	PG_END_TRY();
	AtEOXact_GUC(true, nest_level);
	return batch;
}

static void
raise_outcome(const Outcome *outcome)
{
	int sqlstate =
		outcome->kind == OUTCOME_FAIL ? dgen_sqlstate_of(outcome->sqlstate) : DGEN_ERR_BACKING_OFF;

	if (outcome->kind == OUTCOME_RETRY)
		ereport(ERROR,
				(errcode(sqlstate), errmsg("handler returned dgen.retry"),
				 errhint("Call again, or use dgen.request, which waits for the next attempt.")));
	ereport(ERROR, (errcode(sqlstate), errmsg("%s", outcome->error),
					outcome->hint != NULL ? errhint("%s", outcome->hint) : 0));
}

static void
run(Batch *batch, BatchActor *actor, bool apart, Outcome *outcome)
{
	const BatchMessage *message = &actor->messages[actor->handled];

	if (apart)
		dgen_deferred_begin();
	dgen_run_turn(actor, message, true, outcome);
	dgen_deferred_end();
	if (outcome->kind == OUTCOME_FAIL || outcome->kind == OUTCOME_RETRY)
		raise_outcome(outcome);
	if (outcome->kind == OUTCOME_LOCK)
		ereport(ERROR,
				(errcode(DGEN_ERR_LOCKED),
				 errmsg("handler %s locked the actor, but dgen.call cannot wait for a locked part",
						actor->type->handler),
				 errhint("Use CALL dgen.ask, or dgen.request and dgen.await_reply.")));
	dgen_apply_outcome(batch, actor, outcome);
}

/* The call as one more message of the actor, which never was in the mailbox. */
static void
add_call(BatchActor *actor, Datum message)
{
	BatchMessage *call;

	actor->messages =
		actor->messages == NULL
			? palloc(sizeof(BatchMessage))
			: repalloc(actor->messages, (actor->nmessages + 1) * sizeof(BatchMessage));
	call = &actor->messages[actor->nmessages++];
	memset(call, 0, sizeof(*call));
	ItemPointerSetInvalid(&call->tid);
	call->id = dgen_nextval(SEQUENCE_MESSAGE);
	call->kind = KIND_REQUEST;
	call->message = message;
	call->sent_at = GetCurrentTimestamp();
}

/*
 * The reply: what the handler gave with dgen.send_reply or dgen.fail_request comes first, as in a
 * mailbox.
 */
static Datum
run_call(Batch *batch, BatchActor *actor, bool apart)
{
	Outcome outcome;
	Reply given;
	volatile bool was_given = false;

	dgen_expect_reply(actor->messages[actor->handled].id, actor->type);
	PG_TRY();
	{
		run(batch, actor, apart, &outcome);
	}
	PG_FINALLY();
	{
		was_given = dgen_expect_no_more(&given);
	}
	PG_END_TRY();
	if (!was_given)
		return outcome.reply;
	if (given.error != NULL)
		ereport(ERROR, (errcode(dgen_sqlstate_of(given.sqlstate)), errmsg("%s", given.error),
						given.hint != NULL ? errhint("%s", given.hint) : 0));
	return given.reply;
}

static Datum
call_actor(Batch *batch, const ActorType *type, Datum message, bool apart)
{
	BatchActor *actor = &batch->actors[0];
	Outcome outcome;
	Datum reply;

	if (actor->nmessages > dgen_call_backlog)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_BACKLOG),
			 errmsg_plural("more than %d message waits for the actor",
						   "more than %d messages wait for the actor", dgen_call_backlog,
						   dgen_call_backlog),
			 errhint(
				 "Use dgen.request, wait until workers have handled them, or raise dgen.call_backlog.")));
	while (actor->handled < actor->nmessages)
		run(batch, actor, apart, &outcome);

	add_call(actor, message);
	reply = run_call(batch, actor, apart);
	if (reply == (Datum) 0)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NO_REPLY), errmsg("handler %s did not reply", type->handler),
			 errhint(
				 "Use dgen.request for a handler that replies later, and dgen.cast for one that does not reply.")));
	dgen_commit_batch(batch);
	return reply;
}

static Datum
call_here(const Send *send, int64 ms, bool apart)
{
	return call_actor(take_in_time(send->type, send->key, ms), send->type, send->message, apart);
}

/*
 * In a subtransaction, which separates the turn from the caller. Each one uses a transaction
 * number, and more than 64 of these would overflow the snapshots of the whole server, so it is for
 * calls that need it.
 */
static Datum
call_apart(const Send *send, int64 ms)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;
	volatile Datum reply = (Datum) 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		reply = call_here(send, ms, true);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		dgen_deferred_forget();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL)
		ReThrowError(error);
	return reply;
}

Datum
dgen_call(PG_FUNCTION_ARGS)
{
	int64 ms = timeout_ms(fcinfo, 3);
	volatile Datum reply = (Datum) 0;
	Send send;

	dgen_get_send_arguments(fcinfo, &send);
	check_callable(send.type, send.key);
	dgen_session_locks_begin();
	PG_TRY();
	{
		reply = dgen_needs_subtransaction() ? call_apart(&send, ms) : call_here(&send, ms, false);
	}
	PG_CATCH();
	{
		/* As any abort does first; session's locks outlive it. */
		LWLockReleaseAll();
		dgen_session_locks_release();
		PG_RE_THROW();
	}
	PG_END_TRY();
	PG_RETURN_DATUM(reply);
}
