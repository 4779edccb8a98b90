/*
 * Reading a batch: the actors that are owned, and their first messages, in a snapshot
 * taken after their locks. Left out is what cannot be handled now: paused, backing
 * off, or with its row locked by somebody.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/detoast.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* An actor whose row somebody else has locked is looked at again after this, us. */
#define LOCKED_ROW_RETRY_US INT64CONST(200000)

/* Messages of blocked actors to pass in a mailbox that two keys share. */
#define SKIP_ROWS 1000

#define INITIAL_MESSAGES 8

/* ---- marks ---- */

static bool
has_type_row(DgenTable table, int32 type_id)
{
	DgenScan scan;
	ScanKeyData key;
	bool found;

	dgen_key_int4(&key, ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_scan_begin(&scan, table, INDEX_PRIMARY, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	found = dgen_scan_next(&scan);
	dgen_scan_end(&scan);
	return found;
}

static bool
is_paused(int32 type_id, int64 mailbox, text *key)
{
	DgenScan scan;
	ScanKeyData keys[3];
	bool found;

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, mailbox);
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, key);
	dgen_scan_begin(&scan, TABLE_PAUSED, INDEX_PRIMARY, GetActiveSnapshot(), 3);
	dgen_scan_seek(&scan, keys, 3);
	found = dgen_scan_next(&scan);
	dgen_scan_end(&scan);
	return found;
}

bool
dgen_actor_is_paused(int32 type_id, int64 mailbox, text *key)
{
	return is_paused(type_id, mailbox, key);
}

/* The row that pauses a whole type has mailbox 0 and an empty key. */
bool
dgen_type_is_paused(int32 type_id)
{
	return is_paused(type_id, 0, cstring_to_text(""));
}

void
dgen_refuse_isolation(const char *what)
{
	if (IsolationUsesXactSnapshot())
		ereport(
			ERROR,
			(errcode(DGEN_ERR_ISOLATION), errmsg("%s needs a READ COMMITTED transaction", what),
			 errdetail(
				 "In other isolation levels the state would be read as it was before the actor was taken."),
			 errhint("Begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED.")));
}

/* ---- reading ---- */

/* What is open while a batch is read. */
typedef struct Reader
{
	Batch *batch;
	const BatchLimits *limits;
	int per_actor; /* most messages of one actor */
	int most;      /* messages of the batch, when those of this mailbox are read */
	bool wait;     /* wait for a locked actor row instead of leaving the actor out */
	bool look;     /* do not lock it: nothing will be written */
	text *only;    /* pass the messages of other actors by; NULL: read all */
	DgenScan messages;
	DgenScan above;  /* of messages: of a higher priority than 0, ... */
	DgenScan beyond; /* ... of priority 0 beyond a floor, ... */
	DgenScan below;  /* ... and of a lower one; open once a floor was met */
	bool has_floors;
	DgenScan actors;
	DgenScan failed;
	const ActorType *type;
	bool type_has_paused;
	bool type_has_failed;
	bool mailbox_has_failed;
	bool row_locked; /* by somebody else: an actor of this mailbox is left out */
	bool at_lock;    /* ended at a message that waits until its actor is unlocked, which tells */
	int64 mailbox;
	int held;        /* see dgen_wakeup_owned */
	bool first_read; /* since it is owned: this transaction has removed nothing from it */
	Remembered remembered;
	int64 highest_seq;        /* that was met, in any mailbox */
	int64 first_seq;          /* the lowest of priority 0 that was met; 0: none */
	BlockNumber actor_blocks; /* of dgen.actor */
	int first_actor;          /* of this mailbox */
	int capacity;             /* of batch->actors */
	TimestampTz now;
	TimestampTz retry_at; /* an actor of this mailbox backs off until then */
} Reader;

static void
begin_read(Reader *reader, const BatchLimits *limits, int per_actor)
{
	Batch *batch;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "dgen batch", ALLOCSET_DEFAULT_SIZES);

	memset(reader, 0, sizeof(*reader));
	batch = MemoryContextAllocZero(context, sizeof(Batch));
	batch->context = context;
	batch->lxid = DGEN_MY_LXID;
	batch->subid = GetCurrentSubTransactionId();
	reader->capacity = Max(limits->actors, 8);
	batch->actors = MemoryContextAllocZero(context, reader->capacity * sizeof(BatchActor));
	reader->batch = batch;
	reader->limits = limits;
	reader->per_actor = per_actor;
	reader->most = limits->messages;
	reader->now = GetCurrentTimestamp();

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	dgen_scan_begin(&reader->messages, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 2);
	dgen_scan_begin(&reader->actors, TABLE_ACTOR, INDEX_PRIMARY, GetActiveSnapshot(), 3);
	dgen_scan_begin(&reader->failed, TABLE_FAILED_ATTEMPT, INDEX_PRIMARY, GetActiveSnapshot(), 2);
	reader->actor_blocks = RelationGetNumberOfBlocks(reader->actors.heap);
}

static Batch *
end_read(Reader *reader)
{
	dgen_saw_seq(reader->highest_seq);
	if (reader->has_floors)
	{
		dgen_scan_end(&reader->below);
		dgen_scan_end(&reader->beyond);
		dgen_scan_end(&reader->above);
	}
	dgen_scan_end(&reader->failed);
	dgen_scan_end(&reader->actors);
	dgen_scan_end(&reader->messages);
	PopActiveSnapshot();
	return reader->batch;
}

static void
set_type(Reader *reader, const ActorType *type)
{
	if (reader->type == type)
		return;
	reader->type = type;
	reader->type_has_paused = has_type_row(TABLE_PAUSED, dgen_actors_type(type->id));
	reader->type_has_failed = has_type_row(TABLE_FAILED_ATTEMPT, type->id);
}

static bool
same_text(const text *a, const text *b)
{
	Size length = VARSIZE_ANY_EXHDR(a);

	return length == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), length) == 0;
}

/* Does the actor wait after a failed attempt? Its messages wait with it, in order. */
static bool
backs_off(Reader *reader, const text *key)
{
	DgenScan *scan = &reader->failed;
	ScanKeyData keys[2];

	if (!reader->type_has_failed)
		return false;
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
	dgen_scan_seek(scan, keys, 2);
	while (dgen_scan_next(scan))
	{
		reader->mailbox_has_failed = true;
		dgen_scan_row(scan);
		reader->retry_at = DatumGetTimestampTz(scan->values[FAILED_RETRY_AT]);
		if (reader->retry_at > reader->now &&
			same_text(key, DatumGetTextPP(scan->values[FAILED_ACTOR_KEY])))
			return true;
	}
	return false;
}

static int32
failed_attempts(Reader *reader, int64 message_id)
{
	DgenScan *scan = &reader->failed;
	ScanKeyData keys[2];

	if (!reader->mailbox_has_failed)
		return 0;
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
	dgen_scan_seek(scan, keys, 2);
	while (dgen_scan_next(scan))
	{
		dgen_scan_row(scan);
		if (DatumGetInt64(scan->values[FAILED_MESSAGE_ID]) == message_id)
			return DatumGetInt32(scan->values[FAILED_ATTEMPTS]);
	}
	return 0;
}

/*
 * Locks the actor's row, so that nobody's UPDATE or SELECT FOR UPDATE can stand in
 * the way when the batch commits. False if somebody has it locked.
 */
static bool
lock_row(Reader *reader, BatchActor *actor)
{
	TupleTableSlot *slot = reader->actors.slot;
	TM_FailureData failure;
	TM_Result result = table_tuple_lock(reader->actors.heap, &actor->tid, GetActiveSnapshot(), slot,
										GetCurrentCommandId(true), LockTupleNoKeyExclusive,
										reader->wait ? LockWaitBlock : LockWaitSkip,
										TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);

	switch (result)
	{
		case TM_Ok:
			actor->tid = slot->tts_tid;
			return true;
		case TM_WouldBlock:
			dgen_wakeup_retry(reader->type->id, reader->now + LOCKED_ROW_RETRY_US);
			return false;
		case TM_Deleted:
			actor->exists = false;
			return true;
		default:
			ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
							errmsg("row of actor \"%s\" changed while it was owned",
								   text_to_cstring(actor->key)),
							errhint("Write to dgen.actor only through dgen's functions.")));
	}
	return false;
}

/* Is the actor's row still where its last owner put it? Anything else may be there by now. */
static bool
is_remembered_row(Reader *reader, const BatchActor *actor)
{
	ItemPointer tid = &reader->remembered.actor;
	DgenScan *scan = &reader->actors;

	if (!ItemPointerIsValid(tid) || ItemPointerGetBlockNumber(tid) >= reader->actor_blocks ||
		!table_tuple_fetch_row_version(scan->heap, tid, GetActiveSnapshot(), scan->slot))
		return false;
	dgen_scan_row(scan);
	return DatumGetInt64(scan->values[ACTOR_MAILBOX]) == actor->mailbox &&
		   DatumGetInt32(scan->values[ACTOR_TYPE]) == actor->type->id &&
		   same_text(DatumGetTextPP(scan->values[ACTOR_KEY]), actor->key);
}

static bool
find_actor_row(Reader *reader, const BatchActor *actor)
{
	DgenScan *scan = &reader->actors;
	ScanKeyData keys[3];

	if (is_remembered_row(reader, actor))
		return true;
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, actor->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, actor->mailbox);
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, actor->key);
	dgen_scan_seek(scan, keys, 3);
	return dgen_scan_next(scan);
}

static bool
is_locked_status(Datum status)
{
	text *value = DatumGetTextPP(status);

	return VARSIZE_ANY_EXHDR(value) == strlen(STATUS_LOCKED) &&
		   memcmp(VARDATA_ANY(value), STATUS_LOCKED, strlen(STATUS_LOCKED)) == 0;
}

/* False if the row is locked by somebody else. An action has none. */
static bool
read_actor_row(Reader *reader, BatchActor *actor)
{
	DgenScan *scan = &reader->actors;

	actor->state = actor->type->initial_state;
	if (dgen_is_of_actions(actor->type->id) || !find_actor_row(reader, actor))
		return true;

	actor->exists = true;
	actor->tid = scan->slot->tts_tid;
	reader->remembered.actor = actor->tid;
	if (!reader->look && !lock_row(reader, actor))
		return false;
	if (actor->exists)
	{
		dgen_scan_row(scan);
		actor->version = DatumGetInt64(scan->values[ACTOR_VERSION]);
		actor->state = DatumGetJsonbPCopy(scan->values[ACTOR_STATE]);
		actor->locked = is_locked_status(scan->values[ACTOR_STATUS]);
		reader->batch->bytes += VARSIZE(actor->state);
	}
	return true;
}

/* Its actions are paused with it. */
static bool
actor_is_paused(const BatchActor *actor)
{
	if (dgen_is_of_actions(actor->type->id))
		return is_paused(dgen_actors_type(actor->type->id), dgen_mailbox_of(actor->key),
						 actor->key);
	return is_paused(actor->type->id, actor->mailbox, actor->key);
}

static BatchActor *
new_actor(Reader *reader, Datum key)
{
	Batch *batch = reader->batch;
	BatchActor *actor;

	if (batch->nactors == reader->capacity)
	{
		batch->actors = repalloc(batch->actors, 2 * reader->capacity * sizeof(BatchActor));
		reader->capacity *= 2;
	}
	actor = &batch->actors[batch->nactors++];
	memset(actor, 0, sizeof(*actor));
	actor->type = reader->type;
	actor->mailbox = reader->mailbox;
	actor->held = reader->held;
	actor->key = DatumGetTextPCopy(key);
	return actor;
}

/* A new actor of the batch; without messages if it cannot be handled now. */
static BatchActor *
add_actor(Reader *reader, Datum key)
{
	BatchActor *actor = new_actor(reader, key);

	if (reader->type_has_paused && actor_is_paused(actor))
		actor->blocked = BLOCKED_PAUSED;
	else if (backs_off(reader, actor->key))
		actor->blocked = BLOCKED_BACKING_OFF;
	else if (!read_actor_row(reader, actor))
	{
		actor->blocked = BLOCKED_ROW_LOCKED;
		reader->row_locked = true;
	}
	actor->has_failed = reader->mailbox_has_failed;
	return actor;
}

static BatchActor *
find_actor(Reader *reader, Datum key)
{
	text *wanted = DatumGetTextPP(key);

	for (int i = reader->first_actor; i < reader->batch->nactors; i++)
		if (same_text(reader->batch->actors[i].key, wanted))
			return &reader->batch->actors[i];
	return add_actor(reader, key);
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
read_message(Reader *reader, BatchActor *actor, HeapTuple row, Datum *values, bool *nulls)
{
	BatchMessage *message = next_message(actor);

	message->tid = row->t_self;
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
	message->attempts = failed_attempts(reader, message->id);
	message->locked = false;
	message->attempt = 0;
	reader->batch->nmessages++;
	reader->batch->bytes += toast_raw_datum_size(message->message);
}

/* And with it all that comes behind, in order. Two keys that share the mailbox wait for each other. */
static bool
waits_for_unlock(const BatchActor *actor, Datum priority)
{
	return actor->locked && DatumGetInt16(priority) < actor->type->locked_priority;
}

static bool
is_full(const Reader *reader)
{
	return reader->batch->nmessages >= reader->most ||
		   reader->batch->bytes >= reader->limits->bytes;
}

/*
 * The first messages of each actor of the mailbox, normally one actor. An actor
 * that has its share ends the reading: what follows keeps its order for the next
 * batch. False if it ended before the scan.
 */
static bool
read_rows(Reader *reader, DgenScan *scan)
{
	int skipped = 0;

	while (!is_full(reader) && dgen_scan_next(scan))
	{
		Datum values[MESSAGE_COLUMNS];
		bool nulls[MESSAGE_COLUMNS];
		HeapTuple row = ExecCopySlotHeapTuple(scan->slot);
		BatchActor *actor;

		heap_deform_tuple(row, RelationGetDescr(scan->heap), values, nulls);
		reader->highest_seq = Max(reader->highest_seq, DatumGetInt64(values[MESSAGE_SEQ]));
		if (reader->first_seq == 0 && DatumGetInt16(values[MESSAGE_PRIORITY]) == 0)
			reader->first_seq = DatumGetInt64(values[MESSAGE_SEQ]);
		if (reader->only != NULL &&
			!same_text(reader->only, DatumGetTextPP(values[MESSAGE_ACTOR_KEY])))
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
			read_message(reader, actor, row, values, nulls);
	}
	return !is_full(reader);
}

static void
open_floors(Reader *reader)
{
	if (reader->has_floors)
		return;
	reader->has_floors = true;
	dgen_scan_begin(&reader->above, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 3);
	dgen_scan_begin(&reader->beyond, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 4);
	dgen_scan_begin(&reader->below, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 3);
}

static void
set_mailbox_keys(const Reader *reader, ScanKey keys)
{
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
}

/* From one priority to the next, without the dead rows up to the floor. */
static bool
read_beyond_floor(Reader *reader)
{
	ScanKeyData keys[4];

	open_floors(reader);
	set_mailbox_keys(reader, keys);
	dgen_key_int2(&keys[2], ORDER_PRIORITY, BTGreaterStrategyNumber, 0);
	dgen_scan_seek(&reader->above, keys, 3);
	if (!read_rows(reader, &reader->above))
		return false;
	dgen_key_int2(&keys[2], ORDER_PRIORITY, BTEqualStrategyNumber, 0);
	dgen_key_int8(&keys[3], ORDER_SEQ, BTGreaterStrategyNumber, reader->remembered.floor);
	dgen_scan_seek(&reader->beyond, keys, 4);
	if (!read_rows(reader, &reader->beyond))
		return false;
	dgen_key_int2(&keys[2], ORDER_PRIORITY, BTLessStrategyNumber, 0);
	dgen_scan_seek(&reader->below, keys, 3);
	return read_rows(reader, &reader->below);
}

static bool
read_all(Reader *reader)
{
	ScanKeyData keys[2];

	set_mailbox_keys(reader, keys);
	dgen_scan_seek(&reader->messages, keys, 2);
	return read_rows(reader, &reader->messages);
}

/*
 * Worth while only if the next one would pass many dead rows again. What this transaction
 * has removed itself may come back, if it is rolled back, and is not to be hidden then.
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
	reader->remembered.floor = Max(reader->remembered.floor, floor);
}

static void
read_messages(Reader *reader)
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

/* Each message is a turn of those that were taken for the type. What is left is for the next claim. */
static void
read_with_rate(Reader *reader, WorkerType *type)
{
	int before = reader->batch->nmessages;
	int read;

	reader->batch->has_rate = true;
	reader->most = Min(reader->limits->messages, before + type->turns_left);
	read_messages(reader);
	reader->most = reader->limits->messages;
	read = reader->batch->nmessages - before;
	type->turns_left -= read;
	type->turns_read += read;
}

static void
set_mailbox(Reader *reader, int64 mailbox, int held)
{
	reader->mailbox = mailbox;
	reader->held = held;
	reader->row_locked = reader->at_lock = false;
	reader->mailbox_has_failed = false;
	reader->first_seq = 0;
	reader->first_actor = reader->batch->nactors;
	dgen_memo_get(reader->type->id, mailbox, &reader->remembered);
}

/* Actors that cannot be handled now were kept for find_actor only. */
static void
drop_blocked(Batch *batch)
{
	int kept = 0;

	for (int i = 0; i < batch->nactors; i++)
	{
		if (batch->actors[i].nmessages == 0)
			continue;
		if (kept != i)
			batch->actors[kept] = batch->actors[i];
		kept++;
	}
	batch->nactors = kept;
}

Batch *
dgen_read_batch(Owned *owned, int first, int count, const BatchLimits *limits)
{
	Reader reader;
	MemoryContext old = CurrentMemoryContext;

	begin_read(&reader, limits, Max(limits->messages / Max(count, 1), 1));
	MemoryContextSwitchTo(reader.batch->context);
	for (int i = first; i < first + count && !is_full(&reader); i++)
	{
		OwnedMailbox *mailbox = &owned->mailboxes[i];

		set_type(&reader, mailbox->type);
		set_mailbox(&reader, mailbox->mailbox, mailbox->held);
		reader.first_read = !mailbox->read;
		mailbox->read = true;
		if (mailbox->type->max_rate > 0 && mailbox->worker_type != NULL)
			read_with_rate(&reader, mailbox->worker_type);
		else
			read_messages(&reader);
	}
	MemoryContextSwitchTo(old);
	drop_blocked(end_read(&reader));
	return reader.batch;
}

static void
refuse_blocked(const BatchActor *actor, TimestampTz retry_at)
{
	const char *key = text_to_cstring(actor->key);

	if (actor->blocked == BLOCKED_PAUSED)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_PAUSED),
			 errmsg("actor \"%s\" of type \"%s\" is paused", key, actor->type->name),
			 errhint(
				 "Use dgen.resume, or dgen.cast or dgen.request to leave a message for later.")));
	if (actor->blocked == BLOCKED_BACKING_OFF)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_BACKING_OFF),
			 errmsg("actor \"%s\" of type \"%s\" waits after a failed attempt", key,
					actor->type->name),
			 errdetail("The next attempt is due at %s.", timestamptz_to_str(retry_at)),
			 errhint(
				 "See dgen.messages for the error; use dgen.request to have the call wait its turn.")));
}

static void
refuse_locked(const BatchActor *actor)
{
	if (actor->locked)
		ereport(ERROR,
				(errcode(DGEN_ERR_LOCKED),
				 errmsg("actor \"%s\" of type \"%s\" is locked", text_to_cstring(actor->key),
						actor->type->name),
				 errhint("Use dgen.request, which waits until its locked part has ended; see "
						 "dgen.explain_actor.")));
}

Batch *
dgen_read_actor_alone(const ActorType *type, text *key, ReadRow how)
{
	BatchLimits limits = {.actors = 1, .messages = 1, .bytes = MaxAllocHugeSize};
	MemoryContext old = CurrentMemoryContext;
	Reader reader;
	BatchActor *actor;

	begin_read(&reader, &limits, 1);
	reader.wait = how == READ_WAIT;
	reader.look = how == READ_LOOK;
	MemoryContextSwitchTo(reader.batch->context);
	set_type(&reader, type);
	set_mailbox(&reader, dgen_mailbox_of(key), HELD_UNNOTED);
	actor = new_actor(&reader, PointerGetDatum(key));
	if (!read_actor_row(&reader, actor))
		actor->blocked = BLOCKED_ROW_LOCKED;
	actor->remembered = reader.remembered;
	MemoryContextSwitchTo(old);
	return end_read(&reader);
}

Batch *
dgen_read_actor(const ActorType *type, text *key, int max_messages)
{
	BatchLimits limits = {.actors = 1, .messages = max_messages + 1, .bytes = MaxAllocHugeSize};
	MemoryContext old = CurrentMemoryContext;
	Reader reader;
	BatchActor *actor;

	begin_read(&reader, &limits, max_messages + 1);
	reader.wait = true;
	reader.only = key;
	MemoryContextSwitchTo(reader.batch->context);
	set_type(&reader, type);
	if (dgen_type_is_paused(type->id))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_PAUSED), errmsg("actor type \"%s\" is paused", type->name),
			 errhint(
				 "Use dgen.resume, or dgen.cast or dgen.request to leave a message for later.")));
	set_mailbox(&reader, dgen_mailbox_of(key), HELD_UNNOTED);
	actor = add_actor(&reader, PointerGetDatum(key));
	refuse_blocked(actor, reader.retry_at);
	refuse_locked(actor);
	read_messages(&reader);
	reader.batch->nactors = 1; /* others that share the mailbox stay for their workers */
	MemoryContextSwitchTo(old);
	return end_read(&reader);
}

bool
dgen_batch_has(const Batch *batch, int32 type_id, int64 mailbox)
{
	if (batch == NULL)
		return false;
	for (int i = 0; i < batch->nactors; i++)
		if (batch->actors[i].mailbox == mailbox && batch->actors[i].type->id == type_id)
			return true;
	return false;
}
