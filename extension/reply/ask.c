/*
 * Waits for replies outside of a transaction: dgen.ask and dgen.await_any.
 *
 * Between two checks the session has no transaction, so a waiting session does not hold back VACUUM.
 *
 * dgen.ask costs one flush of the WAL, that of the turn. The commit of the request need not wait for a
 * flush: whatever the caller learns of the request (its reply, or at the timeout that it is open), it
 * learns after a flush of later WAL. The removal of a collected reply need not be durable either: after a
 * crash the reply is there again, until its retention ends.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "actor/in_hand.h"
#include "actor/message_kind.h"
#include "base/base.h"
#include "reply/answer.h"
#include "reply/reply.h"
#include "send/request.h"
#include "send/send.h"
#include "sleep/procedure.h"
#include "sleep/reply_wait.h"
#include "sleep/sync_wait.h"

PG_FUNCTION_INFO_V1(dgen_ask);
PG_FUNCTION_INFO_V1(dgen_await_any);

/* Size of the text that one dgen.await_any returns; the next one collects the rest. */
#define MOST_ANSWERS (16 * 1024 * 1024)

/* A wait for requests. `look` checks for replies; true: the wait can end. */
typedef struct Wait
{
	const char *procedure;
	const int64 *ids;
	int count;
	TimestampTz deadline;
	bool for_input;    /* more input from the client also ends the wait */
	bool unreplicated; /* at the deadline a synchronous standby lacked a commit */
	bool (*look)(void *context);
	void *context;
} Wait;

/* If PL/pgSQL called the procedure, the commit waits for a synchronous standby, at most until the deadline. */
static void
commit_in_time(FunctionCallInfo fcinfo, Wait *wait)
{
	dgen_sync_wait_begin(wait->deadline);
	PG_TRY();
	{
		dgen_procedure_commit(fcinfo, wait->procedure);
	}
	PG_FINALLY();
	{
		wait->unreplicated |= dgen_sync_wait_end();
	}
	PG_END_TRY();
}

static void
wait_and_look(FunctionCallInfo fcinfo, Wait *wait, bool look_first)
{
	MemoryContext context = CurrentMemoryContext;
	bool in_time = true;
	bool done = false;

	while (in_time && !done)
	{
		commit_in_time(fcinfo, wait);
		in_time = look_first || dgen_reply_wait(wait->deadline, wait->for_input);
		look_first = false;
		dgen_procedure_begin();
		MemoryContextSwitchTo(context);
		done = wait->look(wait->context);
	}
}

/*
 * Registers before the commit that makes the request visible, and before each check, so no reply is
 * missed.
 */
static void
await_outside(FunctionCallInfo fcinfo, Wait *wait, bool look_first)
{
	ReplyWait registered;

	dgen_reply_wait_begin(&registered, wait->ids, wait->count);
	PG_TRY();
	{
		wait_and_look(fcinfo, wait, look_first);
	}
	PG_FINALLY();
	{
		dgen_reply_wait_end();
	}
	PG_END_TRY();
}

static void
refuse_unless_called(FunctionCallInfo fcinfo, const char *procedure, TupleDesc *desc)
{
	dgen_refuse_read_only(fcinfo);
	dgen_refuse_in_handler(procedure,
						   "Use dgen.request with reply_to => ctx; the reply comes as a message.");
	dgen_procedure_check(fcinfo, procedure);
	if (get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "%s was not called by CALL", procedure);
}

static Datum
return_one(TupleDesc desc, Datum value)
{
	bool isnull = false;

	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value, &isnull));
}

/* ---- request, commit, wait, reply ---- */

static int64
send_request(FunctionCallInfo fcinfo)
{
	Send send;
	int64 id;

	dgen_get_send_arguments(fcinfo, &send);
	send.kind = KIND_REQUEST;
	(void) dgen_send_once(&send, NULL, &id);
	dgen_open_request(&send, id, NULL, NULL, false);
	return id;
}

typedef struct Ask
{
	int64 id;
	Answer answer;
} Ask;

static bool
look_for_one(void *context)
{
	Ask *ask = context;

	dgen_collect_answer(ask->id, &ask->answer);
	return ask->answer.done;
}

Datum
dgen_ask(PG_FUNCTION_ARGS)
{
	Ask ask = {0};
	Wait wait = {.procedure = "dgen.ask", .count = 1, .look = look_for_one, .context = &ask};
	TupleDesc desc;

	wait.deadline = dgen_deadline_argument(fcinfo, 3);
	refuse_unless_called(fcinfo, "dgen.ask", &desc);
	ask.id = send_request(fcinfo);
	wait.ids = &ask.id;
	dgen_procedure_commit_lazily();
	await_outside(fcinfo, &wait, false);
	if (!ask.answer.done)
	{
		wait.unreplicated |= !dgen_procedure_flush(wait.deadline);
		dgen_raise_timeout(ask.id, wait.unreplicated);
	}
	if (ask.answer.failed)
		dgen_raise_answer(&ask.answer);
	dgen_procedure_commit_lazily();
	PG_RETURN_DATUM(return_one(desc, ask.answer.reply));
}

/* ---- any of several ---- */

typedef struct Any
{
	int64 *ids;
	bool *answered;
	int count;
	StringInfoData json;
} Any;

static void
add_member(StringInfo json, const char *name, const char *text)
{
	if (text == NULL)
		return;
	appendStringInfo(json, ",\"%s\":", name);
	escape_json(json, text);
}

static void
add_answer(StringInfo json, int64 id, const Answer *answer)
{
	appendStringInfo(json, "%s{\"request\":" INT64_FORMAT, json->len > 1 ? "," : "", id);
	if (answer->failed)
	{
		add_member(json, "error", answer->error);
		add_member(json, "sqlstate", unpack_sql_state(answer->sqlstate));
		add_member(json, "hint", answer->hint);
		if (answer->given)
			appendStringInfoString(json, ",\"given\":true");
	}
	else
	{
		Jsonb *reply = DatumGetJsonbP(answer->reply);

		appendStringInfoString(json, ",\"reply\":");
		(void) JsonbToCString(json, &reply->root, VARSIZE(reply));
	}
	appendStringInfoChar(json, '}');
}

static bool
look_for_any(void *context)
{
	Any *any = context;

	dgen_find_answered(any->ids, any->count, any->answered);
	if (dgen_reply_wait_is_of_former()) /* none of the requests exists */
		memset(any->answered, true, any->count * sizeof(bool));
	for (int i = 0; i < any->count && any->json.len < MOST_ANSWERS; i++)
	{
		Answer answer;

		if (!any->answered[i])
			continue;
		dgen_collect_answer(any->ids[i], &answer);
		dgen_check_answer(&answer); /* an answer that cannot be sent would block all others */
		if (answer.done)
			add_answer(&any->json, any->ids[i], &answer);
	}
	return any->json.len > 1;
}

Datum
dgen_await_any(PG_FUNCTION_ARGS)
{
	Any any = {0};
	Wait wait = {.procedure = "dgen.await_any", .for_input = true, .look = look_for_any};
	TupleDesc desc;
	int count;

	wait.deadline = dgen_deadline_argument(fcinfo, 1);
	refuse_unless_called(fcinfo, "dgen.await_any", &desc);
	any.ids = dgen_requests_argument(fcinfo, &count);
	any.count = dgen_sort_ids(any.ids, count);
	any.answered = palloc(any.count * sizeof(bool) + 1);
	initStringInfo(&any.json);
	appendStringInfoChar(&any.json, '[');
	wait.ids = any.ids;
	wait.count = any.count;
	wait.context = &any;
	if (any.count > 0)
		await_outside(fcinfo, &wait, true);
	appendStringInfoChar(&any.json, ']');
	dgen_procedure_commit_lazily();
	PG_RETURN_DATUM(return_one(desc, CStringGetTextDatum(any.json.data)));
}
