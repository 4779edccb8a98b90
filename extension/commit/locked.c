/*
 * Locked actors: rows of dgen.locked, with the message that locked the actor. Each row is written
 * under the actor's lock, and so never races with a turn, an operator or another attempt.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "base/errors.h"
#include "claim/part.h"
#include "claim/read_batch.h"
#include "commit/failure.h"
#include "commit/locked.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/scan.h"
#include "table/shape.h"
#include "table/table.h"
#include "wake/wake.h"
#include "write/sequence.h"
#include "write/writer.h"

/* ---- reading ---- */

typedef struct LockedRow
{
	ItemPointerData tid;
	Datum values[LOCKED_COLUMNS]; /* point into a copy of the row */
	bool nulls[LOCKED_COLUMNS];
} LockedRow;

static bool
is_wanted(const DgenScan *scan, int64 fence, const text *key)
{
	if (fence != 0)
		return DatumGetInt64(scan->values[LOCKED_FENCE]) == fence;
	return dgen_same_text(DatumGetTextPP(scan->values[LOCKED_ACTOR_KEY]), key);
}

static bool
find_row(int32 type_id, int64 mailbox, int64 fence, const text *key, LockedRow *row)
{
	DgenScan scan;
	ScanKeyData keys[2];
	bool found = false;

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, mailbox);
	dgen_scan_begin(&scan, TABLE_LOCKED, INDEX_PRIMARY, GetActiveSnapshot(), 2);
	dgen_scan_seek(&scan, keys, 2);
	while (!found && dgen_scan_next(&scan))
	{
		dgen_scan_row(&scan);
		found = is_wanted(&scan, fence, key);
	}
	if (found)
	{
		HeapTuple copy = ExecCopySlotHeapTuple(scan.slot);

		row->tid = scan.slot->tts_tid;
		dgen_row_deform(copy, RelationGetDescr(scan.heap), row->values, row->nulls, LOCKED_COLUMNS);
	}
	dgen_scan_end(&scan);
	return found;
}

static Datum
or_none(const LockedRow *row, int column)
{
	return row->nulls[column] ? (Datum) 0 : row->values[column];
}

static void
set_message(BatchMessage *message, const LockedRow *row)
{
	message->tid = row->tid;
	message->id = DatumGetInt64(row->values[LOCKED_MESSAGE_ID]);
	message->in_reply_to = DatumGetInt64(or_none(row, LOCKED_IN_REPLY_TO));
	message->sent_at = DatumGetTimestampTz(row->values[LOCKED_SENT_AT]);
	message->priority = DatumGetInt16(row->values[LOCKED_PRIORITY]);
	message->kind = DatumGetChar(row->values[LOCKED_KIND]);
	message->message = row->values[LOCKED_MESSAGE];
	message->headers = or_none(row, LOCKED_HEADERS);
	message->correlation = or_none(row, LOCKED_CORRELATION);
	message->error = or_none(row, LOCKED_ERROR);
	message->sqlstate = or_none(row, LOCKED_SQLSTATE);
	message->attempts = DatumGetInt32(row->values[LOCKED_FAILED]);
	message->attempt = DatumGetInt32(row->values[LOCKED_ATTEMPT]);
	message->locked = true;
}

/* NULL: its row is locked by another session, and this is a try. */
static Batch *
read_row(const ActorType *type, const LockedRow *row, ReadRow how)
{
	text *key = DatumGetTextPP(row->values[LOCKED_ACTOR_KEY]);
	Batch *batch = dgen_read_actor_alone(type, key, how);
	BatchActor *actor = &batch->actors[0];

	if (actor->blocked != BLOCKED_NOT)
		return NULL;
	actor->messages = MemoryContextAllocZero(batch->context, sizeof(BatchMessage));
	actor->nmessages = batch->nmessages = 1;
	set_message(&actor->messages[0], row);
	return batch;
}

Batch *
dgen_read_locked(const ActorType *type, int64 mailbox, int64 fence, text *key, ReadRow how)
{
	LockedRow row;
	bool found;

	CommandCounterIncrement();
	dgen_table_lock(TABLE_LOCKED, how == READ_LOOK ? AccessShareLock : RowExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	found = find_row(type->id, mailbox, fence, key, &row);
	PopActiveSnapshot();
	return found ? read_row(type, &row, how) : NULL;
}

/* ---- writing ---- */

/* The columns that stay as they are while the actor is locked. */
static void
put_message(const BatchActor *actor, const BatchMessage *message, Datum *values, bool *nulls)
{
	memset(nulls, false, LOCKED_COLUMNS * sizeof(bool));
	values[LOCKED_TYPE_ID] = Int32GetDatum(actor->type->id);
	values[LOCKED_MAILBOX] = Int64GetDatum(actor->mailbox);
	values[LOCKED_ACTOR_KEY] = PointerGetDatum(actor->key);
	values[LOCKED_MESSAGE_ID] = Int64GetDatum(message->id);
	values[LOCKED_SENT_AT] = TimestampTzGetDatum(message->sent_at);
	values[LOCKED_PRIORITY] = Int16GetDatum(message->priority);
	values[LOCKED_KIND] = CharGetDatum(message->kind);
	values[LOCKED_MESSAGE] = message->message;
	values[LOCKED_IN_REPLY_TO] = Int64GetDatum(message->in_reply_to);
	nulls[LOCKED_IN_REPLY_TO] = message->in_reply_to == 0;
	dgen_put(values, nulls, LOCKED_HEADERS, message->headers);
	dgen_put(values, nulls, LOCKED_CORRELATION, message->correlation);
	dgen_put(values, nulls, LOCKED_ERROR, message->error);
	dgen_put(values, nulls, LOCKED_SQLSTATE, message->sqlstate);
}

/* To be run from `when` on. The fence is new: the attempt before can no longer commit. */
static void
put_waiting(Datum *values, TimestampTz when)
{
	values[LOCKED_FENCE] = Int64GetDatum(dgen_nextval(SEQUENCE_VERSION));
	values[LOCKED_RETRY_AT] = TimestampTzGetDatum(when);
	values[LOCKED_EXPIRES_AT] = TimestampTzGetDatum(DT_NOEND);
}

void
dgen_insert_locked(BatchActor *actor)
{
	const BatchMessage *message = &actor->messages[actor->handled - 1];
	Datum values[LOCKED_COLUMNS];
	bool nulls[LOCKED_COLUMNS];
	TimestampTz now = GetCurrentTimestamp();
	DgenWriter writer;

	put_message(actor, message, values, nulls);
	put_waiting(values, now);
	values[LOCKED_LOCKED_AT] = TimestampTzGetDatum(now);
	values[LOCKED_ATTEMPT] = Int32GetDatum(0);
	values[LOCKED_FAILED] = Int32GetDatum(0);
	nulls[LOCKED_WORKER] = nulls[LOCKED_LAST_ERROR] = nulls[LOCKED_LAST_SQLSTATE] = true;
	dgen_writer_open(&writer, TABLE_LOCKED);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);
	actor->locked = actor->status_changed = true;
	dgen_wakeup_locked(actor->type->id);
}

static void
raise_lost(const BatchActor *actor)
{
	ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
					errmsg("row of locked actor \"%s\" of type \"%s\" changed while it was owned",
						   text_to_cstring(actor->key), actor->type->name),
					errhint("Write to dgen.locked only through dgen's functions.")));
}

/* The one that is there now, in a snapshot of its own. */
static bool
read_again(const BatchActor *actor, LockedRow *row)
{
	bool found;

	CommandCounterIncrement();
	dgen_table_lock(TABLE_LOCKED, RowExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	found = find_row(actor->type->id, actor->mailbox, 0, actor->key, row);
	PopActiveSnapshot();
	return found;
}

void
dgen_delete_locked(BatchActor *actor, const BatchMessage *message)
{
	LockedRow row;
	Relation heap = dgen_table_open(TABLE_LOCKED, RowExclusiveLock);
	ItemPointerData tid = message->tid;

	if (!read_again(actor, &row) || !ItemPointerEquals(&row.tid, &tid) ||
		!dgen_delete_row(heap, &tid))
		raise_lost(actor);
	table_close(heap, NoLock);
	dgen_part_ends(DatumGetInt64(row.values[LOCKED_FENCE]));
	actor->locked = false;
	actor->status_changed = true;
	dgen_wakeup_sent(actor->type->id, actor->mailbox); /* what has waited for this */
}

static void
update(const LockedRow *row, Datum *values, bool *nulls)
{
	ItemPointerData tid = row->tid;
	DgenWriter writer;

	dgen_writer_open(&writer, TABLE_LOCKED);
	dgen_writer_update(&writer, &tid, values, nulls);
	dgen_writer_close(&writer);
	CommandCounterIncrement();
}

void
dgen_postpone_locked(const BatchActor *actor, const BatchMessage *message, int failed,
					 TimestampTz retry_at, const Failure *failure)
{
	LockedRow row;

	if (!read_again(actor, &row))
		raise_lost(actor);
	dgen_part_ends(DatumGetInt64(row.values[LOCKED_FENCE]));
	put_waiting(row.values, retry_at);
	row.values[LOCKED_FAILED] = Int32GetDatum(failed);
	dgen_put_string(row.values, row.nulls, LOCKED_LAST_ERROR, failure->error);
	dgen_put_string(row.values, row.nulls, LOCKED_LAST_SQLSTATE, failure->sqlstate);
	update(&row, row.values, row.nulls);
	if (retry_at <= GetCurrentTimestamp())
		dgen_wakeup_locked(actor->type->id);
	else
		dgen_wakeup_due(actor->type->id, retry_at);
}

bool
dgen_begin_locked(const BatchActor *actor, int64 fence, TimestampTz expires_at, const char *worker)
{
	LockedRow row;

	if (!read_again(actor, &row))
		return false;
	row.values[LOCKED_FENCE] = Int64GetDatum(fence);
	row.values[LOCKED_RETRY_AT] = TimestampTzGetDatum(DT_NOEND);
	row.values[LOCKED_EXPIRES_AT] = TimestampTzGetDatum(expires_at);
	row.values[LOCKED_ATTEMPT] = Int32GetDatum(DatumGetInt32(row.values[LOCKED_ATTEMPT]) + 1);
	dgen_put_string(row.values, row.nulls, LOCKED_WORKER, worker);
	update(&row, row.values, row.nulls);
	dgen_wakeup_due(actor->type->id, expires_at);
	return true;
}
