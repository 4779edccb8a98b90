/*
 * Who asks with an idempotency key that an earlier request has used. Nothing is sent then: the
 * later asker gets what the first one gets. A client awaits the same id. An actor gets the
 * reply as a message of its own: at once if it is there, else it waits as a row of
 * dgen.request_asker.
 *
 *     asker                             answerer
 *     locks the request's row (share)   updates the request's row
 *     still pending: adds its row       takes a snapshot, then looks for askers
 *
 * The session that comes second to the request's row waits for the other transaction to end. A caller
 * that was first has committed its row by then, and the answerer's snapshot, taken later,
 * shows it. An answerer that was first has changed the row, so that the asker looks again and
 * finds the reply. So no caller is missed, and none is answered twice. It is the one case besides
 * two open transactions with the same key in which a sender waits.
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

/* Another role could learn what was answered to the first one; an actor's turns may run as several. */
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

/* False: to be looked at again. */
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

		/* What this transaction has written of the request is seen, too. */
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

/* ---- telling ---- */

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

	/* Another session has removed it, with its actor: no caller is left. */
	if (dgen_delete_row(scan->heap, &scan->slot->tts_tid))
		dgen_reply_to_actor(&to, id, correlation, reply);
}

/* The request's row has been written: who waits for this transaction comes later. */
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

/* ---- ended without a reply, for SQL ---- */
