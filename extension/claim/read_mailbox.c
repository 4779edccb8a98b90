/*
 * Reading the messages of one mailbox for a batch, in order and within the limits of the batch. If
 * dead rows lie in front of the messages, the reading stores a low-water mark (a floor), and the
 * next reading begins behind it.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "claim/reader.h"
#include "shared/memo.h"
#include "table/columns.h"
#include "table/floor.h"
#include "table/row.h"
#include "table/scan.h"
#include "table/shape.h"
#include "wake/held_locks.h"

/* Messages of blocked actors to pass in a mailbox that two keys share. */
#define SKIP_ROWS 1000

#define INITIAL_MESSAGES 8

/* ---- rows ---- */

static BatchActor *
find_actor(Reader *reader, Datum key)
{
	text *wanted = DatumGetTextPP(key);

	for (int i = reader->first_actor; i < reader->batch->nactors; i++)
		if (dgen_same_text(reader->batch->actors[i].key, wanted))
			return &reader->batch->actors[i];
	return dgen_reader_add_actor(reader, key);
}

static BatchMessage *
next_message(BatchActor *actor)
{
	int n = actor->nmessages;

	if (n == 0)
		actor->messages = palloc(INITIAL_MESSAGES * sizeof(BatchMessage));
	else if (n >= INITIAL_MESSAGES && (n & (n - 1)) == 0)
		actor->messages = repalloc(actor->messages, 2 * n * sizeof(BatchMessage));
	actor->nmessages++;
	return &actor->messages[n];
}

/* The copy of the row that the columns point into lives in the batch's context. */
static void
read_message(Reader *reader, BatchActor *actor, const DgenScan *scan, Datum *values, bool *nulls)
{
	BatchMessage *message = next_message(actor);

	message->tid = scan->slot->tts_tid;
	message->buffer = ((const BufferHeapTupleTableSlot *) scan->slot)->buffer;
	message->seq = DatumGetInt64(values[MESSAGE_SEQ]);
	message->id =
		DatumGetInt64(nulls[MESSAGE_MESSAGE_ID] ? values[MESSAGE_SEQ] : values[MESSAGE_MESSAGE_ID]);
	message->in_reply_to =
		nulls[MESSAGE_IN_REPLY_TO] ? 0 : DatumGetInt64(values[MESSAGE_IN_REPLY_TO]);
	message->sent_at = DatumGetTimestampTz(values[MESSAGE_SENT_AT]);
	message->priority = DatumGetInt16(values[MESSAGE_PRIORITY]);
	message->kind = DatumGetChar(values[MESSAGE_KIND]);
	message->message = values[MESSAGE_MESSAGE];
	message->headers = nulls[MESSAGE_HEADERS] ? 0 : values[MESSAGE_HEADERS];
	message->correlation = nulls[MESSAGE_CORRELATION] ? 0 : values[MESSAGE_CORRELATION];
	message->error = nulls[MESSAGE_ERROR] ? 0 : values[MESSAGE_ERROR];
	message->sqlstate = nulls[MESSAGE_SQLSTATE] ? 0 : values[MESSAGE_SQLSTATE];
	message->attempts = reader->mailbox_has_failed ? dgen_reader_attempts(reader, message->id) : 0;
	message->locked = false;
	message->attempt = 0;
	reader->batch->nmessages++;
	reader->batch->bytes += toast_raw_datum_size(message->message);
}

/*
 * And with it all that comes behind, in order. Two keys that share the mailbox wait for each other.
 */
static bool
waits_for_unlock(const BatchActor *actor, Datum priority)
{
	return actor->locked && DatumGetInt16(priority) < actor->type->locked_priority;
}

/*
 * The first messages of each actor of the mailbox, normally one actor. An actor that has its share
 * ends the reading: what follows keeps its order for the next batch. False if it ended before the
 * scan.
 */
static bool
read_rows(Reader *reader, DgenScan *scan)
{
	int skipped = 0;

	while (!reader_is_full(reader) && dgen_scan_next(scan))
	{
		Datum values[MESSAGE_COLUMNS];
		bool nulls[MESSAGE_COLUMNS];
		HeapTuple row = ExecCopySlotHeapTuple(scan->slot);
		BatchActor *actor;

		dgen_row_deform(row, RelationGetDescr(scan->heap), values, nulls, MESSAGE_COLUMNS);
		reader->highest_seq = Max(reader->highest_seq, DatumGetInt64(values[MESSAGE_SEQ]));
		if (reader->first_seq == 0 && DatumGetInt16(values[MESSAGE_PRIORITY]) == 0)
			reader->first_seq = DatumGetInt64(values[MESSAGE_SEQ]);
		if (reader->only != NULL &&
			!dgen_same_text(reader->only, DatumGetTextPP(values[MESSAGE_ACTOR_KEY])))
		{
			CHECK_FOR_INTERRUPTS();
			heap_freetuple(row);
			continue;
		}
		actor = find_actor(reader, values[MESSAGE_ACTOR_KEY]);
		if (actor->blocked != BLOCKED_NOT)
		{
			if (++skipped == SKIP_ROWS)
				return false;
		}
		else if (waits_for_unlock(actor, values[MESSAGE_PRIORITY]))
		{
			reader->at_lock = true;
			return false;
		}
		else if (actor->nmessages == reader->per_actor)
			return false;
		else
			read_message(reader, actor, scan, values, nulls);
	}
	return !reader_is_full(reader);
}

/* ---- floors ---- */

/* Without the dead rows up to the floor. */
static bool
read_beyond_floor(Reader *reader)
{
	if (!reader->has_floor)
		dgen_floor_open(&reader->floor, GetActiveSnapshot());
	reader->has_floor = true;
	for (int i = 0; i < FLOOR_SCANS; i++)
		if (!read_rows(reader, dgen_floor_seek(&reader->floor, i, reader->type->id, reader->mailbox,
											   reader->remembered.floor)))
			return false;
	return true;
}

static bool
read_all(Reader *reader)
{
	ScanKeyData keys[2];

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
	dgen_scan_seek(&reader->messages, keys, 2);
	return read_rows(reader, &reader->messages);
}

/*
 * Worthwhile only if the next reading would pass many dead rows again. A rollback brings back the
 * rows that this transaction has removed itself, so they must not be hidden.
 */
static void
remember(Reader *reader, bool to_the_end, int64 dead)
{
	int64 floor = dgen_settled_seq(GetActiveSnapshot());

	if (!reader->first_read || (reader->remembered.floor == 0 && dead < FLOOR_ROWS))
		return;
	if (reader->first_seq != 0)
		floor = Min(floor, reader->first_seq - 1);
	else if (!to_the_end)
		return;
	if (reader->remembered.floor == 0)
		reader->remembered.passed = dead;
	reader->remembered.floor = Max(reader->remembered.floor, floor);
}

/* ---- the mailbox ---- */

void
dgen_reader_set_mailbox(Reader *reader, int64 mailbox, int held)
{
	reader->mailbox = mailbox;
	reader->held = held;
	reader->row_locked = reader->at_lock = false;
	reader->mailbox_has_failed = false;
	reader->first_seq = 0;
	reader->first_actor = reader->batch->nactors;
	dgen_memo_get(reader->type->id, mailbox, &reader->remembered);
}

void
dgen_reader_read_messages(Reader *reader)
{
	int64 dead = reader->messages.dead;
	int64 old_floor = reader->remembered.floor;
	bool to_the_end = old_floor > 0 ? read_beyond_floor(reader) : read_all(reader);

	if ((to_the_end || reader->at_lock) && !reader->row_locked)
		dgen_wakeup_drained(reader->held);
	remember(reader, to_the_end, reader->messages.dead - dead);
	for (int i = reader->first_actor; i < reader->batch->nactors; i++)
		reader->batch->actors[i].remembered = reader->remembered;
	if (reader->remembered.floor != old_floor)
		dgen_memo_set(reader->type->id, reader->mailbox, &reader->remembered);
}
