/*
 * The worker protocol in SQL: dgen.claim and dgen.commit_turns, for workers in any
 * language. docs/protocol.md describes it from the worker's side.
 */
#include "dgen_ext.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dgen_claim);
PG_FUNCTION_INFO_V1(dgen_commit_turns);

/* What a worker may take beyond turn_timeout before its session is ended, ms. */
#define IDLE_GRACE_MS 5000

/* Weight of a new measurement in the moving average of turn times. */
#define TURN_WEIGHT 0.2

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
	CLAIM_COLUMNS
};

/* The batch claimed and not committed; valid in the transaction that claimed it. */
static Batch *current_batch = NULL;
static LocalTransactionId current_lxid = InvalidLocalTransactionId;
static instr_time claimed_at;

static Batch *
get_batch(void)
{
	return current_lxid == DGEN_MY_LXID ? current_batch : NULL;
}

void
dgen_refuse_in_batch(const char *what, const char *hint)
{
	if (get_batch() != NULL)
		ereport(ERROR,
				(errcode(DGEN_ERR_NESTED),
				 errmsg("%s cannot be used while a batch is claimed in the transaction", what),
				 errhint("%s", hint)));
}

/* ---- claim ---- */

static int
limit_argument(FunctionCallInfo fcinfo, int n, const char *name, int limit)
{
	int			value;

	if (PG_ARGISNULL(n))
		return limit;
	value = PG_GETARG_INT32(n);
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is %d", name, value),
				 errhint("Give 1 or more, or NULL for as many as are good.")));
	return Min(value, limit);
}

/*
 * A worker that stops in mid-batch holds its actors. The server ends its session
 * when it has been silent for longer than any turn may take (I7).
 */
static void
limit_silence(const Batch *batch)
{
	int64		longest = 0;
	char		value[32];

	for (int i = 0; i < batch->nactors; i++)
		longest = Max(longest, batch->actors[i].type->turn_timeout_ms);
	snprintf(value, sizeof(value), INT64_FORMAT, Min(longest + IDLE_GRACE_MS, (int64) INT_MAX));
	(void) set_config_option("idle_in_transaction_session_timeout", value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

static void
put(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = value == (Datum) 0;
}

static void
put_row(ReturnSetInfo *result, int ordinal, const BatchActor *actor, int n)
{
	const BatchMessage *message = &actor->messages[n];
	Datum		values[CLAIM_COLUMNS];
	bool		nulls[CLAIM_COLUMNS] = {false};

	values[CLAIM_ACTOR] = Int32GetDatum(ordinal);
	values[CLAIM_ACTOR_TYPE] = CStringGetTextDatum(actor->type->name);
	values[CLAIM_ACTOR_KEY] = PointerGetDatum(actor->key);
	values[CLAIM_VERSION] = Int64GetDatum(actor->version);
	put(values, nulls, CLAIM_STATE, n == 0 ? JsonbPGetDatum(actor->state) : (Datum) 0);
	values[CLAIM_MESSAGE_ID] = Int64GetDatum(message->id);
	values[CLAIM_KIND] = CStringGetTextDatum(dgen_kind_name(message->kind));
	values[CLAIM_ATTEMPT] = Int32GetDatum(message->attempts + 1);
	values[CLAIM_SENT_AT] = TimestampTzGetDatum(message->sent_at);
	values[CLAIM_MESSAGE] = message->message;
	put(values, nulls, CLAIM_HEADERS, message->headers);
	values[CLAIM_IN_REPLY_TO] = Int64GetDatum(message->in_reply_to);
	nulls[CLAIM_IN_REPLY_TO] = message->in_reply_to == 0;
	put(values, nulls, CLAIM_CORRELATION, message->correlation);
	put(values, nulls, CLAIM_ERROR, message->error);
	put(values, nulls, CLAIM_SQLSTATE, message->sqlstate);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_batch(ReturnSetInfo *result, const Batch *batch)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "dgen.claim row", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row_context);

	for (int i = 0; i < batch->nactors; i++)
	{
		for (int j = 0; j < batch->actors[i].nmessages; j++)
			put_row(result, i + 1, &batch->actors[i], j);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row_context);
}

/* The worker's right to work may have been revoked since it attached. */
static void
check_types(const WorkerSession *session)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		const ActorType *type = dgen_type_by_id(session->types[i].type_id, true);

		if (type != NULL)
			dgen_check_privilege(type, dgen_calling_role(), PRIVILEGE_WORK);
	}
}

Datum
dgen_claim(PG_FUNCTION_ARGS)
{
	WorkerSession *session = dgen_worker_session();
	MemoryContext old;
	BatchLimits limits;
	Owned		owned;
	Batch	   *batch;

	InitMaterializedSRF(fcinfo, 0);
	dgen_refuse_in_handler("dgen.claim", "Handlers get their messages as arguments.");
	dgen_refuse_in_batch("dgen.claim", "Commit the batch with dgen.commit_turns first.");
	dgen_batch_limits(session, &limits);
	limits.actors = limit_argument(fcinfo, 0, "max_actors", limits.actors);
	limits.messages = limit_argument(fcinfo, 1, "max_messages", limits.messages);
	limits.actors = Min(limits.actors, limits.messages);
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	check_types(session);

	dgen_wakeup_claiming();
	if (dgen_alarm_due(GetCurrentTimestamp()))
		(void) dgen_move_due();
	old = MemoryContextSwitchTo(TopTransactionContext);
	dgen_own_mailboxes(session, &limits, &owned);
	batch = dgen_read_batch(&owned, 0, owned.count, &limits);
	pfree(owned.mailboxes);
	MemoryContextSwitchTo(old);

	dgen_session_busy(batch->nactors > 0);
	if (batch->nactors > 0)
	{
		limit_silence(batch);
		current_batch = batch;
		current_lxid = DGEN_MY_LXID;
	}
	else if (dgen_maintenance_due(true))
		(void) dgen_maintain();
	put_batch((ReturnSetInfo *) fcinfo->resultinfo, batch);
	INSTR_TIME_SET_CURRENT(claimed_at);
	return (Datum) 0;
}

/* ---- commit ---- */

/* One array parameter of commit_turns. */
typedef struct Elements
{
	int			count;
	Datum	   *values;
	bool	   *nulls;
} Elements;

static void
get_elements(FunctionCallInfo fcinfo, int n, Oid type, Elements *elements)
{
	int16		length;
	bool		by_value;
	char		align;

	memset(elements, 0, sizeof(*elements));
	if (PG_ARGISNULL(n))
		return;
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), type, length, by_value, align, &elements->values, &elements->nulls,
					  &elements->count);
}

static bool
has(const Elements *elements, int i)
{
	return i < elements->count && !elements->nulls[i];
}

static char *
text_at(const Elements *elements, int i)
{
	return has(elements, i) ? TextDatumGetCString(elements->values[i]) : NULL;
}

static void
refuse_commit(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(DGEN_ERR_INVALID_COMMIT),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

/* An array that speaks about actors has one element for each, or is NULL. */
static void
get_actor_elements(FunctionCallInfo fcinfo, int n, Oid type, const char *name, const Batch *batch, Elements *elements)
{
	get_elements(fcinfo, n, type, elements);
	if (elements->count != 0 && elements->count != batch->nactors)
		refuse_commit(psprintf("%s has %d elements for a batch of %d actors", name, elements->count, batch->nactors),
					  "Element n is about the actor with number n; use NULL for actors it says nothing about.");
}

/* commit_turns' parameters, in order */
enum CommitParameter
{
	COMMIT_HANDLED,
	COMMIT_STATES,
	COMMIT_SET_ENTRIES,
	COMMIT_DELETE_ENTRIES,
	COMMIT_DESTROYED,
	COMMIT_ERRORS,
	COMMIT_SQLSTATES,
	COMMIT_HINTS,
	COMMIT_OUTCOMES,
	COMMIT_DELAYS,
	COMMIT_REPLY_REQUESTS,
	COMMIT_REPLIES,
	COMMIT_SEND_TYPES,
	COMMIT_SEND_KEYS,
	COMMIT_SEND_MESSAGES
};

typedef struct ActorParameters
{
	Elements	handled;
	Elements	states;
	Elements	set_entries;
	Elements	delete_entries;
	Elements	destroyed;
	Elements	errors;
	Elements	sqlstates;
	Elements	hints;
	Elements	outcomes;
	Elements	delays;
} ActorParameters;

static void
get_actor_parameters(FunctionCallInfo fcinfo, const Batch *batch, ActorParameters *p)
{
	get_actor_elements(fcinfo, COMMIT_HANDLED, INT4OID, "handled", batch, &p->handled);
	get_actor_elements(fcinfo, COMMIT_STATES, JSONBOID, "states", batch, &p->states);
	get_actor_elements(fcinfo, COMMIT_SET_ENTRIES, JSONBOID, "set_entries", batch, &p->set_entries);
	get_actor_elements(fcinfo, COMMIT_DELETE_ENTRIES, JSONBOID, "delete_entries", batch, &p->delete_entries);
	get_actor_elements(fcinfo, COMMIT_DESTROYED, BOOLOID, "destroyed", batch, &p->destroyed);
	get_actor_elements(fcinfo, COMMIT_ERRORS, TEXTOID, "errors", batch, &p->errors);
	get_actor_elements(fcinfo, COMMIT_SQLSTATES, TEXTOID, "sqlstates", batch, &p->sqlstates);
	get_actor_elements(fcinfo, COMMIT_HINTS, TEXTOID, "hints", batch, &p->hints);
	get_actor_elements(fcinfo, COMMIT_OUTCOMES, TEXTOID, "outcomes", batch, &p->outcomes);
	get_actor_elements(fcinfo, COMMIT_DELAYS, INTERVALOID, "delays", batch, &p->delays);
}

static void
set_handled(BatchActor *actor, int ordinal, const ActorParameters *p)
{
	int			handled = has(&p->handled, ordinal) ? DatumGetInt32(p->handled.values[ordinal]) : 0;

	if (handled < 0 || handled > actor->nmessages)
		refuse_commit(psprintf("handled[%d] is %d, and the batch has %d messages of that actor", ordinal + 1, handled,
							   actor->nmessages),
					  "Give the number of messages handled, counted from the first.");
	actor->handled = handled;
}

static Jsonb *
object_at(const Elements *elements, int i, const char *name)
{
	Jsonb	   *object = DatumGetJsonbPCopy(elements->values[i]);

	if (!JB_ROOT_IS_OBJECT(object))
		refuse_commit(psprintf("%s[%d] is not a JSON object", name, i + 1), "A state is a JSON object.");
	return object;
}

static Jsonb *
delete_entries(Jsonb *state, Jsonb *names)
{
	JsonbIterator *iterator = JsonbIteratorInit(&names->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvString)
			refuse_commit("delete_entries has an element that is not a string", "Give an array of entry names, such as [\"a\", \"b\"].");
		state = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(state),
												   PointerGetDatum(cstring_to_text_with_len(value.val.string.val,
																							value.val.string.len))));
	}
	return state;
}

static void
set_changes(Batch *batch, BatchActor *actor, int i, const ActorParameters *p)
{
	Jsonb	   *state;

	if (has(&p->destroyed, i) && DatumGetBool(p->destroyed.values[i]))
		dgen_destroy_actor(actor);
	state = has(&p->states, i) ? object_at(&p->states, i, "states") : actor->state;
	if (has(&p->delete_entries, i))
		state = delete_entries(state, DatumGetJsonbP(p->delete_entries.values[i]));
	if (has(&p->set_entries, i))
		state = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(state),
												   JsonbPGetDatum(object_at(&p->set_entries, i, "set_entries"))));
	if (state == actor->state)
		return;
	if (actor->handled == 0)
		refuse_commit(psprintf("the state of actor %d changes, and none of its messages is handled", i + 1),
					  "A state changes with the message that changes it.");
	dgen_set_state(batch, actor, state);
}

static void
set_failure(Failure *failure, const BatchActor *actor, int i, const ActorParameters *p)
{
	char	   *outcome = text_at(&p->outcomes, i);

	memset(failure, 0, sizeof(*failure));
	if (actor->handled == actor->nmessages)
		refuse_commit(psprintf("errors[%d] is given, and all messages of that actor are handled", i + 1),
					  "The error belongs to the message after the handled ones.");
	failure->error = text_at(&p->errors, i);
	failure->sqlstate = text_at(&p->sqlstates, i);
	failure->hint = text_at(&p->hints, i);
	failure->delay = has(&p->delays, i) ? DatumGetIntervalP(p->delays.values[i]) : NULL;
	if (outcome == NULL || strcmp(outcome, "error") == 0)
		return;
	failure->final = strcmp(outcome, "fail") == 0;
	failure->retry = strcmp(outcome, "retry") == 0;
	if (!failure->final && !failure->retry)
		refuse_commit(psprintf("outcomes[%d] is \"%s\"", i + 1, outcome), "Give error, fail, retry or NULL.");
}

static void
record_failures(Batch *batch, const ActorParameters *p)
{
	for (int i = 0; i < batch->nactors; i++)
	{
		BatchActor *actor = &batch->actors[i];
		Failure		failure;

		if (!has(&p->errors, i) && !has(&p->outcomes, i))
			continue;
		set_failure(&failure, actor, i, p);
		(void) dgen_record_failure(actor, &actor->messages[actor->handled], &failure);
	}
}

static void
send_replies(FunctionCallInfo fcinfo)
{
	Elements	requests,
				replies;

	get_elements(fcinfo, COMMIT_REPLY_REQUESTS, INT8OID, &requests);
	get_elements(fcinfo, COMMIT_REPLIES, JSONBOID, &replies);
	if (requests.count != replies.count)
		refuse_commit(psprintf("%d reply_requests for %d replies", requests.count, replies.count),
					  "Give arrays of the same length: replies[i] answers reply_requests[i].");
	for (int i = 0; i < requests.count; i++)
	{
		Reply		reply = {.reply = has(&replies, i) ? replies.values[i] : dgen_json_null()};

		if (has(&requests, i) && dgen_may_answer(DatumGetInt64(requests.values[i])))
			(void) dgen_answer(DatumGetInt64(requests.values[i]), &reply);
	}
}

static void
send_messages(FunctionCallInfo fcinfo)
{
	Elements	types,
				keys,
				messages;

	get_elements(fcinfo, COMMIT_SEND_TYPES, TEXTOID, &types);
	get_elements(fcinfo, COMMIT_SEND_KEYS, TEXTOID, &keys);
	get_elements(fcinfo, COMMIT_SEND_MESSAGES, JSONBOID, &messages);
	if (types.count != keys.count || types.count != messages.count)
		refuse_commit(psprintf("%d send_types for %d send_keys and %d send_messages", types.count, keys.count,
							   messages.count),
					  "Give arrays of the same length: send_messages[i] goes to send_types[i], send_keys[i].");
	for (int i = 0; i < types.count; i++)
	{
		Send		send = {.kind = KIND_CAST};

		if (!has(&types, i) || !has(&keys, i) || !has(&messages, i))
			refuse_commit(psprintf("element %d of send_types, send_keys or send_messages is NULL", i + 1),
						  "An empty message is JSON null: 'null'.");
		send.type = dgen_type_by_name(DatumGetTextPP(types.values[i]));
		dgen_check_privilege(send.type, dgen_calling_role(), PRIVILEGE_SEND);
		send.key = DatumGetTextPP(keys.values[i]);
		dgen_check_key(send.key);
		send.message = messages.values[i];
		(void) dgen_send(&send);
	}
}

/* The time from claim to commit, shared by the turns, is what a turn of this type takes. */
static void
measure(const Batch *batch, int handled)
{
	WorkerSession *session = dgen_worker_session();
	instr_time	now;
	double		us;

	if (handled == 0)
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, claimed_at);
	us = INSTR_TIME_GET_MICROSEC(now) / (double) handled;
	for (int i = 0; i < session->ntypes; i++)
	{
		WorkerType *type = &session->types[i];

		if (batch->actors[0].type->id == type->type_id)
			type->turn_us = type->turn_us == 0 ? us : type->turn_us + TURN_WEIGHT * (us - type->turn_us);
	}
}

Datum
dgen_commit_turns(PG_FUNCTION_ARGS)
{
	Batch	   *batch = get_batch();
	ActorParameters parameters;
	int			handled = 0;

	if (batch == NULL)
		ereport(ERROR,
				(errcode(DGEN_ERR_NOT_OWNED),
				 errmsg("no batch is claimed in this transaction"),
				 errhint("Run dgen.claim and dgen.commit_turns in one transaction, begun with BEGIN.")));
	get_actor_parameters(fcinfo, batch, &parameters);
	for (int i = 0; i < batch->nactors; i++)
	{
		set_handled(&batch->actors[i], i, &parameters);
		set_changes(batch, &batch->actors[i], i, &parameters);
		handled += batch->actors[i].handled;
	}
	measure(batch, handled);
	dgen_commit_batch(batch);
	record_failures(batch, &parameters);
	send_replies(fcinfo);
	send_messages(fcinfo);
	dgen_session_count_turns(handled);
	dgen_session_busy(false);
	current_batch = NULL;
	PG_RETURN_INT32(handled);
}
