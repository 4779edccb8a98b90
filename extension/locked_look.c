/*
 * Is there a locked part to be run? Nobody looks into the table before something has
 * happened that may have left one there: an actor was locked, an attempt failed or lost its
 * session, a worker was called for an alarm or a look of the safety net.
 *
 *     asked ──> a look, by whoever claims ──found one──> runs it, and calls the next worker
 *                    └──found nothing──> answered, up to what had been asked when it began
 *
 * Who leaves the locked parts of a type to others neither looks nor answers, and is not called.
 * Two workers of a type sleep, R runs its parts and L does not:
 *
 *     a turn in L locks an actor, and commits    asked, and R is called: by itself L would claim, not
 *                                                look, and sleep on, and R with it until the safety net
 *     R begins a part, there is another          calls whoever runs parts, too: who is called for the
 *                                                messages that R leaves may be L
 *     R is stopped, called and not come          its calls are passed on in the lanes they came in
 *     R is gone, L is the only one               nobody looks, so nobody answers: whoever attaches and
 *                                                may run it finds that it was asked for
 *
 * And who may run one: of several workers of a type one is kept for messages, which may be one that
 * runs no parts: so R is called when L attaches.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"

#include "dgen_ext.h"
#include "shared.h"

#define LOOKING (-1) /* Slot.part */

/* ---- looks ---- */

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

/* Whoever was kept for messages of such a type may run a part from now on. */
void
dgen_part_call_others(const WorkerSession *session)
{
	uint32 asked;

	for (int i = 0; i < session->ntypes; i++)
	{
		const WorkerType *type = &session->types[i];

		if (!type->runs_parts && !dgen_is_of_actions(type->type_id) &&
			is_asked(type->type_id, &asked))
			dgen_wakeup_part(type->type_id);
	}
}

void
dgen_locked_answer(int32 type_id, uint32 asked)
{
	if (dgen_database != NULL)
		pg_atomic_write_u32(&dgen_database->locked_answered[bucket_of(type_id)], asked);
}

/* ---- who runs one ---- */

static bool
works_here(const Slot *slot, int32 type_id)
{
	return slot->pid != 0 && slot->database == MyDatabaseId && slot->worker_id != 0 &&
		   dgen_slot_serves(slot, type_id);
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
	LWLockRelease(&dgen_database->lock);
	return may;
}

/* Called at the end of transactions and sessions, too: never raises. */
void
dgen_part_publish(int64 fence)
{
	if (dgen_slot == NULL || dgen_slot->part == fence)
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_slot->part = fence;
	LWLockRelease(&dgen_database->lock);
}

/* By a session that lives and has not ended it. */
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

/* A slot with a pid is that of a live process, as long as the lock is held. */
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
