/*
 * Requests and their replies.
 *
 * A request's row is written with its message. A turn, dgen.send_reply or the end of the message answers
 * it. Then either the caller collects the reply, or dgen sends it as a message to the actor that asked.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "base/base.h"
#include "base/blame.h"
#include "base/errors.h"
#include "base/rights.h"
#include "reply/reply.h"
#include "send/request.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/scan.h"
#include "table/table.h"
#include "wake/wake.h"
#include "write/writer.h"

PG_FUNCTION_INFO_V1(dgen_send_reply);
PG_FUNCTION_INFO_V1(dgen_fail_request);

/* ---- checking ---- */

/* Uses one snapshot and one scan for all ids; in ascending order they share pages. */
void
dgen_find_answered(const int64 *ids, int count, bool *answered)
{
	Snapshot snapshot;
	Oid role = dgen_calling_role();
	DgenScan scan;
	ScanKeyData key;

	dgen_table_lock(TABLE_REQUEST, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_scan_begin(&scan, TABLE_REQUEST, INDEX_PRIMARY, snapshot, 1);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		answered[i] = true;
		dgen_key_int8(&key, 1, BTEqualStrategyNumber, ids[i]);
		dgen_scan_seek(&scan, &key, 1);
		if (!dgen_scan_next(&scan))
			continue;
		dgen_scan_row(&scan);
		answered[i] = DatumGetChar(scan.values[REQUEST_STATUS]) != REQUEST_PENDING ||
					  DatumGetObjectId(scan.values[REQUEST_REQUESTER]) != role;
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
}

/* ---- answering ---- */

static char
status_of(const Reply *reply)
{
	return reply->cancelled       ? REQUEST_CANCELLED
		   : reply->error != NULL ? REQUEST_FAILED
								  : REQUEST_REPLIED;
}

/* False: see dgen_writer_try_update. */
static bool
keep_reply(DgenWriter *writer, Request *request, const Reply *reply)
{
	Datum *values = request->values;
	bool *nulls = request->nulls;

	values[REQUEST_STATUS] = CharGetDatum(status_of(reply));
	values[REQUEST_REPLIED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[REQUEST_REPLIED_AT] = false;
	values[REQUEST_REPLY] = reply->reply;
	nulls[REQUEST_REPLY] = reply->error != NULL;
	dgen_put_string(values, nulls, REQUEST_ERROR,
					reply->cancelled ? NULL : dgen_cut_error(reply->error));
	dgen_put_string(values, nulls, REQUEST_SQLSTATE,
					reply->cancelled ? NULL : dgen_cut_error(reply->sqlstate));
	dgen_put_string(values, nulls, REQUEST_HINT,
					reply->cancelled ? NULL : dgen_cut_error(reply->hint));
	if (!dgen_writer_try_update(writer, &request->tid, values, nulls))
		return false;
	dgen_wakeup_replied(DatumGetInt64(values[REQUEST_ID]));
	return true;
}

/* Sends the reply as a message to the actor that asked. */
static void
send_on(const Request *request, const Reply *reply)
{
	const Datum *values = request->values;
	ReplyTo to = {
		.type_id = DatumGetInt32(values[REQUEST_REPLY_TYPE_ID]),
		.key = DatumGetTextPP(values[REQUEST_REPLY_KEY]),
	};
	text *correlation =
		request->nulls[REQUEST_CORRELATION] ? NULL : DatumGetTextPP(values[REQUEST_CORRELATION]);

	dgen_reply_to_actor(&to, DatumGetInt64(values[REQUEST_ID]), correlation, reply);
}

/*
 * The row of a client's request keeps the reply until the client collects it. With an idempotency key an
 * actor's request also keeps it, for callers with the same key. False: see dgen_writer_try_update.
 */
static bool
answer_row(DgenWriter *writer, Request *request, const Reply *reply)
{
	const bool keep = DatumGetBool(request->values[REQUEST_KEEP]);
	const bool to_actor = !request->nulls[REQUEST_REPLY_TYPE_ID];
	const bool done = to_actor && !keep ? dgen_delete_row(writer->heap, &request->tid)
										: keep_reply(writer, request, reply);

	if (!done)
		return false;
	if (to_actor)
		send_on(request, reply);
	if (keep)
		dgen_tell_askers(DatumGetInt64(request->values[REQUEST_ID]), reply);
	return true;
}

/* A role that can work for the type can answer its requests, and so can the owner, as whom handlers run. */
static bool
may_answer(const Request *request)
{
	const ActorType *type = dgen_type_by_id(DatumGetInt32(request->values[REQUEST_TYPE_ID]), true);

	if (type == NULL)
		return false; /* dropped, and it has no open requests */
	dgen_check_work_found(type, dgen_calling_role());
	return true;
}

typedef enum Answered
{
	ANSWERED_YES,
	ANSWERED_NO,   /* not open, or gone */
	ANSWERED_AGAIN /* another session has written the row since the snapshot: retry */
} Answered;

static Answered
answer_with(Answers *answers, int64 id, const Reply *reply)
{
	Request request;

	if (!dgen_find_request_with(&answers->scan, id, &request))
		return ANSWERED_NO;
	if (answers->for_caller && !may_answer(&request))
		return ANSWERED_NO;
	if (request.status != REQUEST_PENDING)
		return ANSWERED_NO;
	return answer_row(&answers->writer, &request, reply) ? ANSWERED_YES : ANSWERED_AGAIN;
}

static void
open_answers(Answers *answers)
{
	CommandCounterIncrement();
	dgen_writer_open(&answers->writer, TABLE_REQUEST); /* its lock first, see lock_tables */
	PushActiveSnapshot(GetLatestSnapshot());
	dgen_scan_begin(&answers->scan, TABLE_REQUEST, INDEX_PRIMARY, GetActiveSnapshot(), 1);
	answers->open = true;
}

void
dgen_answers_end(Answers *answers)
{
	if (!answers->open)
		return;
	answers->open = false;
	dgen_writer_close(&answers->writer);
	dgen_scan_end(&answers->scan);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/*
 * If another session is answering the request, this one waits, and sees the answer in the next snapshot,
 * so only one of them gets "open". Each check is a command of its own, so it also sees what this
 * transaction has written. So only a commit of another session causes another check.
 */
bool
dgen_answers_add(Answers *answers, int64 id, const Reply *reply)
{
	Answered answered;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (answers->open)
		{
			CommandCounterIncrement();
			UpdateActiveSnapshotCommandId();
		}
		else
			open_answers(answers);
		answered = answer_with(answers, id, reply);
		if (answered == ANSWERED_AGAIN)
			dgen_answers_end(answers);
	} while (answered == ANSWERED_AGAIN);
	return answered == ANSWERED_YES;
}

static bool
answer_one(int64 id, const Reply *reply, bool for_caller)
{
	Answers answers = {.for_caller = for_caller};
	bool answered;

	if (for_caller && dgen_is_expected(id))
		return dgen_give_expected(reply);
	answered = dgen_answers_add(&answers, id, reply);
	dgen_answers_end(&answers);
	return answered;
}

bool
dgen_answer(int64 id, const Reply *reply)
{
	return answer_one(id, reply, false);
}

/* ---- from SQL ---- */

static int64
request_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(
			ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("request must not be null"),
			 errhint(
				 "Give the id that dgen.request returned. In a handler this is ctx.message_id.")));
	return PG_GETARG_INT64(0);
}

Datum
dgen_send_reply(PG_FUNCTION_ARGS)
{
	int64 id = request_argument(fcinfo);
	Reply reply = {.reply = PG_ARGISNULL(1) ? dgen_json_null() : PG_GETARG_DATUM(1)};

	dgen_refuse_read_only(fcinfo);
	PG_RETURN_BOOL(answer_one(id, &reply, true));
}

Datum
dgen_fail_request(PG_FUNCTION_ARGS)
{
	int64 id = request_argument(fcinfo);
	Reply reply = {0};

	dgen_refuse_read_only(fcinfo);
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("error must not be null"),
						errhint("Give a text that says what went wrong.")));
	reply.error = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reply.sqlstate = PG_ARGISNULL(2) ? DGEN_FAIL_SQLSTATE : text_to_cstring(PG_GETARG_TEXT_PP(2));
	PG_RETURN_BOOL(answer_one(id, &reply, true));
}
