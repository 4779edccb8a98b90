/*
 * A turn of an in-database handler: the function runs with the privileges and the environment of
 * its type's owner, for at most turn_timeout. Nothing of that environment remains afterwards.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/message_kind.h"
#include "base/delay.h"
#include "base/errors.h"
#include "claim/part.h"
#include "shared/charge.h"
#include "shared/crash_notes.h"
#include "table/row.h"
#include "table/shape.h"
#include "table/table.h"
#include "turn/check_handler.h"
#include "turn/deferred.h"
#include "turn/handler.h"
#include "turn/leftovers.h"
#include "turn/turn.h"
#include "version/process.h"
#include "wake/alarm.h"

/* A handler that swallowed the cancel is canceled again after this, ms ... */
#define CANCEL_AGAIN_MS 1000
/* ... and its process ended after so many times. */
#define CANCELS_BEFORE_EXIT 3

enum ContextColumn
{
	CONTEXT_ACTOR_TYPE,
	CONTEXT_ACTOR_KEY,
	CONTEXT_KIND,
	CONTEXT_MESSAGE_ID,
	CONTEXT_ATTEMPT,
	CONTEXT_VERSION,
	CONTEXT_SENT_AT,
	CONTEXT_HEADERS,
	CONTEXT_IN_REPLY_TO,
	CONTEXT_CORRELATION,
	CONTEXT_ERROR,
	CONTEXT_SQLSTATE,
	CONTEXT_TOKEN,
	CONTEXT_COLUMNS
};

/* ---- the handlers found so far ---- */

typedef struct Handler
{
	int32 type_id;
	char *name; /* this and the next two as in the type, to notice a change of it */
	char *search_path;
	Oid owner;
	FmgrInfo function;
	HandlerExpression *expression; /* NULL: the function is called */
	struct Handler *next;
} Handler;

static MemoryContext handler_context = NULL;
static Handler *handlers = NULL;
static bool handlers_stale = false;
static TupleDesc context_desc = NULL;
static TupleDesc outcome_desc = NULL;
static Oid
	row_relations[2]; /* of the types dgen.context and dgen.outcome: they have their attributes */

static void
catalog_changed(Datum arg, int cache, uint32 hash)
{
	handlers_stale = true;
}

static void
attributes_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == row_relations[0] || relid == row_relations[1])
		handlers_stale = true;
}

static Oid
composite_type(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid("dgen", false)));
}

static TupleDesc
composite_desc(const TableShape *shape, Oid *relation)
{
	Oid type = composite_type(shape->name);
	TupleDesc shared;
	TupleDesc desc;

	*relation = get_typ_typrelid(type); /* first, so that a change from now on is noticed */
	shared = lookup_rowtype_tupdesc(type, -1);
	desc = CreateTupleDescCopy(shared);
	ReleaseTupleDesc(shared);
	dgen_check_row_type(shape, desc);
	return desc;
}

/* Kept until a function, a language, a role or a type changes, and no handler runs. */
static void
refresh_handlers(void)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(LANGOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_changed, (Datum) 0);
		CacheRegisterRelcacheCallback(attributes_changed, (Datum) 0);
		registered = true;
	}
	if (handler_context != NULL && !handlers_stale && outcome_desc != NULL)
		return;
	if (handler_context != NULL)
		MemoryContextDelete(handler_context);
	handler_context =
		AllocSetContextCreate(TopMemoryContext, "dgen handlers", ALLOCSET_SMALL_SIZES);
	handlers = NULL;
	handlers_stale = false;
	outcome_desc = NULL;
	old = MemoryContextSwitchTo(handler_context);
	context_desc = composite_desc(&dgen_context_shape, &row_relations[0]);
	outcome_desc = composite_desc(&dgen_outcome_shape, &row_relations[1]);
	MemoryContextSwitchTo(old);
}

static Handler *
find_handler(const ActorType *type)
{
	MemoryContext old;
	Handler *handler;
	Oid oid;

	for (handler = handlers; handler != NULL; handler = handler->next)
		if (handler->type_id == type->id && handler->owner == type->owner &&
			strcmp(handler->name, type->handler) == 0 &&
			strcmp(handler->search_path, type->search_path) == 0)
			return handler;

	dgen_refuse_old_definition(type);
	oid = dgen_resolve_handler(type->handler);
	dgen_check_handler(type->handler, oid, type->owner);
	old = MemoryContextSwitchTo(handler_context);
	handler = palloc0(sizeof(Handler));
	handler->type_id = type->id;
	handler->name = pstrdup(type->handler);
	handler->search_path = pstrdup(type->search_path);
	handler->owner = type->owner;
	fmgr_info(oid, &handler->function);
	handler->expression = dgen_handler_expression(oid);
	MemoryContextSwitchTo(old);
	handler->next = handlers;
	handlers = handler;
	return handler;
}

/* ---- time ---- */

static TimeoutId turn_timeout_id = MAX_TIMEOUTS;
static volatile sig_atomic_t cancels = 0;
static Charge running_turn; /* what to charge if it must be ended */

/*
 * In signal context. The first time and each second after it the turn is canceled. A background
 * worker whose handler continues regardless ends: its transaction rolls back, and the next claim
 * records the attempt.
 */
static void
turn_timed_out(void)
{
	cancels++;
	if (DGEN_IS_BACKGROUND_WORKER && cancels > CANCELS_BEFORE_EXIT)
	{
		dgen_charge(&running_turn);
		ProcDiePending = true;
	}
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

static void
start_timer(const BatchActor *actor, const BatchMessage *message)
{
	if (turn_timeout_id == MAX_TIMEOUTS)
		turn_timeout_id = RegisterTimeout(USER_TIMEOUT, turn_timed_out);
	cancels = 0;
	running_turn.type_id = actor->type->id;
	running_turn.mailbox = actor->mailbox;
	running_turn.message_id = message->id;
	running_turn.fence = message->locked ? dgen_part_fence() : 0;
	running_turn.extension = message->locked ? dgen_this_extension() : InvalidOid;
	running_turn.sqlstate = message->locked ? DGEN_ERR_LOCK_TIMEOUT : DGEN_ERR_TURN_TIMEOUT;
	dgen_crash_note(&running_turn);
	enable_timeout_every(turn_timeout_id,
						 TimestampTzPlusMilliseconds(
							 GetCurrentTimestamp(), message->locked ? actor->type->lock_timeout_ms
																	: actor->type->turn_timeout_ms),
						 CANCEL_AGAIN_MS);
}

/*
 * A cancel that was not handled is over with its turn: it would meet what comes next, such as the
 * record of the failed attempt. That of another timeout stays.
 */
static void
stop_timer(void)
{
	dgen_crash_note_end();
	if (turn_timeout_id != MAX_TIMEOUTS)
		disable_timeout(turn_timeout_id, false);
	if (cancels > 0 && !get_timeout_indicator(STATEMENT_TIMEOUT, false) &&
		!get_timeout_indicator(LOCK_TIMEOUT, false))
		QueryCancelPending = false;
}

static void
raise_timeout(const ActorType *type, const BatchMessage *message)
{
	if (message->locked)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_LOCK_TIMEOUT),
			 errmsg("locked part of actor type \"%s\" took longer than its lock_timeout "
					"of " INT64_FORMAT " ms",
					type->name, type->lock_timeout_ms),
			 errhint(
				 "Make the locked part faster, or raise lock_timeout with dgen.alter_actor_type.")));
	ereport(
		ERROR,
		(errcode(DGEN_ERR_TURN_TIMEOUT),
		 errmsg("turn of actor type \"%s\" took longer than its turn_timeout of " INT64_FORMAT
				" ms",
				type->name, type->turn_timeout_ms),
		 errhint("Make the handler faster, or raise turn_timeout with dgen.alter_actor_type.")));
}

/* ---- the handler's environment ---- */

/*
 * If the session ends now: the turn whose handler might be the reason, or NULL. A turn that
 * took too long is already charged.
 */
const Charge *
dgen_turn_that_may_end_session(void)
{
	if (!DGEN_IS_BACKGROUND_WORKER || !dgen_in_handler() || cancels > CANCELS_BEFORE_EXIT)
		return NULL;
	return &running_turn;
}

static Datum
make_context(const BatchActor *actor, const BatchMessage *message)
{
	Datum values[CONTEXT_COLUMNS];
	bool nulls[CONTEXT_COLUMNS] = {false};

	values[CONTEXT_ACTOR_TYPE] = CStringGetTextDatum(actor->type->name);
	values[CONTEXT_ACTOR_KEY] = PointerGetDatum(actor->key);
	values[CONTEXT_KIND] = CStringGetTextDatum(dgen_message_kind(message));
	values[CONTEXT_MESSAGE_ID] = Int64GetDatum(message->id);
	values[CONTEXT_ATTEMPT] = Int32GetDatum(dgen_message_attempt(message));
	values[CONTEXT_VERSION] = Int64GetDatum(actor->version);
	values[CONTEXT_SENT_AT] = TimestampTzGetDatum(message->sent_at);
	values[CONTEXT_IN_REPLY_TO] = Int64GetDatum(message->in_reply_to);
	nulls[CONTEXT_IN_REPLY_TO] = message->in_reply_to == 0;
	dgen_put(values, nulls, CONTEXT_HEADERS, message->headers);
	dgen_put(values, nulls, CONTEXT_CORRELATION, message->correlation);
	dgen_put(values, nulls, CONTEXT_ERROR, message->error);
	dgen_put(values, nulls, CONTEXT_SQLSTATE, message->sqlstate);
	dgen_put(values, nulls, CONTEXT_TOKEN,
			 message->locked ? CStringGetTextDatum(dgen_token(actor, message)) : (Datum) 0);
	return HeapTupleGetDatum(dgen_row_form(context_desc, values, nulls, CONTEXT_COLUMNS));
}

/* Undone with the GUC nest level of the turn. */
static void
set_search_path(const char *search_path)
{
	if (strcmp(namespace_search_path, search_path) != 0)
		(void) set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/* ---- the outcome ---- */

static void
refuse_outcome(const ActorType *type, const char *detail)
{
	ereport(
		ERROR,
		(errcode(DGEN_ERR_INVALID_OUTCOME),
		 errmsg("handler %s returned an invalid outcome", type->handler), errdetail("%s", detail),
		 errhint(
			 "Return the result of dgen.noreply, dgen.reply, dgen.fail, dgen.retry, dgen.destroy or dgen.lock.")));
}

static OutcomeKind
outcome_kind(const ActorType *type, const char *name)
{
	if (strcmp(name, "noreply") == 0)
		return OUTCOME_NOREPLY;
	if (strcmp(name, "reply") == 0)
		return OUTCOME_REPLY;
	if (strcmp(name, "fail") == 0)
		return OUTCOME_FAIL;
	if (strcmp(name, "retry") == 0)
		return OUTCOME_RETRY;
	if (strcmp(name, "destroy") == 0)
		return OUTCOME_DESTROY;
	if (strcmp(name, "lock") == 0)
		return OUTCOME_LOCK;
	refuse_outcome(type, psprintf("\"%s\" is not a kind of outcome.", name));
	return OUTCOME_NOREPLY;
}

static void
read_outcome(const ActorType *type, Datum result, Outcome *outcome)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(result);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum values[OUTCOME_COLUMNS];
	bool nulls[OUTCOME_COLUMNS];
	char *kind;

	dgen_row_deform(&tuple, outcome_desc, values, nulls, OUTCOME_COLUMNS);
	if (nulls[OUTCOME_COLUMN_KIND])
		refuse_outcome(type, "The handler returned NULL.");
	kind = dgen_get_string(values, nulls, OUTCOME_COLUMN_KIND);
	memset(outcome, 0, sizeof(*outcome));
	outcome->kind = outcome_kind(type, kind);
	if (!nulls[OUTCOME_COLUMN_STATE])
	{
		outcome->state = DatumGetJsonbPCopy(values[OUTCOME_COLUMN_STATE]);
		if (!JB_ROOT_IS_OBJECT(outcome->state))
			refuse_outcome(type, "The state must be a JSON object.");
	}
	outcome->reply = nulls[OUTCOME_COLUMN_REPLY] ? 0 : values[OUTCOME_COLUMN_REPLY];
	outcome->error = dgen_get_string(values, nulls, OUTCOME_COLUMN_ERROR);
	if (outcome->kind == OUTCOME_FAIL && outcome->error == NULL)
		refuse_outcome(type, "The outcome \"fail\" has no error text.");
	if (dgen_is_of_actions(type->id) &&
		(outcome->state != NULL || outcome->kind == OUTCOME_DESTROY))
		refuse_outcome(
			type,
			"An action has no state. Reply, and change the state of the actor in the turn of kind reply.");
	outcome->sqlstate = dgen_get_string(values, nulls, OUTCOME_COLUMN_SQLSTATE);
	outcome->hint = dgen_get_string(values, nulls, OUTCOME_COLUMN_HINT);
	outcome->delay =
		nulls[OUTCOME_COLUMN_DELAY] ? NULL : DatumGetIntervalP(values[OUTCOME_COLUMN_DELAY]);
	if (outcome->delay != NULL && !dgen_interval_fits(outcome->delay))
		refuse_outcome(type, "The delay of the outcome is not between 0 and 36525 days.");
}

static void
refuse_lock(const BatchActor *actor)
{
	ereport(
		ERROR,
		(errcode(DGEN_ERR_LOCKED),
		 errmsg("handler %s locks an actor that is already locked", actor->type->handler),
		 errhint(
			 "Do not return dgen.lock in a locked part, or in a turn that a locked actor can have because of its priority.")));
}

/* ---- the turn ---- */

static Datum
invoke(Handler *handler, const BatchActor *actor, const BatchMessage *message)
{
	const Datum arguments[HANDLER_ARGUMENTS] = {make_context(actor, message),
												JsonbPGetDatum(actor->state), message->message};
	LOCAL_FCINFO(fcinfo, HANDLER_ARGUMENTS);
	PgStat_FunctionCallUsage usage;
	Datum result;

	InitFunctionCallInfoData(*fcinfo, &handler->function, HANDLER_ARGUMENTS, InvalidOid, NULL,
							 NULL);
	for (int i = 0; i < HANDLER_ARGUMENTS; i++)
		fcinfo->args[i] = (NullableDatum){.value = arguments[i]};

	pgstat_init_function_usage(fcinfo, &usage);
	if (handler->expression != NULL)
		result = dgen_evaluate_handler(handler->expression, arguments, &fcinfo->isnull);
	else
		result = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	if (fcinfo->isnull)
		refuse_outcome(actor->type, "The handler returned NULL.");
	return result;
}

/* What was to tell of a dead letter when the handler was one that knows of them. */
static bool
is_unwanted(const ActorType *type, const BatchMessage *message)
{
	return message->kind == KIND_DEAD_LETTER && !type->handle_dead_letters;
}

/*
 * With the owner's privileges in force. What it leaves is undone or refused here, unless the turn
 * is undone itself.
 */
static void
run_handler(const BatchActor *actor, const BatchMessage *message, bool inline_call,
			Outcome *outcome)
{
	const ActorType *type = actor->type;

	set_search_path(type->search_path);
	PushActiveSnapshot(GetTransactionSnapshot());
	read_outcome(type, invoke(find_handler(type), actor, message), outcome);
	if (outcome->kind == OUTCOME_LOCK && (actor->locked || dgen_is_of_actions(type->id)))
		refuse_lock(actor);
	if (outcome->kind != OUTCOME_FAIL && outcome->kind != OUTCOME_RETRY)
	{
		dgen_fire_deferred(inline_call);
		dgen_leftovers_check(type);
	}
	PopActiveSnapshot();
}

static void
begin_turn(const BatchActor *actor, const BatchMessage *message, bool inline_call)
{
	dgen_set_current_actor(actor);
	dgen_leftovers_begin(inline_call);
	start_timer(actor, message);
}

/* Well or not. Raises nothing. */
static void
end_turn(void)
{
	dgen_set_current_actor(NULL);
	dgen_leftovers_end();
	stop_timer();
}

void
dgen_run_turn(const BatchActor *actor, const BatchMessage *message, bool inline_call,
			  Outcome *outcome)
{
	const ActorType *type = actor->type;
	Oid user;
	int security_context;
	int nest_level;
	MemoryContext context = CurrentMemoryContext;

	if (is_unwanted(type, message))
	{
		memset(outcome, 0, sizeof(*outcome));
		outcome->kind = OUTCOME_NOREPLY;
		return;
	}
	GetUserIdAndSecContext(&user, &security_context);
	/* A worker is connected as the owner that the type had when it learnt its types. */
	if (!inline_call && (user != type->owner || type->handler == NULL))
		dgen_refuse_turn(type);
	nest_level = NewGUCNestLevel();
	refresh_handlers();
	SetUserIdAndSecContext(type->owner, security_context | SECURITY_LOCAL_USERID_CHANGE);
	begin_turn(actor, message, inline_call);

	PG_TRY();
	{
		run_handler(actor, message, inline_call, outcome);
	}
	PG_CATCH();
	{
		end_turn();
		if (cancels > 0 && geterrcode() == ERRCODE_QUERY_CANCELED)
		{
			MemoryContextSwitchTo(context);
			FlushErrorState();
			raise_timeout(type, message);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();

	end_turn();
	if (cancels > 0)
		raise_timeout(type, message);
	AtEOXact_GUC(false, nest_level); /* what the handler has SET goes, too */
	SetUserIdAndSecContext(user, security_context);
	CommandCounterIncrement();
}
