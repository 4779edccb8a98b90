/*
 * Committing: the results of the turns of a batch are written into the tables, in the transaction
 * that owns the actors.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/buf.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/message_kind.h"
#include "base/errors.h"
#include "claim/suspect.h"
#include "commit/commit.h"
#include "commit/failure.h"
#include "commit/locked.h"
#include "own/own.h"
#include "reply/reply.h"
#include "send/request.h"
#include "shared/memo.h"
#include "table/columns.h"
#include "table/table.h"
#include "turn/turn.h"
#include "version/process.h"
#include "wake/held_locks.h"
#include "write/sequence.h"
#include "write/writer.h"

/* ---- in memory ---- */

bool
dgen_same_state(const Jsonb *a, const Jsonb *b)
{
	return a == b || (VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0);
}

/* All states that one batch writes get one version; it was drawn under their locks. */
static int64
batch_version(Batch *batch)
{
	if (batch->version == 0)
		batch->version = dgen_nextval(SEQUENCE_VERSION);
	return batch->version;
}

void
dgen_set_state(Batch *batch, BatchActor *actor, Jsonb *state)
{
	if (dgen_same_state(actor->state, state))
		return;
	actor->state = state;
	actor->state_changed = true;
	actor->version = batch_version(batch);
}

void
dgen_destroy_actor(BatchActor *actor)
{
	actor->state = actor->type->initial_state;
	actor->state_changed = false;
	actor->destroyed = true;
	actor->version = 0;
}

void
dgen_lock_actor(BatchActor *actor)
{
	actor->locks = true;
}

void
dgen_apply_outcome(Batch *batch, BatchActor *actor, const Outcome *outcome)
{
	const BatchMessage *message = &actor->messages[actor->handled];

	if (outcome->state != NULL)
		dgen_set_state(batch, actor, outcome->state);
	if (outcome->kind == OUTCOME_DESTROY)
		dgen_destroy_actor(actor);
	if (outcome->kind == OUTCOME_LOCK)
		dgen_lock_actor(actor);
	if (message->kind == KIND_REQUEST && outcome->reply != (Datum) 0 &&
		ItemPointerIsValid(&message->tid))
	{
		Reply reply = {.reply = outcome->reply};

		(void) dgen_answer(message->id, &reply);
	}
	if (message->kind == KIND_ACTION && outcome->reply != (Datum) 0)
		dgen_action_reply(actor, message, &(Reply){.reply = outcome->reply});
	actor->handled++;
}

/* ---- into the tables ---- */

/*
 * A session that lost the actor must not commit. The lock manager is the authority: this
 * very transaction must hold the lock.
 */
static void
check_owned(const Batch *batch)
{
	if (batch->lxid != DGEN_MY_LXID)
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
						errmsg("the batch was claimed in another transaction"),
						errhint("Claim and commit in one transaction.")));
	for (int i = 0; i < batch->nactors; i++)
		if (batch->actors[i].handled > 0 &&
			!dgen_owns(batch->actors[i].type->id, batch->actors[i].mailbox))
			ereport(ERROR,
					(errcode(DGEN_ERR_NOT_OWNED),
					 errmsg("actor \"%s\" of type \"%s\" is no longer owned by this transaction",
							text_to_cstring(batch->actors[i].key), batch->actors[i].type->name),
					 errhint("Roll back and claim again. No message is lost.")));
}

/* Exactly the handled rows, never a range: a lower seq may commit later (H3). */
static void
delete_messages(Relation heap, const BatchActor *actor)
{
	Buffer buffer = InvalidBuffer;

	for (int i = 0; i < actor->handled; i++)
	{
		const BatchMessage *message = &actor->messages[i];

		if (!message->locked && ItemPointerIsValid(&message->tid))
			dgen_delete_message(heap, message, &buffer);
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
}

static void
delete_failed_attempts(const BatchActor *actor)
{
	if (!actor->has_failed)
		return;
	for (int i = 0; i < actor->handled; i++)
		dgen_forget_failure(actor->type->id, actor->mailbox, actor->messages[i].id);
}

static void
write_state(DgenWriter *writer, BatchActor *actor, TimestampTz now)
{
	Datum values[ACTOR_COLUMNS];
	bool nulls[ACTOR_COLUMNS] = {false};

	values[ACTOR_MAILBOX] = Int64GetDatum(actor->mailbox);
	values[ACTOR_VERSION] = Int64GetDatum(actor->version);
	values[ACTOR_UPDATED_AT] = TimestampTzGetDatum(now);
	values[ACTOR_TYPE] = Int32GetDatum(actor->type->id);
	values[ACTOR_KEY] = PointerGetDatum(actor->key);
	values[ACTOR_STATUS] = CStringGetTextDatum(actor->locked ? STATUS_LOCKED : STATUS_ACTIVE);
	values[ACTOR_STATE] = JsonbPGetDatum(actor->state);
	if (actor->exists)
		dgen_writer_update(writer, &actor->tid, values, nulls);
	else
	{
		dgen_writer_insert(writer, values, nulls);
		actor->tid = writer->tid;
	}
	actor->remembered.actor = actor->tid;
	dgen_memo_set(actor->type->id, actor->mailbox, &actor->remembered);
}

void
dgen_write_actor(BatchActor *actor)
{
	DgenWriter writer;

	dgen_writer_open(&writer, TABLE_ACTOR);
	write_state(&writer, actor, GetCurrentTimestamp());
	dgen_writer_close(&writer);
}

/* A locked actor has a row in any case: that says that it is. */
static bool
needs_row(const BatchActor *actor)
{
	return actor->state_changed || (actor->status_changed && !actor->destroyed) ||
		   (actor->locked && actor->destroyed);
}

static void
write_actor(DgenWriter *writer, Batch *batch, BatchActor *actor, TimestampTz now)
{
	if (needs_row(actor))
	{
		if (actor->version == 0)
			actor->version = batch_version(batch);
		write_state(writer, actor, now);
	}
	else if (actor->destroyed && actor->exists && !dgen_delete_row(writer->heap, &actor->tid))
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
						errmsg("row of actor \"%s\" of type \"%s\" changed while it was owned",
							   text_to_cstring(actor->key), actor->type->name),
						errhint("Write to dgen.actor only through dgen's functions.")));
}

/* The end of a locked part, and the beginning of one. */
static void
change_locks(BatchActor *actor)
{
	for (int i = 0; i < actor->handled; i++)
		if (actor->messages[i].locked)
			dgen_delete_locked(actor, &actor->messages[i]);
	if (actor->locks)
		dgen_insert_locked(actor);
}

void
dgen_commit_batch(Batch *batch)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "dgen commit", ALLOCSET_SMALL_SIZES);
	MemoryContext old = CurrentMemoryContext;
	Relation messages;
	DgenWriter writer;

	check_owned(batch);
	PushActiveSnapshot(GetTransactionSnapshot());
	messages = dgen_table_open(TABLE_MESSAGE, RowExclusiveLock);
	dgen_writer_open(&writer, TABLE_ACTOR);
	for (int i = 0; i < batch->nactors; i++)
	{
		BatchActor *actor = &batch->actors[i];

		if (actor->handled < actor->nmessages)
			dgen_wakeup_undrained(actor->held);
		else
			dgen_wakeup_handled(actor->held);
		if (actor->handled == 0)
			continue;
		dgen_absolve(actor, actor->handled);
		MemoryContextSwitchTo(row_context);
		delete_messages(messages, actor);
		delete_failed_attempts(actor);
		change_locks(actor);
		write_actor(&writer, batch, actor, now);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	dgen_writer_close(&writer);
	table_close(messages, NoLock);
	PopActiveSnapshot();
	MemoryContextDelete(row_context);
	CommandCounterIncrement();
}
