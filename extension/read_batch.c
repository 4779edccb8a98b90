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
	bool wait;     /* wait for a locked actor row instead of leaving the actor out */
	text *only;    /* pass the messages of other actors by; NULL: read all */
	DgenScan messages;
	DgenScan actors;
	DgenScan failed;
	const ActorType *type;
	bool type_has_paused;
	bool type_has_failed;
	bool mailbox_has_failed;
	int64 mailbox;
	int first_actor; /* of this mailbox */
	int capacity;    /* of batch->actors */
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
	reader->now = GetCurrentTimestamp();

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	dgen_scan_begin(&reader->messages, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 2);
	dgen_scan_begin(&reader->actors, TABLE_ACTOR, INDEX_PRIMARY, GetActiveSnapshot(), 3);
	dgen_scan_begin(&reader->failed, TABLE_FAILED_ATTEMPT, INDEX_PRIMARY, GetActiveSnapshot(), 2);
}

static Batch *
end_read(Reader *reader)
{
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
	reader->type_has_paused = has_type_row(TABLE_PAUSED, type->id);
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
			dgen_wakeup_due(reader->now + LOCKED_ROW_RETRY_US);
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

/* False if the row is locked by somebody else. */
static bool
read_actor_row(Reader *reader, BatchActor *actor)
{
	DgenScan *scan = &reader->actors;
	ScanKeyData keys[3];

	actor->state = actor->type->initial_state;
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, actor->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, actor->mailbox);
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, actor->key);
	dgen_scan_seek(scan, keys, 3);
	if (!dgen_scan_next(scan))
		return true;

	actor->exists = true;
	actor->tid = scan->slot->tts_tid;
	if (!lock_row(reader, actor))
		return false;
	if (actor->exists)
	{
		dgen_scan_row(scan);
		actor->version = DatumGetInt64(scan->values[ACTOR_VERSION]);
		actor->state = DatumGetJsonbPCopy(scan->values[ACTOR_STATE]);
		reader->batch->bytes += VARSIZE(actor->state);
	}
	return true;
}

/* A new actor of the batch; without messages if it cannot be handled now. */
static BatchActor *
add_actor(Reader *reader, Datum key)
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
	actor->key = DatumGetTextPCopy(key);

	if (reader->type_has_paused && is_paused(reader->type->id, reader->mailbox, actor->key))
		actor->blocked = BLOCKED_PAUSED;
	else if (backs_off(reader, actor->key))
		actor->blocked = BLOCKED_BACKING_OFF;
	else if (!read_actor_row(reader, actor))
		actor->blocked = BLOCKED_ROW_LOCKED;
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
	reader->batch->nmessages++;
	reader->batch->bytes += toast_raw_datum_size(message->message);
}

static bool
is_full(const Reader *reader)
{
	return reader->batch->nmessages >= reader->limits->messages ||
		   reader->batch->bytes >= reader->limits->bytes;
}

/*
 * The first messages of each actor of the mailbox, normally one actor. An actor
 * that has its share ends the reading: what follows keeps its order for the next
 * batch.
 */
static void
read_messages(Reader *reader)
{
	ScanKeyData keys[2];
	int skipped = 0;

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
	dgen_scan_seek(&reader->messages, keys, 2);
	while (!is_full(reader) && dgen_scan_next(&reader->messages))
	{
		Datum values[MESSAGE_COLUMNS];
		bool nulls[MESSAGE_COLUMNS];
		HeapTuple row = ExecCopySlotHeapTuple(reader->messages.slot);
		BatchActor *actor;

		heap_deform_tuple(row, RelationGetDescr(reader->messages.heap), values, nulls);
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
				break;
		}
		else if (actor->nmessages == reader->per_actor)
			break;
		else
			read_message(reader, actor, row, values, nulls);
	}
}

static void
set_mailbox(Reader *reader, int64 mailbox)
{
	reader->mailbox = mailbox;
	reader->mailbox_has_failed = false;
	reader->first_actor = reader->batch->nactors;
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
dgen_read_batch(const Owned *owned, int first, int count, const BatchLimits *limits)
{
	Reader reader;
	MemoryContext old = CurrentMemoryContext;

	begin_read(&reader, limits, Max(limits->messages / Max(count, 1), 1));
	MemoryContextSwitchTo(reader.batch->context);
	for (int i = first; i < first + count && !is_full(&reader); i++)
	{
		set_type(&reader, owned->mailboxes[i].type);
		set_mailbox(&reader, owned->mailboxes[i].mailbox);
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
	set_mailbox(&reader, dgen_mailbox_of(key));
	actor = add_actor(&reader, PointerGetDatum(key));
	refuse_blocked(actor, reader.retry_at);
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
