/*
 * The worker protocol, second half: dgen.commit_turns writes the results of the turns of the
 * claimed batch. All of them arrive in one statement, as parallel arrays: about actors, by their
 * number in the batch, about replies, and about messages to send.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/message_kind.h"
#include "actor/worker_session.h"
#include "base/delay.h"
#include "base/errors.h"
#include "claim/claim.h"
#include "claim/suspect.h"
#include "commit/commit.h"
#include "commit/failure.h"
#include "own/rate.h"
#include "protocol/protocol.h"
#include "reply/reply.h"
#include "send/action.h"
#include "send/bulk.h"
#include "send/request.h"
#include "send/send.h"
#include "send/send_arrays.h"
#include "sleep/wait.h"
#include "upkeep/upkeep.h"

PG_FUNCTION_INFO_V1(dgen_commit_turns);

static void
refuse_commit(const char *message, const char *hint)
{
	ereport(ERROR, (errcode(DGEN_ERR_INVALID_COMMIT), errmsg("%s", message), errhint("%s", hint)));
}

/* An array that speaks about actors has one element for each, or is NULL. */
static void
get_actor_elements(FunctionCallInfo fcinfo, int n, Oid type, const char *name, const Batch *batch,
				   Elements *elements)
{
	dgen_get_elements(fcinfo, n, type, elements);
	if (elements->count != 0 && elements->count != batch->nactors)
		refuse_commit(
			psprintf("length of array %s (%d) does not match number of actors in the batch (%d)",
					 name, elements->count, batch->nactors),
			"Give one element for each actor, or NULL for the array.");
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
	COMMIT_SEND_MESSAGES,
	COMMIT_SEND_ACTORS,
	COMMIT_SEND_REQUESTS,
	COMMIT_SEND_CORRELATIONS,
	COMMIT_SEND_DELAYS_MS,
	COMMIT_SEND_PRIORITIES,
	COMMIT_SEND_IDEMPOTENCY_KEYS,
	COMMIT_SEND_HEADERS,
	COMMIT_REPLY_ERRORS,
	COMMIT_REPLY_SQLSTATES,
	COMMIT_SEND_ACTIONS,
	COMMIT_LOCKS,
	COMMIT_RUN_US
};

typedef struct ActorParameters
{
	Elements handled;
	Elements states;
	Elements set_entries;
	Elements delete_entries;
	Elements destroyed;
	Elements errors;
	Elements sqlstates;
	Elements hints;
	Elements outcomes;
	Elements delays;
	Elements locks;
} ActorParameters;

static void
get_actor_parameters(FunctionCallInfo fcinfo, const Batch *batch, ActorParameters *p)
{
	get_actor_elements(fcinfo, COMMIT_HANDLED, INT4OID, "handled", batch, &p->handled);
	get_actor_elements(fcinfo, COMMIT_STATES, JSONBOID, "states", batch, &p->states);
	get_actor_elements(fcinfo, COMMIT_SET_ENTRIES, JSONBOID, "set_entries", batch, &p->set_entries);
	get_actor_elements(fcinfo, COMMIT_DELETE_ENTRIES, JSONBOID, "delete_entries", batch,
					   &p->delete_entries);
	get_actor_elements(fcinfo, COMMIT_DESTROYED, BOOLOID, "destroyed", batch, &p->destroyed);
	get_actor_elements(fcinfo, COMMIT_ERRORS, TEXTOID, "errors", batch, &p->errors);
	get_actor_elements(fcinfo, COMMIT_SQLSTATES, TEXTOID, "sqlstates", batch, &p->sqlstates);
	get_actor_elements(fcinfo, COMMIT_HINTS, TEXTOID, "hints", batch, &p->hints);
	get_actor_elements(fcinfo, COMMIT_OUTCOMES, TEXTOID, "outcomes", batch, &p->outcomes);
	get_actor_elements(fcinfo, COMMIT_DELAYS, INTERVALOID, "delays", batch, &p->delays);
	get_actor_elements(fcinfo, COMMIT_LOCKS, BOOLOID, "locks", batch, &p->locks);
}

static void
set_handled(BatchActor *actor, int ordinal, const ActorParameters *p)
{
	int handled =
		dgen_has_element(&p->handled, ordinal) ? DatumGetInt32(p->handled.values[ordinal]) : 0;

	if (handled < 0 || handled > actor->nmessages)
		refuse_commit(psprintf("handled[%d] is %d, but must be between 0 and %d", ordinal + 1,
							   handled, actor->nmessages),
					  "Give the number of handled messages, counted from the first.");
	actor->handled = handled;
}

static Jsonb *
object_at(const Elements *elements, int i, const char *name)
{
	Jsonb *object = DatumGetJsonbP(elements->values[i]);

	if (!JB_ROOT_IS_OBJECT(object))
		refuse_commit(psprintf("%s[%d] must be a JSON object", name, i + 1),
					  "Give an object such as {\"a\": 1}.");
	return object;
}

static Jsonb *
delete_entries(Jsonb *state, Jsonb *names)
{
	JsonbIterator *iterator = JsonbIteratorInit(&names->root);
	JsonbValue value;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_ARRAY(names) || JB_ROOT_IS_SCALAR(names))
		refuse_commit("elements of delete_entries must be JSON arrays",
					  "Give arrays of entry names, such as [\"a\", \"b\"].");
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvString)
			refuse_commit("names in delete_entries must be strings",
						  "Give arrays of entry names, such as [\"a\", \"b\"].");
		state = DatumGetJsonbP(DirectFunctionCall2(
			jsonb_delete, JsonbPGetDatum(state),
			PointerGetDatum(cstring_to_text_with_len(value.val.string.val, value.val.string.len))));
	}
	return state;
}

static Jsonb *
changed_state(const BatchActor *actor, int i, const ActorParameters *p)
{
	Jsonb *state =
		dgen_has_element(&p->states, i) ? object_at(&p->states, i, "states") : actor->state;

	if (dgen_has_element(&p->delete_entries, i))
		state = delete_entries(state, DatumGetJsonbP(p->delete_entries.values[i]));
	if (dgen_has_element(&p->set_entries, i))
		state = DatumGetJsonbP(
			DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(state),
								JsonbPGetDatum(object_at(&p->set_entries, i, "set_entries"))));
	return state;
}

/* Finding the new state needs some kB, many times what is kept of it. */
static void
set_changes(Batch *batch, BatchActor *actor, int i, const ActorParameters *p, MemoryContext scratch)
{
	MemoryContext old;
	Jsonb *state;
	bool changed;

	if (dgen_has_element(&p->destroyed, i) && DatumGetBool(p->destroyed.values[i]))
	{
		if (actor->handled == 0)
			refuse_commit(
				psprintf("actor %d is destroyed, but none of its messages is handled", i + 1),
				"Give the message that destroys the actor as handled.");
		dgen_destroy_actor(actor);
	}
	old = MemoryContextSwitchTo(scratch);
	state = changed_state(actor, i, p);
	MemoryContextSwitchTo(old);
	changed = !dgen_same_state(actor->state, state);
	if (dgen_is_of_actions(actor->type->id) && (changed || actor->destroyed))
		refuse_commit(psprintf("state of actor %d changes, but its message is an action", i + 1),
					  "Reply, and change the state of the actor in the turn of kind reply.");
	if (changed)
	{
		if (actor->handled == 0)
			refuse_commit(
				psprintf("state of actor %d changes, but none of its messages is handled", i + 1),
				"Give the message that changes the state as handled.");
		dgen_set_state(batch, actor, DatumGetJsonbPCopy(JsonbPGetDatum(state)));
	}
	MemoryContextReset(scratch);
}

static void
set_lock(BatchActor *actor, int i, const ActorParameters *p)
{
	if (!dgen_has_element(&p->locks, i) || !DatumGetBool(p->locks.values[i]))
		return;
	if (actor->handled == 0)
		refuse_commit(psprintf("actor %d is locked, but none of its messages is handled", i + 1),
					  "Give the message that locks the actor as the last one handled.");
	if (actor->locked || dgen_is_of_actions(actor->type->id))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_LOCKED), errmsg("actor %d is already locked", i + 1),
			 errhint(
				 "Do not lock an actor in its locked part, or in a turn that a locked actor can have because of its priority.")));
	dgen_lock_actor(actor);
}

static void
set_failure(Failure *failure, const BatchActor *actor, int i, const ActorParameters *p)
{
	char *outcome = dgen_element_text(&p->outcomes, i);

	memset(failure, 0, sizeof(*failure));
	if (actor->handled == actor->nmessages)
		refuse_commit(
			psprintf("errors[%d] is given, but all messages of the actor are handled", i + 1),
			"Give as handled only the messages before the one that failed.");
	failure->error = dgen_element_text(&p->errors, i);
	failure->sqlstate = dgen_element_text(&p->sqlstates, i);
	failure->hint = dgen_element_text(&p->hints, i);
	failure->delay =
		dgen_has_element(&p->delays, i) ? DatumGetIntervalP(p->delays.values[i]) : NULL;
	if (failure->delay != NULL && !dgen_interval_fits(failure->delay))
		refuse_commit(psprintf("delays[%d] must be between 0 and 36525 days", i + 1),
					  "Give NULL for the backoff of the type.");
	if (outcome == NULL || strcmp(outcome, "error") == 0)
		return;
	failure->final = strcmp(outcome, "fail") == 0;
	failure->retry = strcmp(outcome, "retry") == 0;
	if (!failure->final && !failure->retry)
		refuse_commit(psprintf("invalid value of outcomes[%d]: \"%s\"", i + 1, outcome),
					  "Use error, fail, retry or NULL.");
}

/* Returns how many there are. */
static int
record_failures(Batch *batch, const ActorParameters *p)
{
	int failed = 0;

	for (int i = 0; i < batch->nactors; i++)
	{
		BatchActor *actor = &batch->actors[i];
		Failure failure;

		if (!dgen_has_element(&p->errors, i) && !dgen_has_element(&p->outcomes, i))
			continue;
		set_failure(&failure, actor, i, p);
		(void) dgen_record_failure(actor, &actor->messages[actor->handled], &failure);
		dgen_absolve(actor, 1);
		failed++;
	}
	return failed;
}

/* The arrays about replies, as long as the first or NULL. */
typedef struct ReplyParameters
{
	Elements requests;
	Elements replies;
	Elements errors;
	Elements sqlstates;
} ReplyParameters;

static void
get_reply_elements(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count,
				   Elements *elements)
{
	dgen_get_elements(fcinfo, n, type, elements);
	if (elements->count != 0 && elements->count != count)
		refuse_commit(psprintf("arrays have different lengths: %d %s, %d reply_requests",
							   elements->count, name, count),
					  "Give arrays of the same length. Element i answers reply_requests[i].");
}

static void
get_reply_parameters(FunctionCallInfo fcinfo, ReplyParameters *p)
{
	int count;

	dgen_get_elements(fcinfo, COMMIT_REPLY_REQUESTS, INT8OID, &p->requests);
	count = p->requests.count;
	get_reply_elements(fcinfo, COMMIT_REPLIES, JSONBOID, "replies", count, &p->replies);
	get_reply_elements(fcinfo, COMMIT_REPLY_ERRORS, TEXTOID, "reply_errors", count, &p->errors);
	get_reply_elements(fcinfo, COMMIT_REPLY_SQLSTATES, TEXTOID, "reply_sqlstates", count,
					   &p->sqlstates);
	if (count > 0 && p->replies.count == 0 && p->errors.count == 0)
		refuse_commit("reply_requests has elements, but replies and reply_errors have none",
					  "Give replies or reply_errors of the same length.");
}

/* An error counts more than a reply. */
static void
set_reply(const ReplyParameters *p, int i, Reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->error = dgen_element_text(&p->errors, i);
	if (reply->error == NULL)
	{
		reply->reply = dgen_has_element(&p->replies, i) ? p->replies.values[i] : dgen_json_null();
		return;
	}
	reply->sqlstate = dgen_element_text(&p->sqlstates, i);
	if (reply->sqlstate == NULL)
		reply->sqlstate = DGEN_FAIL_SQLSTATE;
}

/* Is it an action of the batch, which then is all of it? Its reply goes to its actor. */
static bool
is_action(const Batch *batch, int64 id)
{
	const BatchActor *actor = &batch->actors[0];

	return dgen_is_of_actions(actor->type->id) && actor->handled > 0 && actor->messages[0].id == id;
}

static void
send_replies(FunctionCallInfo fcinfo, const Batch *batch)
{
	Answers answers = {.for_caller = true};
	ReplyParameters parameters;

	get_reply_parameters(fcinfo, &parameters);
	for (int i = 0; i < parameters.requests.count; i++)
	{
		int64 request = dgen_has_element(&parameters.requests, i)
							? DatumGetInt64(parameters.requests.values[i])
							: 0;
		Reply reply;

		set_reply(&parameters, i, &reply);
		if (is_action(batch, request))
			dgen_action_reply(&batch->actors[0], &batch->actors[0].messages[0], &reply);
		else if (request != 0)
			(void) dgen_answers_add(&answers, request, &reply);
	}
	dgen_answers_end(&answers);
}

/* What is sent, and what only actors say of it. */
typedef struct SendParameters
{
	SendArrays arrays;
	Elements actors;
	Elements correlations;
	Elements actions;
} SendParameters;

static void
get_send_elements(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count,
				  Elements *elements)
{
	dgen_get_elements(fcinfo, n, type, elements);
	if (elements->count != 0 && elements->count != count)
		refuse_commit(psprintf("array %s has %d elements, but there are %d messages", name,
							   elements->count, count),
					  "Element i belongs to send_messages[i]. Use NULL for none.");
}

static void
get_send_parameters(FunctionCallInfo fcinfo, SendParameters *p)
{
	static const SendArguments arguments = {
		.types = COMMIT_SEND_TYPES,
		.keys = COMMIT_SEND_KEYS,
		.messages = COMMIT_SEND_MESSAGES,
		.requests = COMMIT_SEND_REQUESTS,
		.delays = COMMIT_SEND_DELAYS_MS,
		.priorities = COMMIT_SEND_PRIORITIES,
		.idempotency_keys = COMMIT_SEND_IDEMPOTENCY_KEYS,
		.headers = COMMIT_SEND_HEADERS,
	};
	SendArrays *arrays = &p->arrays;

	arrays->errcode = DGEN_ERR_INVALID_COMMIT;
	arrays->prefix = "send_";
	arrays->names[0] = "send_types";
	arrays->names[1] = "send_keys";
	dgen_get_send_arrays(fcinfo, &arguments, arrays);
	get_send_elements(fcinfo, COMMIT_SEND_ACTORS, INT4OID, "send_actors", arrays->messages.count,
					  &p->actors);
	get_send_elements(fcinfo, COMMIT_SEND_CORRELATIONS, TEXTOID, "send_correlations",
					  arrays->messages.count, &p->correlations);
	get_send_elements(fcinfo, COMMIT_SEND_ACTIONS, BOOLOID, "send_actions", arrays->messages.count,
					  &p->actions);
}

/* The actor of the batch that sends. */
static const BatchActor *
sending_actor(const Batch *batch, const SendParameters *p, int i, const char *what)
{
	int ordinal = dgen_has_element(&p->actors, i) ? DatumGetInt32(p->actors.values[i]) : 0;

	if (ordinal < 1 || ordinal > batch->nactors)
		refuse_commit(psprintf("%s[%d] is true, but send_actors[%d] is not a number from 1 to %d",
							   what, i + 1, i + 1, batch->nactors),
					  "Give the number of the actor that sends.");
	return &batch->actors[ordinal - 1];
}

/* The reply goes to the actor, even if one of its actions has sent the request. */
static void
set_reply_to(const Batch *batch, const SendParameters *p, int i, ReplyTo *reply_to)
{
	const BatchActor *actor = sending_actor(batch, p, i, "send_requests");

	reply_to->type_id = dgen_actors_type(actor->type->id);
	reply_to->key = actor->key;
}

/* No privilege is needed for what an actor sends to itself. */
static void
store_action(const Batch *batch, const SendParameters *p, int i)
{
	const BatchActor *actor = sending_actor(batch, p, i, "send_actions");
	Send send = {0};

	if (dgen_element_is_true(&p->arrays.requests, i) || !dgen_has_element(&p->arrays.messages, i))
		refuse_commit(
			psprintf("send_actions[%d] is true, but it is a request or its message is NULL", i + 1),
			"An action replies to its actor without being a request. For an empty message use JSON null.");
	dgen_set_action(
		&send, actor->type->id, actor->key,
		dgen_has_element(&p->correlations, i) ? DatumGetTextPP(p->correlations.values[i]) : NULL);
	if (dgen_get_send_content(&p->arrays, i, &send) != NULL || send.priority != 0)
		refuse_commit(
			psprintf("send_actions[%d] is true, but it has an idempotency key or a priority",
					 i + 1),
			"An action is stored once, with its turn, and has no order. Leave both out.");
	(void) dgen_send(&send);
}

static void
send_message(Bulk *bulk, const Batch *batch, const SendParameters *p, int i)
{
	Send send;
	text *idempotency_key = dgen_get_send(&p->arrays, i, &send);
	text *correlation =
		dgen_has_element(&p->correlations, i) ? DatumGetTextPP(p->correlations.values[i]) : NULL;
	bool request = send.kind == KIND_REQUEST;
	ReplyTo reply_to;
	int64 id;

	if (request)
		set_reply_to(batch, p, i, &reply_to);
	if (!dgen_number_send(&send, idempotency_key, &id))
	{
		dgen_bulk_flush(bulk); /* the first one might be of this very statement */
		if (request)
			dgen_ask_again(&send, id, idempotency_key, &reply_to, correlation);
		return;
	}
	dgen_bulk_message(bulk, &send);
	if (request)
		dgen_bulk_request(bulk, &send, &reply_to, correlation, idempotency_key != NULL);
}

static void
send_messages(FunctionCallInfo fcinfo, const Batch *batch)
{
	SendParameters parameters;
	Bulk bulk;

	get_send_parameters(fcinfo, &parameters);
	if (parameters.arrays.messages.count == 0)
		return;
	dgen_bulk_begin(&bulk);
	for (int i = 0; i < parameters.arrays.messages.count; i++)
		if (dgen_element_is_true(&parameters.actions, i))
			store_action(batch, &parameters, i);
		else
			send_message(&bulk, batch, &parameters, i);
	dgen_bulk_end(&bulk);
}

/* Messages whose turns were not run. */
static void
give_back_turns(const Batch *batch, const ActorParameters *p)
{
	for (int i = 0; i < batch->nactors; i++)
	{
		const BatchActor *actor = &batch->actors[i];
		int failed = dgen_has_element(&p->errors, i) || dgen_has_element(&p->outcomes, i);

		dgen_give_back_turns(actor->type, actor->nmessages - actor->handled - failed);
	}
}

/* The client holds what it has just committed, should the transaction commit. */
static void
note_committed(const Batch *batch)
{
	if (!dgen_client_caches())
		return;
	for (int i = 0; i < batch->nactors; i++)
		if (batch->actors[i].state_changed)
			dgen_client_given(&batch->actors[i]);
}

/*
 * The time from claim to commit, divided by the turns, is the time of a turn of this type. On a
 * busy machine it is mostly time in which the worker did not run, and a larger batch would have it
 * as well. So a time that the worker gives for its turns is used instead. Failed turns are
 * included.
 */
static void
measure(FunctionCallInfo fcinfo, const Batch *batch, int turns, double us)
{
	if (!PG_ARGISNULL(COMMIT_RUN_US))
		us = Min(us, Max(PG_GETARG_INT64(COMMIT_RUN_US), 1));
	if (turns > 0 && !batch->actors[0].messages[0].locked)
		dgen_measure_turns(dgen_worker_session(), batch->actors[0].type->id, us / turns);
}

/* The worker has ended the batch before its end, most likely with a turn that took long. */
static void
begin_behind_last(const Batch *batch, const ActorParameters *p)
{
	int i = batch->nactors - 1;

	while (i >= 0 && batch->actors[i].handled == 0 && !dgen_has_element(&p->errors, i) &&
		   !dgen_has_element(&p->outcomes, i))
		i--;
	if (i >= 0 && i < batch->nactors - 1)
		dgen_begin_behind(dgen_worker_session(), batch->actors[i].type->id);
}

Datum
dgen_commit_turns(PG_FUNCTION_ARGS)
{
	Batch *batch = dgen_claimed_batch();
	ActorParameters parameters;
	MemoryContext scratch;
	int handled = 0;
	int failed;

	if (batch == NULL)
		dgen_refuse_no_batch(
			"Run dgen.claim and dgen.commit_turns in one transaction, begun with BEGIN.");
	dgen_check_claimer();
	get_actor_parameters(fcinfo, batch, &parameters);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "dgen new state", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < batch->nactors; i++)
	{
		set_handled(&batch->actors[i], i, &parameters);
		set_changes(batch, &batch->actors[i], i, &parameters, scratch);
		set_lock(&batch->actors[i], i, &parameters);
		handled += batch->actors[i].handled;
	}
	dgen_commit_batch(batch);
	failed = record_failures(batch, &parameters);
	send_replies(fcinfo, batch);
	send_messages(fcinfo, batch);
	note_committed(batch);
	if (batch->has_rate)
		give_back_turns(batch, &parameters);
	dgen_session_count_turns(handled);
	begin_behind_last(batch, &parameters);
	measure(fcinfo, batch, handled + failed, dgen_claimed_batch_done());
	if (dgen_is_attached())
		(void) dgen_move_own_due(dgen_worker_session(), INT_MAX);
	PG_RETURN_INT32(handled);
}
