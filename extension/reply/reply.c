/*
 * Requests and their replies.
 *
 * A request's row is written with its message and answered by a turn, by
 * dgen.send_reply or by whatever ends the message. Then either the requester
 * collects it, or the reply travels on as a message to the actor that asked.
 */
#include "dgen_ext.h"
#include "table/columns.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/executor.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(dgen_send_reply);
PG_FUNCTION_INFO_V1(dgen_fail_request);

Datum
dgen_json_null(void)
{
	JsonbValue value = {.type = jbvNull};

	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

/* A handler gives any text as SQLSTATE: only what is one is raised as one. */
int
dgen_sqlstate_of(const char *text)
{
	if (text == NULL || strlen(text) != 5 ||
		strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || strncmp(text, "00", 2) == 0 ||
		strncmp(text, "01", 2) == 0 || strncmp(text, "02", 2) == 0)
		return DGEN_ERR_REQUEST_FAILED;
	return MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
}

/* ---- asking ---- */

void
dgen_get_reply_to(HeapTupleHeader context, ReplyTo *reply_to)
{
	bool type_is_null, key_is_null;
	Datum type_name = GetAttributeByName(context, "actor_type", &type_is_null);
	Datum key = GetAttributeByName(context, "actor_key", &key_is_null);
	const ActorType *type;

	if (type_is_null || key_is_null)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("reply_to names no actor"),
						errhint("Pass the ctx that the handler got.")));
	type = dgen_type_by_name(DatumGetTextPP(type_name));
	reply_to->type_id = type->id;
	reply_to->key = DatumGetTextPP(key);
	if (!dgen_is_in_turn(type->id, dgen_mailbox_of(reply_to->key)) &&
		!dgen_is_in_action(type->id, reply_to->key))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("reply_to is not the actor whose turn this is"),
			 errhint(
				 "Pass the ctx that the handler got; outside of a turn use dgen.await_reply.")));
	dgen_check_claimer();
}

static void
put_text(Datum *values, bool *nulls, int column, const text *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

void
dgen_request_row(const Send *send, int64 id, const ReplyTo *reply_to, text *correlation, bool keep,
				 Datum *values, bool *nulls)
{
	memset(values, 0, REQUEST_COLUMNS * sizeof(Datum));
	memset(nulls, true, REQUEST_COLUMNS * sizeof(bool));
	memset(nulls, false, (REQUEST_ACTOR_KEY + 1) * sizeof(bool));
	nulls[REQUEST_REPLIED_AT] = true;
	values[REQUEST_ID] = Int64GetDatum(id);
	values[REQUEST_MAILBOX] = Int64GetDatum(dgen_mailbox_of(send->key));
	values[REQUEST_SENT_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[REQUEST_TYPE_ID] = Int32GetDatum(send->type->id);
	values[REQUEST_REQUESTER] = ObjectIdGetDatum(dgen_calling_role());
	values[REQUEST_STATUS] = CharGetDatum(REQUEST_PENDING);
	values[REQUEST_KEEP] = BoolGetDatum(keep);
	values[REQUEST_ACTOR_KEY] = PointerGetDatum(send->key);
	values[REQUEST_DUE_AT] = TimestampTzGetDatum(send->not_before);
	nulls[REQUEST_DUE_AT] = send->not_before == 0;
	if (reply_to != NULL)
	{
		values[REQUEST_REPLY_TYPE_ID] = Int32GetDatum(reply_to->type_id);
		nulls[REQUEST_REPLY_TYPE_ID] = false;
		put_text(values, nulls, REQUEST_REPLY_KEY, reply_to->key);
	}
	put_text(values, nulls, REQUEST_CORRELATION, correlation);
}

void
dgen_open_request(const Send *send, int64 id, const ReplyTo *reply_to, text *correlation, bool keep)
{
	Datum values[REQUEST_COLUMNS];
	bool nulls[REQUEST_COLUMNS];
	DgenWriter writer;

	dgen_request_row(send, id, reply_to, correlation, keep, values, nulls);
	dgen_writer_open(&writer, TABLE_REQUEST);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);
}

/* ---- looking ---- */

/* Since its id is found by the key, there is one at most. */
static bool
find_with(DgenScan *scan, int64 id, Request *request)
{
	ScanKeyData key;
	HeapTuple tuple;

	dgen_key_int8(&key, 1, BTEqualStrategyNumber, id);
	dgen_scan_seek(scan, &key, 1);
	if (!dgen_scan_next(scan))
		return false;
	tuple = ExecCopySlotHeapTuple(scan->slot);
	request->tid = scan->slot->tts_tid;
	request->own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	dgen_row_deform(tuple, RelationGetDescr(scan->heap), request->values, request->nulls,
					REQUEST_COLUMNS);
	request->status = DatumGetChar(request->values[REQUEST_STATUS]);
	return true;
}

/*
 * The row as the latest snapshot shows it, whatever the isolation level: a reply
 * is an event, not a part of what the transaction looks at.
 */
bool
dgen_find_request(int64 id, Request *request)
{
	Snapshot snapshot;
	DgenScan scan;
	bool found;

	dgen_table_lock(TABLE_REQUEST, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_scan_begin(&scan, TABLE_REQUEST, INDEX_PRIMARY, snapshot, 1);
	found = find_with(&scan, id, request);
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* One snapshot and one scan for all; ids in ascending order stay on the same pages. */
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

static void
put_string(Datum *values, bool *nulls, int column, const char *value)
{
	nulls[column] = value == NULL;
	values[column] = value == NULL ? (Datum) 0 : CStringGetTextDatum(dgen_cut_error(value));
}

void
dgen_cancelled_reply(Reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->error = "request was cancelled";
	reply->sqlstate = pstrdup(unpack_sql_state(DGEN_ERR_REQUEST_CANCELLED));
	reply->hint = "It will not be answered.";
	reply->cancelled = true;
}

static char *
string_of(const Request *request, int column)
{
	return request->nulls[column] ? NULL : TextDatumGetCString(request->values[column]);
}

void
dgen_kept_reply(const Request *request, Reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	if (request->status == REQUEST_CANCELLED)
		dgen_cancelled_reply(reply);
	else if (request->status == REQUEST_REPLIED)
		reply->reply = request->values[REQUEST_REPLY];
	else
	{
		reply->error = string_of(request, REQUEST_ERROR);
		if (reply->error == NULL)
			reply->error = "unspecified error";
		reply->sqlstate = string_of(request, REQUEST_SQLSTATE);
		reply->hint = string_of(request, REQUEST_HINT);
	}
}

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
	put_string(values, nulls, REQUEST_ERROR, reply->cancelled ? NULL : reply->error);
	put_string(values, nulls, REQUEST_SQLSTATE, reply->cancelled ? NULL : reply->sqlstate);
	put_string(values, nulls, REQUEST_HINT, reply->cancelled ? NULL : reply->hint);
	if (!dgen_writer_try_update(writer, &request->tid, values, nulls))
		return false;
	dgen_wakeup_replied(DatumGetInt64(values[REQUEST_ID]));
	return true;
}

void
dgen_reply_to_actor(const ReplyTo *to, int64 id, text *correlation, const Reply *reply)
{
	Send send = {
		.kind = KIND_REPLY,
		.type = dgen_type_by_id(to->type_id, true),
		.key = to->key,
		.in_reply_to = id,
		.correlation = correlation,
	};

	if (send.type == NULL)
		return; /* dropped, and nobody is left to tell */
	send.message = reply->error == NULL ? reply->reply : dgen_json_null();
	if (reply->error != NULL)
	{
		send.error = cstring_to_text(dgen_cut_error(reply->error));
		send.sqlstate = cstring_to_text(
			dgen_cut_error(reply->sqlstate != NULL ? reply->sqlstate : DGEN_FAIL_SQLSTATE));
	}
	(void) dgen_send(&send);
}

/* The reply becomes a message to the actor that asked. */
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
 * A client's request keeps its reply until that is collected; with an idempotency key also
 * that of an actor, for whoever asks with the same key. False: see dgen_writer_try_update.
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

/* Whoever may work for the type may answer its requests, or its owner, whose handlers do. */
static bool
may_answer(const Request *request)
{
	const ActorType *type = dgen_type_by_id(DatumGetInt32(request->values[REQUEST_TYPE_ID]), true);

	if (type == NULL)
		return false; /* dropped, and no request of it is open */
	dgen_check_work_found(type, dgen_calling_role());
	return true;
}

typedef enum Answered
{
	ANSWERED_YES,
	ANSWERED_NO,   /* it is not open, or gone */
	ANSWERED_AGAIN /* somebody else has written its row since the snapshot: take another one */
} Answered;

static Answered
answer_with(Answers *answers, int64 id, const Reply *reply)
{
	Request request;

	if (!find_with(&answers->scan, id, &request))
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
	dgen_writer_open(&answers->writer, TABLE_REQUEST); /* its lock comes first, see lock_tables */
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
 * Whoever else answers the request at this moment is waited for, and then seen by the next
 * snapshot: only one of us is told "open". What this transaction itself has written is seen
 * too, as each look is a command of its own: so each further look is owed to a commit of
 * somebody else's.
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
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("request is NULL"),
			 errhint(
				 "Give the id that dgen.request returned; in a handler that is ctx.message_id.")));
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
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("error is NULL"),
						errhint("Say what went wrong.")));
	reply.error = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reply.sqlstate = PG_ARGISNULL(2) ? DGEN_FAIL_SQLSTATE : text_to_cstring(PG_GETARG_TEXT_PP(2));
	PG_RETURN_BOOL(answer_one(id, &reply, true));
}
