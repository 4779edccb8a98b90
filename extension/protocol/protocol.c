/*
 * The worker protocol, first half: dgen.claim and dgen.batch_state, for workers in any
 * language. docs/protocol.md describes it from the worker's side.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "base/rights.h"
#include "claim/claim.h"
#include "claim/part.h"
#include "claim/read_batch.h"
#include "claim/suspect.h"
#include "locked/locked.h"
#include "own/slots.h"
#include "protocol/protocol.h"
#include "sleep/attached.h"
#include "sleep/wait.h"
#include "table/row.h"
#include "turn/turn.h"
#include "upkeep/upkeep.h"
#include "wake/announce.h"
#include "wake/wake.h"

PG_FUNCTION_INFO_V1(dgen_claim);
PG_FUNCTION_INFO_V1(dgen_batch_state);
PG_FUNCTION_INFO_V1(dgen_claim_locked);

/* How long a worker can exceed turn_timeout before its session is ended, ms. */
#define IDLE_GRACE_MS 5000

/* Most tries to find something for a claim. */
#define CLAIM_ROUNDS 8

enum ClaimColumn
{
	CLAIM_ACTOR,
	CLAIM_ACTOR_TYPE,
	CLAIM_ACTOR_KEY,
	CLAIM_VERSION,
	CLAIM_STATE,
	CLAIM_MESSAGE_ID,
	CLAIM_KIND,
	CLAIM_ATTEMPT,
	CLAIM_SENT_AT,
	CLAIM_MESSAGE,
	CLAIM_HEADERS,
	CLAIM_IN_REPLY_TO,
	CLAIM_CORRELATION,
	CLAIM_ERROR,
	CLAIM_SQLSTATE,
	CLAIM_TOKEN,
	CLAIM_COLUMNS
};

/* Of the batch that is claimed (dgen_claimed_batch). */
static bool client_caches = false; /* its client keeps states */
static instr_time claimed_at;

/* A locked part continues when the transaction that would have ended it has not. */
static void
forget_batch(void)
{
	dgen_set_claimed_batch(NULL);
	dgen_session_busy(dgen_part_under_way());
}

/* ROLLBACK TO a savepoint before the claim released the actors: the batch is over. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	dgen_no_batch_undone(subid);
	if (dgen_claimed_batch() == NULL || dgen_claimed_batch()->subid < subid)
		return;
	forget_batch();
	dgen_no_batch(NO_BATCH_ANY_MORE);
}

/* What was claimed and not committed is work again, for this session as well. */
static void
announce_unhandled(const Batch *batch)
{
	for (int i = 0; i < batch->nactors; i++)
		if (batch->actors[i].handled < batch->actors[i].nmessages)
			dgen_wakeup_sent(batch->actors[i].type->id, batch->actors[i].mailbox);
}

/* At the end itself the transaction has no number any more. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (dgen_batch_to_end() == NULL)
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
		announce_unhandled(dgen_batch_to_end());
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		forget_batch();
		dgen_no_batch(NO_BATCH_HERE);
	}
}

static void
register_callbacks(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		RegisterXactCallback(at_transaction_end, NULL);
	}
	registered = true;
}

static void
set_batch(Batch *batch)
{
	register_callbacks();
	dgen_set_claimed_batch(batch);
}

double
dgen_claimed_batch_done(void)
{
	announce_unhandled(dgen_claimed_batch());
	dgen_set_claimed_batch(NULL);
	dgen_no_batch(NO_BATCH_COMMITTED);
	dgen_session_busy(false);
	return dgen_elapsed_us(claimed_at);
}

bool
dgen_client_caches(void)
{
	return client_caches;
}

/* ---- claim ---- */

static int
limit_argument(FunctionCallInfo fcinfo, int n, const char *name, int limit)
{
	int value;

	if (PG_ARGISNULL(n))
		return limit;
	value = PG_GETARG_INT32(n);
	if (value < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for parameter \"%s\": %d", name, value),
						errhint("Give at least 1, or NULL for a number that dgen chooses.")));
	return Min(value, limit);
}

/*
 * A worker that stops in the middle of a batch owns its actors. The server ends its session when it
 * has been silent for longer than any turn can take (I7).
 */
static void
limit_silence(const Batch *batch)
{
	int64 longest = 0;
	char value[32];

	for (int i = 0; i < batch->nactors; i++)
		longest = Max(longest, batch->actors[i].type->turn_timeout_ms);
	snprintf(value, sizeof(value), INT64_FORMAT, Min(longest + IDLE_GRACE_MS, (int64) INT_MAX));
	(void) set_config_option("idle_in_transaction_session_timeout", value, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Each actor's state goes with its first message, unless the client holds it. */
static Datum
state_to_send(const BatchActor *actor, int n)
{
	if (n > 0)
		return (Datum) 0;
	if (client_caches && !actor->messages[n].locked && !dgen_is_of_actions(actor->type->id))
	{
		if (dgen_client_holds(actor))
			return (Datum) 0;
		dgen_client_given(actor);
	}
	return JsonbPGetDatum(actor->state);
}

static const char *
attached_name(const ActorType *type)
{
	const WorkerSession *session = dgen_worker_session();

	for (int i = 0; i < session->ntypes; i++)
		if (session->types[i].type_id == type->id && session->types[i].name != NULL)
			return session->types[i].name;
	return type->name;
}

/* type: its name here, of all rows of the actor. */
static void
put_row(ReturnSetInfo *result, int ordinal, const BatchActor *actor, Datum type, int n)
{
	const BatchMessage *message = &actor->messages[n];
	Datum values[CLAIM_COLUMNS];
	bool nulls[CLAIM_COLUMNS] = {false};

	values[CLAIM_ACTOR] = Int32GetDatum(ordinal);
	values[CLAIM_ACTOR_TYPE] = type;
	values[CLAIM_ACTOR_KEY] = PointerGetDatum(actor->key);
	values[CLAIM_VERSION] = Int64GetDatum(actor->version);
	dgen_put(values, nulls, CLAIM_STATE, state_to_send(actor, n));
	values[CLAIM_MESSAGE_ID] = Int64GetDatum(message->id);
	values[CLAIM_KIND] = CStringGetTextDatum(dgen_message_kind(message));
	values[CLAIM_ATTEMPT] = Int32GetDatum(dgen_message_attempt(message));
	values[CLAIM_SENT_AT] = TimestampTzGetDatum(message->sent_at);
	values[CLAIM_MESSAGE] = message->message;
	dgen_put(values, nulls, CLAIM_HEADERS, message->headers);
	values[CLAIM_IN_REPLY_TO] = Int64GetDatum(message->in_reply_to);
	nulls[CLAIM_IN_REPLY_TO] = message->in_reply_to == 0;
	dgen_put(values, nulls, CLAIM_CORRELATION, message->correlation);
	dgen_put(values, nulls, CLAIM_ERROR, message->error);
	dgen_put(values, nulls, CLAIM_SQLSTATE, message->sqlstate);
	dgen_put(values, nulls, CLAIM_TOKEN,
			 message->locked ? CStringGetTextDatum(dgen_token(actor, message)) : (Datum) 0);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_batch(ReturnSetInfo *result, const Batch *batch)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "dgen.claim row", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row_context);

	for (int i = 0; i < batch->nactors; i++)
	{
		const BatchActor *actor = &batch->actors[i];
		Datum type = CStringGetTextDatum(attached_name(actor->type));

		for (int j = 0; j < actor->nmessages; j++)
			put_row(result, i + 1, actor, type, j);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row_context);
}

/* The worker's privilege to work might have been revoked since it attached. */
static void
check_types(const WorkerSession *session)
{
	AcceptInvalidationMessages(); /* the transaction might be an old one */
	for (int i = 0; i < session->ntypes; i++)
	{
		const ActorType *type = dgen_type_by_id(session->types[i].type_id, true);

		if (type != NULL)
			dgen_check_privilege(type, dgen_calling_role(), PRIVILEGE_WORK);
	}
}

/* Once more if there was nothing where there should have been something, and there is more. */
static bool
is_worth_another(const Batch *batch, const Owned *owned)
{
	return batch->nactors == 0 && owned->left && !owned->tired;
}

/* An actor that cannot be handled now needs no slot; its lock stays. */
static void
free_idle_slots(const Owned *owned, const Batch *batch)
{
	for (int i = 0; i < owned->count; i++)
	{
		const OwnedMailbox *mailbox = &owned->mailboxes[i];

		if (mailbox->type->max_concurrency > 0 &&
			!dgen_batch_has(batch, mailbox->type->id, mailbox->mailbox))
			dgen_free_slots(mailbox->type, 1);
	}
}

static Batch *
claim_batch(WorkerSession *session, BatchLimits *limits)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Batch *batch = NULL;
	Owned owned;

	for (int i = 0; i < CLAIM_ROUNDS && (batch == NULL || is_worth_another(batch, &owned)); i++)
	{
		if (batch != NULL)
			MemoryContextDelete(batch->context);
		dgen_own_mailboxes(session, limits, &owned);
		dgen_limit_suspects(owned.level, limits);
		batch = dgen_read_batch(&owned, 0, owned.count, limits);
		dgen_check_batch(batch, limits->bytes);
		if (owned.limited)
		{
			free_idle_slots(&owned, batch);
			dgen_settle_turns(session, &owned);
		}
		pfree(owned.mailboxes);
	}
	MemoryContextSwitchTo(old);
	return batch;
}

/*
 * A connection pooler in transaction mode can route a worker to a session that another worker has
 * attached, or none. That session does not know the worker's types and the states that it holds.
 */
static WorkerSession *
session_of(int64 worker_id)
{
	int64 attached = dgen_is_attached() ? dgen_worker_session()->id : 0;

	if (attached == 0 || attached != worker_id)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_OTHER_SESSION),
			 errmsg("worker " INT64_FORMAT " is not attached to this session", worker_id),
			 attached == 0
				 ? errdetail("No worker is attached to this session.")
				 : errdetail("Worker " INT64_FORMAT " is attached to this session.", attached),
			 errhint(
				 "Connect to PostgreSQL directly, or through a connection pooler in session mode.")));
	return dgen_worker_session_of_caller();
}

/* NULL: there is none to be run. */
static Batch *
begin_part(WorkerSession *session)
{
	Batch *batch = dgen_part_begin(session) ? dgen_part_look() : NULL;

	return batch != NULL && dgen_check_part(batch) ? batch : NULL;
}

/* Not two locked parts in a row while there are messages: this worker might be the only one. */
static Batch *
claim_any(WorkerSession *session, BatchLimits *limits, bool locked)
{
	static bool part_last = false;
	Batch *part = locked && !part_last ? begin_part(session) : NULL;
	Batch *batch;

	if (part != NULL)
	{
		part_last = true;
		return part;
	}
	batch = claim_batch(session, limits);
	if (batch->nactors == 0 && locked && part_last)
		part = begin_part(session);
	if (part != NULL)
		return part;
	part_last = false;
	return batch;
}

/*
 * Due messages are moved only if there is nothing else, and no more than this claim takes: the
 * transaction can last as long as a turn, and no other session sees the moved messages in the
 * meantime. A worker that always finds something moves it when it commits
 * (dgen_commit_turns).
 */
static Batch *
claim_or_move(WorkerSession *session, const BatchLimits *limits, bool locked)
{
	BatchLimits first = *limits;
	BatchLimits again = *limits;
	Batch *batch = claim_any(session, &first, locked);

	if (batch->nactors > 0 || !dgen_move_own_due(session, limits->messages))
		return batch;
	MemoryContextDelete(batch->context);
	dgen_wakeup_hint();
	return claim_any(session, &again, locked);
}

static void
refuse_in_part(void)
{
	if (dgen_part_under_way())
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NESTED), errmsg("this session is still running a locked part"),
			 errhint(
				 "Run COMMIT and the locked part, then end it with dgen.claim_locked and dgen.commit_turns.")));
}

Datum
dgen_claim(PG_FUNCTION_ARGS)
{
	WorkerSession *session;
	BatchLimits limits;
	Batch *batch;

	InitMaterializedSRF(fcinfo, 0);
	dgen_refuse_in_handler("dgen.claim", "Use the message that the handler gets as an argument.");
	session = PG_ARGISNULL(3) ? dgen_worker_session_of_caller() : session_of(PG_GETARG_INT64(3));
	dgen_refuse_in_batch("dgen.claim", "Commit the batch with dgen.commit_turns first.");
	refuse_in_part();
	dgen_batch_limits(session, &limits);
	limits.actors = limit_argument(fcinfo, 0, "max_actors", limits.actors);
	limits.messages = limit_argument(fcinfo, 1, "max_messages", limits.messages);
	limits.actors = Min(limits.actors, limits.messages);
	check_types(session);

	dgen_session_claims();
	(void) dgen_wakeup_claiming();
	dgen_record_charges(session);
	batch = claim_or_move(session, &limits, !PG_ARGISNULL(4) && PG_GETARG_BOOL(4));

	dgen_session_busy(batch->nactors > 0);
	client_caches = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	if (batch->nactors > 0)
		limit_silence(batch); /* of a locked part until COMMIT, with which it begins */
	if (batch->nactors > 0 && !batch->actors[0].messages[0].locked)
		set_batch(batch);
	else
		dgen_no_batch(batch->nactors == 0 ? NO_BATCH_FOUND : NO_BATCH_BUT_PART);
	put_batch((ReturnSetInfo *) fcinfo->resultinfo, batch);
	INSTR_TIME_SET_CURRENT(claimed_at);
	return (Datum) 0;
}

/* For a client that keeps states, and had to drop this one. */
Datum
dgen_batch_state(PG_FUNCTION_ARGS)
{
	Batch *batch = dgen_claimed_batch();
	int ordinal;

	if (batch == NULL)
		dgen_refuse_no_batch("Ask between dgen.claim and dgen.commit_turns.");
	dgen_check_claimer();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("actor number must not be null"),
				 errhint("Give the number that column \"actor\" of dgen.claim shows.")));
	ordinal = PG_GETARG_INT32(0);
	if (ordinal < 1 || ordinal > batch->nactors)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("actor number %d is not between 1 and %d", ordinal, batch->nactors),
						errhint("Give the number that column \"actor\" of dgen.claim shows.")));
	PG_RETURN_POINTER(batch->actors[ordinal - 1].state);
}

/* The second half of a locked part: a batch of its message alone, for dgen.commit_turns. */
Datum
dgen_claim_locked(PG_FUNCTION_ARGS)
{
	MemoryContext old = CurrentMemoryContext;
	Batch *batch;

	(void) dgen_worker_session_of_caller();
	dgen_refuse_in_handler("dgen.claim_locked",
						   "Use the message that the handler gets as an argument.");
	dgen_refuse_in_batch("dgen.claim_locked", "Commit the batch with dgen.commit_turns first.");
	dgen_refuse_isolation("dgen.claim_locked");
	MemoryContextSwitchTo(TopTransactionContext);
	batch = dgen_part_own();
	MemoryContextSwitchTo(old);
	if (batch != NULL && dgen_part_is_lost())
	{
		dgen_part_charge_lost();
		dgen_part_raise_lost();
	}
	if (batch == NULL)
		dgen_refuse_no_part();
	dgen_check_privilege(batch->actors[0].type, dgen_calling_role(), PRIVILEGE_WORK);
	client_caches = false;
	limit_silence(batch);
	set_batch(batch);
	INSTR_TIME_SET_CURRENT(claimed_at);
	PG_RETURN_VOID();
}
