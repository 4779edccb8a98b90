/*
 * Requests and their replies.
 *
 * A request's row is written with its message and answered by a turn, by
 * dgen.send_reply or by whatever ends the message. Then either the requester
 * collects it, or the reply travels on as a message to the actor that asked.
 */
#include "dgen_ext.h"
#include "table.h"

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
	if (!dgen_is_in_turn(type->id, dgen_mailbox_of(reply_to->key)))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("reply_to is not the actor whose turn this is"),
			 errhint(
				 "Pass the ctx that the handler got; outside of a turn use dgen.await_reply.")));
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

/*
 * The row as the latest snapshot shows it, whatever the isolation level: a reply
 * is an event, not a part of what the transaction looks at.
 */
bool
dgen_find_request(int64 id, Request *request)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	DgenScan scan;
	ScanKeyData key;
	bool found;

	dgen_key_int8(&key, 1, BTEqualStrategyNumber, id);
	dgen_scan_begin(&scan, TABLE_REQUEST, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	found = dgen_scan_next(&scan);
	if (found)
	{
		HeapTuple tuple = ExecCopySlotHeapTuple(scan.slot);

		request->tid = scan.slot->tts_tid;
		request->own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
		heap_deform_tuple(tuple, RelationGetDescr(scan.heap), request->values, request->nulls);
		request->status = DatumGetChar(request->values[REQUEST_STATUS]);
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* One snapshot and one scan for all; ids in ascending order stay on the same pages. */
void
dgen_find_answered(const int64 *ids, int count, bool *answered)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Oid role = dgen_calling_role();
	DgenScan scan;
	ScanKeyData key;

	dgen_scan_begin(&scan, TABLE_REQUEST, INDEX_PRIMARY, snapshot, 1);
	for (int i = 0; i < count; i++)
	{
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

/*
 * Locks the newest version of the request's row. False if it is gone. Somebody
 * else who answers it at this moment is waited for: only one of us is told "open".
 */
static bool
lock_request(int64 id, Request *request)
{
	Relation heap = dgen_table_open(TABLE_REQUEST, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	bool found = dgen_find_request(id, request);

	if (found)
	{
		TM_FailureData failure;
		TM_Result result;

		/* In a worker no snapshot is active between the turns. */
		PushActiveSnapshot(GetLatestSnapshot());
		result = table_tuple_lock(heap, &request->tid, GetActiveSnapshot(), slot,
								  GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitBlock,
								  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
		PopActiveSnapshot();
		found = result == TM_Ok;
		if (found)
		{
			HeapTuple tuple = ExecCopySlotHeapTuple(slot);

			request->tid = slot->tts_tid;
			heap_deform_tuple(tuple, RelationGetDescr(heap), request->values, request->nulls);
			request->status = DatumGetChar(request->values[REQUEST_STATUS]);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(heap, NoLock);
	return found;
}

static void
put_string(Datum *values, bool *nulls, int column, const char *value)
{
	nulls[column] = value == NULL;
	values[column] = value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

static void
keep_reply(Request *request, const Reply *reply)
{
	Datum *values = request->values;
	bool *nulls = request->nulls;
	DgenWriter writer;

	values[REQUEST_STATUS] = CharGetDatum(reply->error != NULL ? REQUEST_FAILED : REQUEST_REPLIED);
	values[REQUEST_REPLIED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[REQUEST_REPLIED_AT] = false;
	values[REQUEST_REPLY] = reply->reply;
	nulls[REQUEST_REPLY] = reply->error != NULL;
	put_string(values, nulls, REQUEST_ERROR, reply->error);
	put_string(values, nulls, REQUEST_SQLSTATE, reply->sqlstate);
	put_string(values, nulls, REQUEST_HINT, reply->hint);
	dgen_writer_open(&writer, TABLE_REQUEST);
	dgen_writer_update(&writer, &request->tid, values, nulls);
	dgen_writer_close(&writer);
	dgen_wakeup_replied(DatumGetInt64(values[REQUEST_ID]));
}

/* The reply becomes a message, and the request is done. */
static void
send_on(Request *request, const Reply *reply)
{
	Datum *values = request->values;
	Relation heap = dgen_table_open(TABLE_REQUEST, RowExclusiveLock);
	Send send = {.kind = KIND_REPLY};

	(void) dgen_delete_row(heap, &request->tid);
	table_close(heap, NoLock);

	send.type = dgen_type_by_id(DatumGetInt32(values[REQUEST_REPLY_TYPE_ID]), true);
	if (send.type == NULL)
		return; /* dropped, and nobody is left to tell */
	send.key = DatumGetTextPP(values[REQUEST_REPLY_KEY]);
	send.in_reply_to = DatumGetInt64(values[REQUEST_ID]);
	if (!request->nulls[REQUEST_CORRELATION])
		send.correlation = DatumGetTextPP(values[REQUEST_CORRELATION]);
	send.message = reply->error == NULL ? reply->reply : dgen_json_null();
	if (reply->error != NULL)
	{
		send.error = cstring_to_text(reply->error);
		send.sqlstate =
			cstring_to_text(reply->sqlstate != NULL ? reply->sqlstate : DGEN_FAIL_SQLSTATE);
	}
	(void) dgen_send(&send);
}

bool
dgen_answer(int64 id, const Reply *reply)
{
	Request request;

	CommandCounterIncrement();
	if (!lock_request(id, &request) || request.status != REQUEST_PENDING)
		return false;
	if (request.nulls[REQUEST_REPLY_TYPE_ID])
		keep_reply(&request, reply);
	else
		send_on(&request, reply);
	CommandCounterIncrement();
	return true;
}

/* ---- from SQL ---- */

/* Whoever may work for the type may answer its requests, or its owner, whose handlers do. */
bool
dgen_may_answer(int64 id)
{
	Request request;
	const ActorType *type;

	if (!dgen_find_request(id, &request))
		return false;
	type = dgen_type_by_id(DatumGetInt32(request.values[REQUEST_TYPE_ID]), false);
	dgen_check_privilege(type, dgen_calling_role(), PRIVILEGE_WORK);
	return true;
}

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

	PG_RETURN_BOOL(dgen_may_answer(id) && dgen_answer(id, &reply));
}

Datum
dgen_fail_request(PG_FUNCTION_ARGS)
{
	int64 id = request_argument(fcinfo);
	Reply reply = {0};

	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("error is NULL"),
						errhint("Say what went wrong.")));
	reply.error = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reply.sqlstate = PG_ARGISNULL(2) ? DGEN_FAIL_SQLSTATE : text_to_cstring(PG_GETARG_TEXT_PP(2));
	PG_RETURN_BOOL(dgen_may_answer(id) && dgen_answer(id, &reply));
}
