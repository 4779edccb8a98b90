/*
 * Is there a locked part to run? No session reads the table before an event that might have left one
 * there: an actor was locked, an attempt failed or lost its session, a worker was woken for an alarm or a
 * safety-net check.
 *
 *     asked ──> a claim checks ──found one──> runs it, and wakes the next worker
 *                    └──found nothing──> answered, up to what had been asked when it began
 *
 * A worker that leaves the locked parts of a type to others neither checks nor answers, and is not woken
 * for them. Two workers of a type sleep, R runs its parts and L does not:
 *
 *     a turn in L locks an actor, and commits    asked, and R is woken: L alone would claim, not check,
 *                                                and sleep again, and R with it until the safety net
 *     R begins a part, there is another          also wakes a worker that runs parts: the one woken for
 *                                                the messages that R leaves might be L
 *     R is stopped, woken and does not come      its batons are passed on in their lanes
 *     R is gone, L is the only one               no worker checks, so none answers: a worker that
 *                                                attaches and can run the part finds the request
 *
 * And which worker can run a part: of several workers of a type one is reserved for messages, which can
 * be one that runs no parts. It is free for messages when it attaches, and when it has run a part of
 * another type, or has checked for one: then L wakes R. A worker that runs parts of the type checks
 * itself, in its next claim or, after it has found no part of another type, in the same one
 * (dgen_part_begin). Model: test/model/lanes.pml.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"

#include "actor/actor_type.h"
#include "actor/worker_session.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/serving.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "wake/announce.h"
#include "wake/call.h"
#include "wake/locked_look.h"

#define LOOKING (-1) /* Slot.part */

/* ---- checks ---- */

void
dgen_locked_ask(int32 type_id)
{
	if (dgen_database != NULL)
		pg_atomic_fetch_add_u32(&dgen_database->locked_asked[bucket_of(type_id)], 1);
}

void
dgen_locked_ask_all(void)
{
	for (int bucket = 0; dgen_database != NULL && bucket < BUCKETS; bucket++)
		pg_atomic_fetch_add_u32(&dgen_database->locked_asked[bucket], 1);
}

static bool
is_asked(int32 type_id, uint32 *asked)
{
	if (!dgen_shared_attach())
		return true;
	*asked = pg_atomic_read_u32(&dgen_database->locked_asked[bucket_of(type_id)]);
	return *asked != pg_atomic_read_u32(&dgen_database->locked_answered[bucket_of(type_id)]);
}

bool
dgen_part_is_wanted(const WorkerType *type, uint32 *asked)
{
	return type->runs_parts && is_asked(type->type_id, asked);
}

static bool
take_kept(int32 type_id)
{
	uint64 bit = UINT64CONST(1) << bucket_of(type_id);

	if ((pg_atomic_read_u64(&dgen_database->kept) & bit) == 0)
		return false;
	return (pg_atomic_fetch_and_u64(&dgen_database->kept, ~bit) & bit) != 0;
}

/*
 * A worker that was reserved for messages of such a type can run a part from now on. Only these workers
 * are woken: otherwise two workers that find no parts would wake each other forever.
 */
void
dgen_part_call_others(void)
{
	for (int i = 0; i < dgen_slot->ntypes; i++)
	{
		int32 type_id = dgen_slot->types[i];

		if (dgen_is_of_actions(type_id) || dgen_slot_names_part(dgen_slot, i) ||
			!take_kept(type_id))
			continue;
		/* The worker might handle another type in the bucket. */
		dgen_wakeup_announce(type_id);
		dgen_call_all(bucket_of(type_id));
	}
}

void
dgen_locked_answer(int32 type_id, uint32 asked)
{
	if (dgen_database != NULL)
		pg_atomic_write_u32(&dgen_database->locked_answered[bucket_of(type_id)], asked);
}

/* ---- which worker runs a part ---- */

/* Does the worker of the slot handle the type, as this session does? */
static bool
works_here(const Slot *slot, int32 type_id)
{
	return slot->pid != 0 && slot->database == MyDatabaseId && slot->worker_id != 0 &&
		   (dgen_slot_takes(slot, type_id, LANE_ANY) == TAKES_SURELY ||
			dgen_slots_alike(slot, dgen_slot));
}

bool
dgen_part_reserve(int32 type_id)
{
	int workers = 0;
	int running = 0;
	bool may;

	if (!dgen_slot_take())
		return true;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	for (int i = 0; i < dgen_shared->nslots; i++)
	{
		const Slot *slot = slot_at(i);

		if (!works_here(slot, type_id))
			continue;
		workers++;
		running += slot != dgen_slot && slot->part != 0;
	}
	may = running == 0 || running + 1 < workers;
	if (may)
		dgen_slot->part = LOOKING;
	else
		pg_atomic_fetch_or_u64(&dgen_database->kept, UINT64CONST(1) << bucket_of(type_id));
	LWLockRelease(&dgen_database->lock);
	return may;
}

/* Also called at the end of transactions and sessions, so it never raises. */
void
dgen_part_publish(int64 fence)
{
	if (dgen_slot == NULL || dgen_slot->part == fence)
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_slot->part = fence;
	LWLockRelease(&dgen_database->lock);
	if (fence == 0 && dgen_slot->worker_id != 0)
		dgen_part_call_others();
}

/* True while a live session publishes the part and has not ended it. */
bool
dgen_part_is_published(int64 fence)
{
	bool published = false;

	if (!dgen_shared_attach())
		return false;
	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nslots && !published; i++)
		published = slot_at(i)->pid != 0 && slot_at(i)->database == MyDatabaseId &&
					slot_at(i)->part == fence;
	LWLockRelease(&dgen_database->lock);
	return published;
}

/* While the lock is held, a slot with a pid belongs to a live process. */
void
dgen_part_end_holder(int64 fence)
{
	if (!dgen_shared_attach())
		return;
	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nslots; i++)
	{
		const Slot *slot = slot_at(i);

		if (slot->pid != 0 && slot->pid != MyProcPid && slot->database == MyDatabaseId &&
			slot->part == fence)
			(void) kill(slot->pid, SIGTERM);
	}
	LWLockRelease(&dgen_database->lock);
}
