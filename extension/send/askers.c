/*
 * Requests with an idempotency key that an earlier request has used. No message is sent: the later caller
 * gets the same reply as the first. A client awaits the same id. An actor gets the reply as a message of
 * its own: immediately if the reply exists, otherwise the actor is noted in a row of dgen.request_asker.
 *
 *     caller                            answering session
 *     locks the request's row (share)   updates the request's row
 *     still pending: adds its row       takes a snapshot, then reads the callers
 *
 * The session that comes second to the request's row waits until the other transaction ends. If the
 * caller was first, its row is committed by then, and the later snapshot of the answering session shows
 * it. If the answering session was first, it has changed the row, so the caller checks again and finds
 * the reply. So no caller is missed, and none is answered twice. Apart from two open transactions with
 * the same key, this is the only case in which a sender waits.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/rights.h"
#include "send/request.h"
#include "send/send.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "write/writer.h"

/* ---- asking ---- */

/* Another role must not read the first role's reply. But an actor's turns can run as several roles. */
static void
check_may_share(const Request *request, const text *key, const ReplyTo *reply_to)
{
	if (has_privs_of_role(dgen_calling_role(),
						  DatumGetObjectId(request->values[REQUEST_REQUESTER])))
		return;
	if (reply_to != NULL && !request->nulls[REQUEST_REPLY_TYPE_ID] &&
		DatumGetInt32(request->values[REQUEST_REPLY_TYPE_ID]) == reply_to->type_id)
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("idempotency key \"%s\" belongs to a request of another role",
						   text_to_cstring(key)),
					errhint("Use another key. Only the role that asked can read the reply.")));
}

static void
insert_asker(const Request *request, const Send *send, const ReplyTo *reply_to, text *correlation)
{
	Datum values[ASKER_COLUMNS];
	bool nulls[ASKER_COLUMNS] = {false};
	DgenWriter writer;

	values[ASKER_REQUEST_ID] = request->values[REQUEST_ID];
	values[ASKER_MAILBOX] = request->values[REQUEST_MAILBOX];
	values[ASKER_ID] = Int64GetDatum(send->seq);
	values[ASKER_ASKED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[ASKER_REPLY_TYPE_ID] = Int32GetDatum(reply_to->type_id);
	values[ASKER_REPLY_KEY] = PointerGetDatum(reply_to->key);
	values[ASKER_CORRELATION] = PointerGetDatum(correlation);
	nulls[ASKER_CORRELATION] = correlation == NULL;
	dgen_writer_open(&writer, TABLE_REQUEST_ASKER);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);
}

/* False: another session has written the row since it was found, and has committed. */
static bool
lock_pending(Request *request)
{
	Relation heap = dgen_table_open(TABLE_REQUEST, RowShareLock);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TM_FailureData failure;
	TM_Result result =
		table_tuple_lock(heap, &request->tid, GetActiveSnapshot(), slot, GetCurrentCommandId(true),
						 LockTupleShare, LockWaitBlock, 0, &failure);

	ExecDropSingleTupleTableSlot(slot);
	table_close(heap, NoLock);
	return result == TM_Ok;
}

/* False: the caller must check again. */
static bool
join(Request *request, const Send *send, const ReplyTo *reply_to, text *correlation)
{
	Reply reply;

	if (request->status != REQUEST_PENDING)
	{
		dgen_kept_reply(request, &reply);
		dgen_reply_to_actor(reply_to, DatumGetInt64(request->values[REQUEST_ID]), correlation,
							&reply);
		return true;
	}
	if (!lock_pending(request))
		return false;
	insert_asker(request, send, reply_to, correlation);
	return true;
}

void
dgen_ask_again(const Send *send, int64 id, const text *key, const ReplyTo *reply_to,
			   text *correlation)
{
	Request request;

	do
	{
		CHECK_FOR_INTERRUPTS();

		/* Makes what this transaction has written of the request visible. */
		CommandCounterIncrement();
		if (!dgen_find_request(id, &request))
			ereport(
				ERROR,
				(errcode(DGEN_ERR_KEY_WITHOUT_REPLY),
				 errmsg("idempotency key \"%s\" stands for message " INT64_FORMAT
						", which keeps no reply",
						text_to_cstring(key), id),
				 errhint(
					 "Use another key for the request. A cast has used this one, or the reply has expired.")));
		check_may_share(&request, key, reply_to);
	} while (reply_to != NULL && !join(&request, send, reply_to, correlation));
}

/* ---- answering the other callers ---- */

static void
tell(DgenScan *scan, int64 id, const Reply *reply)
{
	ReplyTo to;
	text *correlation;

	dgen_scan_row(scan);
	to.type_id = DatumGetInt32(scan->values[ASKER_REPLY_TYPE_ID]);
	to.key = DatumGetTextPCopy(scan->values[ASKER_REPLY_KEY]);
	correlation =
		scan->nulls[ASKER_CORRELATION] ? NULL : DatumGetTextPCopy(scan->values[ASKER_CORRELATION]);

	/* If another session has removed the row with its actor, no caller is left. */
	if (dgen_delete_row(scan->heap, &scan->slot->tts_tid))
		dgen_reply_to_actor(&to, id, correlation, reply);
}

/* The caller has written the request's row, so sessions that now wait for this transaction see the reply later. */
void
dgen_tell_askers(int64 id, const Reply *reply)
{
	DgenScan scan;
	ScanKeyData key;

	CommandCounterIncrement();
	dgen_table_lock(TABLE_REQUEST_ASKER, RowExclusiveLock);
	PushActiveSnapshot(GetLatestSnapshot());
	dgen_key_int8(&key, 1, BTEqualStrategyNumber, id);
	dgen_scan_begin(&scan, TABLE_REQUEST_ASKER, INDEX_PRIMARY, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	while (dgen_scan_next(&scan))
	{
		CHECK_FOR_INTERRUPTS();
		tell(&scan, id, reply);
	}
	dgen_scan_end(&scan);
	PopActiveSnapshot();
	CommandCounterIncrement();
}
