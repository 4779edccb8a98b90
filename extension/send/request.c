/*
 * Requests: the row that is written with the message, and looked up when the request is answered or
 * awaited; and the message that carries a reply to the actor that asked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/in_hand.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "base/blame.h"
#include "base/errors.h"
#include "base/rights.h"
#include "send/request.h"
#include "send/send.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/scan.h"
#include "table/shape.h"
#include "table/table.h"
#include "write/writer.h"

Datum
dgen_json_null(void)
{
	JsonbValue value = {.type = jbvNull};

	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

void
dgen_get_reply_to(HeapTupleHeader context, ReplyTo *reply_to)
{
	bool type_is_null, key_is_null;
	Datum type_name = GetAttributeByName(context, "actor_type", &type_is_null);
	Datum key = GetAttributeByName(context, "actor_key", &key_is_null);
	const ActorType *type;

	if (type_is_null || key_is_null)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("reply_to must name an actor"),
				 errhint("Pass the ctx of the handler.")));
	type = dgen_type_by_name(DatumGetTextPP(type_name));
	reply_to->type_id = type->id;
	reply_to->key = DatumGetTextPP(key);
	if (!dgen_is_in_turn(type->id, dgen_mailbox_of(reply_to->key)) &&
		!dgen_is_in_action(type->id, reply_to->key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reply_to must be the actor whose turn is running"),
				 errhint("Pass the ctx of the handler. Outside of a turn use dgen.await_reply.")));
	dgen_check_claimer();
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
		dgen_put_text(values, nulls, REQUEST_REPLY_KEY, reply_to->key);
	}
	dgen_put_text(values, nulls, REQUEST_CORRELATION, correlation);
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

/* Searches by the id, which at most one row has. */
bool
dgen_find_request_with(DgenScan *scan, int64 id, Request *request)
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
 * Reads the row in the latest snapshot in every isolation level: a reply is an event, not a part of the
 * data that the transaction reads.
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
	found = dgen_find_request_with(&scan, id, request);
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return found;
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
		reply->error = dgen_get_string(request->values, request->nulls, REQUEST_ERROR);
		if (reply->error == NULL)
			reply->error = "unspecified error";
		reply->sqlstate = dgen_get_string(request->values, request->nulls, REQUEST_SQLSTATE);
		reply->hint = dgen_get_string(request->values, request->nulls, REQUEST_HINT);
	}
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
		return; /* the type was dropped, so no caller is left */
	send.message = reply->error == NULL ? reply->reply : dgen_json_null();
	if (reply->error != NULL)
	{
		send.error = cstring_to_text(dgen_cut_error(reply->error));
		send.sqlstate = cstring_to_text(
			dgen_cut_error(reply->sqlstate != NULL ? reply->sqlstate : DGEN_FAIL_SQLSTATE));
	}
	(void) dgen_send(&send);
}
