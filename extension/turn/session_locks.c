/*
 * Session-level advisory locks that the application's code takes. The locks of a turn would outlive
 * it, whether it commits or not.
 *
 * The server keeps them in private memory, so dgen searches all locks of this process. To
 * distinguish them from transaction-level locks, it tries to release each one for the session. The
 * search costs as much as there are locks. So it is done only if a function for such locks was
 * prepared in the transaction (noted.c); in a batch once, and then for each turn alone.
 */
#include "postgres.h"

#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "actor/actor_type.h"
#include "base/errors.h"
#include "turn/leftovers.h"
#include "turn/noted.h"
#include "turn/session_locks.h"
#include "version/lock.h"
#include "version/process.h"

/* locktag_field4 of the functions: keys of 64 bits, and two of 32. */
#define ONE_KEY 1
#define TWO_KEYS 2

typedef struct HeldLocks
{
	LOCALLOCKTAG *locks; /* in TopMemoryContext */
	int count;
	int size;
} HeldLocks;

static HeldLocks callers = {0}; /* of dgen.call, when they are known */
static bool callers_known = true;
static HeldLocks found = {0};

/* ---- looking ---- */

static bool
is_applications(const LOCKTAG *tag)
{
	return tag->locktag_type == LOCKTAG_ADVISORY &&
		   (tag->locktag_field4 == ONE_KEY || tag->locktag_field4 == TWO_KEYS);
}

/* False: no memory. It is not to raise, under a lock and after errors. */
static bool
make_room(HeldLocks *held)
{
	int size = held->size == 0 ? 16 : held->size * 2;
	LOCALLOCKTAG *larger;

	if (held->count < held->size)
		return true;
	larger = MemoryContextAllocExtended(TopMemoryContext, size * sizeof(LOCALLOCKTAG),
										MCXT_ALLOC_NO_OOM);
	if (larger == NULL)
		return false;
	if (held->locks != NULL)
	{
		memcpy(larger, held->locks, held->count * sizeof(LOCALLOCKTAG));
		pfree(held->locks);
	}
	held->locks = larger;
	held->size = size;
	return true;
}

static void
add_modes(HeldLocks *held, const PROCLOCK *lock)
{
	for (LOCKMODE mode = 1; mode <= MaxLockMode; mode++)
		if ((lock->holdMask & LOCKBIT_ON(mode)) != 0 && make_room(held))
		{
			LOCALLOCKTAG *tag = &held->locks[held->count++];

			tag->lock = lock->tag.myLock->tag;
			tag->mode = mode;
		}
}

/* Only this process adds and removes advisory locks of its own. */
static void
look(HeldLocks *held)
{
	held->count = 0;
	for (int i = 0; i < NUM_LOCK_PARTITIONS; i++)
	{
		LWLock *partition = LockHashPartitionLockByIndex(i);

		if (dgen_next_proclock(i, NULL) == NULL)
			continue;
		LWLockAcquire(partition, LW_SHARED);
		for (PROCLOCK *lock = dgen_next_proclock(i, NULL); lock != NULL;
			 lock = dgen_next_proclock(i, lock))
			if (is_applications(&lock->tag.myLock->tag))
				add_modes(held, lock);
		LWLockRelease(partition);
	}
}

static bool
is_callers(const LOCALLOCKTAG *lock)
{
	for (int i = 0; i < callers.count; i++)
		if (memcmp(&callers.locks[i].lock, &lock->lock, sizeof(LOCKTAG)) == 0 &&
			callers.locks[i].mode == lock->mode)
			return true;
	return false;
}

/* ---- releasing ---- */

/* How often the session held it. That it does not is said as a warning, which is not shown. */
static int
release(const LOCALLOCKTAG *lock)
{
	const int server = DGEN_LOG_MIN_MESSAGES;
	const int client = client_min_messages;
	int times = 0;

	DGEN_LOG_MIN_MESSAGES = PANIC;
	client_min_messages = ERROR;
	while (LockRelease(&lock->lock, lock->mode, true))
		times++;
	DGEN_LOG_MIN_MESSAGES = server;
	client_min_messages = client;
	return times;
}

/* The first one that a turn has left, NULL: none. Releases all. */
static const LOCALLOCKTAG *
release_new(void)
{
	const LOCALLOCKTAG *first = NULL;

	if (!dgen_is_noted(NOTED_SESSION_LOCKS))
		return NULL;
	look(&found);
	for (int i = 0; i < found.count; i++)
		if (!is_callers(&found.locks[i]) && release(&found.locks[i]) > 0 && first == NULL)
			first = &found.locks[i];
	return first;
}

/* ---- for turns ---- */

void
dgen_session_locks_begin(void)
{
	callers.count = 0;
	callers_known = false;
	if (dgen_is_noted(NOTED_SESSION_LOCKS))
		dgen_session_locks_expect();
}

/* In a worker nothing else has any. */
void
dgen_session_locks_expect(void)
{
	if (!callers_known)
		look(&callers);
	callers_known = true;
}

bool
dgen_session_locks_left(void)
{
	return release_new() != NULL;
}

void
dgen_session_locks_release(void)
{
	(void) release_new();
}

static char *
describe(const LOCKTAG *tag)
{
	const uint32 high = tag->locktag_field2;
	const uint32 low = tag->locktag_field3;

	if (tag->locktag_field4 == TWO_KEYS)
		return psprintf("advisory lock (%d, %d) of the session", (int32) high, (int32) low);
	return psprintf("advisory lock " INT64_FORMAT " of the session",
					(int64) (((uint64) high << 32) | low));
}

/* One that the caller held, and that is gone now: a lock that is released cannot be had back. */
static const LOCALLOCKTAG *
find_lost(void)
{
	for (int i = 0; i < callers.count; i++)
		if (!DGEN_LOCK_HELD_BY_ME(&callers.locks[i].lock, callers.locks[i].mode))
			return &callers.locks[i];
	return NULL;
}

void
dgen_session_locks_check(const ActorType *type)
{
	const LOCALLOCKTAG *left = release_new();
	const LOCALLOCKTAG *lost = find_lost();

	if (left != NULL)
		dgen_refuse_leftover(type, describe(&left->lock),
							 "Release it with pg_advisory_unlock, or use pg_advisory_xact_lock.");
	if (lost != NULL)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_LEFT_BEHIND),
			 errmsg("handler %s released %s of its caller", type->handler, describe(&lost->lock)),
			 errhint(
				 "Release only locks that the handler has taken itself, with pg_advisory_unlock and not with pg_advisory_unlock_all.")));
}
