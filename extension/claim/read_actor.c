/*
 * The actors of a batch while it is read: each with its row, if it has one. The row is locked so
 * that the batch can write it. The place where the row was last found is remembered with the
 * mailbox.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "base/errors.h"
#include "claim/reader.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/scan.h"
#include "wake/wake.h"

/* An actor whose row another session has locked is checked again after this, us. */
#define LOCKED_ROW_RETRY_US INT64CONST(200000)

/* ---- the row ---- */

/*
 * Locks the actor's row, so that no UPDATE or SELECT FOR UPDATE can stand in the way when the batch
 * commits. False if another session has it locked.
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
							errmsg("row of actor \"%s\" of type \"%s\" changed while it was owned",
								   text_to_cstring(actor->key), reader->type->name),
							errhint("Write to dgen.actor only through dgen's functions.")));
	}
	return false;
}

/* Is the actor's row still where its last owner put it? Anything else might be there by now. */
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
		   dgen_same_text(DatumGetTextPP(scan->values[ACTOR_KEY]), actor->key);
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
	return dgen_scan_only(scan);
}

static bool
is_locked_status(Datum status)
{
	text *value = DatumGetTextPP(status);

	return VARSIZE_ANY_EXHDR(value) == strlen(STATUS_LOCKED) &&
		   memcmp(VARDATA_ANY(value), STATUS_LOCKED, strlen(STATUS_LOCKED)) == 0;
}

bool
dgen_reader_read_row(Reader *reader, BatchActor *actor)
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

/* ---- the actor ---- */

BatchActor *
dgen_reader_new_actor(Reader *reader, Datum key)
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

BatchActor *
dgen_reader_add_actor(Reader *reader, Datum key)
{
	BatchActor *actor = dgen_reader_new_actor(reader, key);

	actor->blocked = dgen_reader_blocked(reader, actor);
	if (actor->blocked == BLOCKED_NOT && !dgen_reader_read_row(reader, actor))
	{
		actor->blocked = BLOCKED_ROW_LOCKED;
		reader->row_locked = true;
	}
	actor->has_failed = reader->mailbox_has_failed;
	return actor;
}
