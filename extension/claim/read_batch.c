/*
 * Reading a batch: the owned actors and their first messages, in a snapshot taken after their
 * locks. Actors that cannot be handled now are left out (blocked.c), and so are those whose row
 * another session has locked (read_actor.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/key.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "claim/claim.h"
#include "claim/read_batch.h"
#include "claim/reader.h"
#include "shared/memo.h"
#include "table/floor.h"
#include "table/scan.h"
#include "table/table.h"
#include "version/process.h"
#include "wake/held_locks.h"

/*
 * Tables that will be written are locked for that before they are read. Taking the stronger lock
 * later would deadlock with a REINDEX that has locked the table in the meantime and waits for its
 * index.
 *
 * All tables that are read are locked before the snapshot is taken. A snapshot from before an ALTER
 * TABLE that writes the rows again, such as SET LOGGED, shows an empty table: see dgen_table_lock.
 */
static void
begin_scans(Reader *reader)
{
	const LOCKMODE mode = reader->look ? AccessShareLock : RowExclusiveLock;
	Snapshot snapshot;

	dgen_table_lock(TABLE_MESSAGE, mode);
	dgen_table_lock(TABLE_ACTOR, mode);
	dgen_table_lock(TABLE_FAILED_ATTEMPT, mode);
	dgen_table_lock(TABLE_PAUSED, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	snapshot = GetActiveSnapshot();
	dgen_scan_begin_locked(&reader->messages, TABLE_MESSAGE, INDEX_PRIMARY, snapshot, 2);
	dgen_scan_begin_locked(&reader->actors, TABLE_ACTOR, INDEX_PRIMARY, snapshot, 3);
	dgen_scan_begin_locked(&reader->failed, TABLE_FAILED_ATTEMPT, INDEX_PRIMARY, snapshot, 2);
}

static void
begin_read(Reader *reader, const BatchLimits *limits, int per_actor, ReadRow how)
{
	Batch *batch;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "dgen batch", ALLOCSET_DEFAULT_SIZES);

	memset(reader, 0, sizeof(*reader));
	reader->wait = how == READ_WAIT;
	reader->look = how == READ_LOOK;
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
	begin_scans(reader);
	reader->actor_blocks = RelationGetNumberOfBlocks(reader->actors.heap);
}

static Batch *
end_read(Reader *reader)
{
	dgen_saw_seq(reader->highest_seq);
	if (reader->has_floor)
		dgen_floor_close(&reader->floor);
	dgen_scan_end(&reader->failed);
	dgen_scan_end(&reader->actors);
	dgen_scan_end(&reader->messages);
	PopActiveSnapshot();
	return reader->batch;
}

/* ---- what is owned ---- */

/*
 * Each message uses one of the rate permits taken for the type. The rest is for the next claim.
 */
static void
read_with_rate(Reader *reader, WorkerType *type)
{
	int before = reader->batch->nmessages;
	int read;

	reader->batch->has_rate = true;
	reader->most = Min(reader->limits->messages, before + type->turns_left);
	dgen_reader_read_messages(reader);
	reader->most = reader->limits->messages;
	read = reader->batch->nmessages - before;
	type->turns_left -= read;
	type->turns_read += read;
}

/* Actors that cannot be handled now were kept for read_mailbox.c only, which finds them again. */
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

	begin_read(&reader, limits, Max(limits->messages / Max(count, 1), 1), READ_TRY);
	MemoryContextSwitchTo(reader.batch->context);
	for (int i = first; i < first + count && !reader_is_full(&reader); i++)
	{
		OwnedMailbox *mailbox = &owned->mailboxes[i];

		dgen_reader_set_type(&reader, mailbox->type);
		dgen_reader_set_mailbox(&reader, mailbox->mailbox, mailbox->held);
		reader.first_read = !mailbox->read;
		mailbox->read = true;
		if (mailbox->type->max_rate > 0 && mailbox->worker_type != NULL)
			read_with_rate(&reader, mailbox->worker_type);
		else
			dgen_reader_read_messages(&reader);
	}
	MemoryContextSwitchTo(old);
	drop_blocked(end_read(&reader));
	return reader.batch;
}

/* ---- one actor ---- */

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
				 "Resume it with dgen.resume, or send a message with dgen.cast or dgen.request: it is handled later.")));
	if (actor->blocked == BLOCKED_BACKING_OFF)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_BACKING_OFF),
			 errmsg("actor \"%s\" of type \"%s\" waits for its next attempt", key,
					actor->type->name),
			 errdetail("The next attempt is due at %s.", timestamptz_to_str(retry_at)),
			 errhint(
				 "See dgen.explain_actor for the reason. To wait for the next attempt, use dgen.request.")));
}

static void
refuse_locked(const BatchActor *actor)
{
	if (actor->locked)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_LOCKED),
			 errmsg("actor \"%s\" of type \"%s\" is locked", text_to_cstring(actor->key),
					actor->type->name),
			 errhint(
				 "Use dgen.request, which waits until the locked part has ended. See also dgen.explain_actor.")));
}

Batch *
dgen_read_actor_alone(const ActorType *type, text *key, ReadRow how)
{
	BatchLimits limits = {.actors = 1, .messages = 1, .bytes = MaxAllocHugeSize};
	MemoryContext old = CurrentMemoryContext;
	Reader reader;
	BatchActor *actor;

	begin_read(&reader, &limits, 1, how);
	MemoryContextSwitchTo(reader.batch->context);
	dgen_reader_set_type(&reader, type);
	dgen_reader_set_mailbox(&reader, dgen_mailbox_of(key), HELD_UNNOTED);
	actor = dgen_reader_new_actor(&reader, PointerGetDatum(key));
	if (!dgen_reader_read_row(&reader, actor))
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

	begin_read(&reader, &limits, max_messages + 1, READ_WAIT);
	reader.only = key;
	MemoryContextSwitchTo(reader.batch->context);
	dgen_reader_set_type(&reader, type);
	if (dgen_type_is_paused(type->id))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_PAUSED), errmsg("actor type \"%s\" is paused", type->name),
			 errhint(
				 "Resume it with dgen.resume, or send a message with dgen.cast or dgen.request: it is handled later.")));
	dgen_reader_set_mailbox(&reader, dgen_mailbox_of(key), HELD_UNNOTED);
	actor = dgen_reader_add_actor(&reader, PointerGetDatum(key));
	refuse_blocked(actor, reader.retry_at);
	refuse_locked(actor);
	dgen_reader_read_messages(&reader);
	reader.batch->nactors = 1; /* others that share the mailbox stay for their workers */
	MemoryContextSwitchTo(old);
	return end_read(&reader);
}
