/*
 * Locks, by version.
 */
#ifndef DGEN_VERSION_LOCK_H
#define DGEN_VERSION_LOCK_H

#include "postgres.h"

#include "storage/lock.h"
#include "storage/proc.h"

/* PostgreSQL 18 can log lock failures. */
#if PG_VERSION_NUM >= 180000
#define DGEN_LOCK_ACQUIRE_EXTRA , false
#else
#define DGEN_LOCK_ACQUIRE_EXTRA
#endif

/* PostgreSQL 17 replaced LockOrStrongerHeldByMe with a third parameter. */
#if PG_VERSION_NUM >= 170000
#define DGEN_LOCK_HELD_BY_ME(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define DGEN_LOCK_HELD_BY_ME(tag, mode) LockHeldByMe(tag, mode)
#endif

/*
 * The next lock of this process in the partition; NULL is before the first and after the last. 16 changed
 * the lists.
 */
static inline PROCLOCK *
dgen_next_proclock(int partition, PROCLOCK *lock)
{
#if PG_VERSION_NUM >= 160000
	dlist_head *locks = &MyProc->myProcLocks[partition];
	dlist_node *next;

	if (lock == NULL)
		next = dlist_is_empty(locks) ? NULL : dlist_head_node(locks);
	else
		next =
			dlist_has_next(locks, &lock->procLink) ? dlist_next_node(locks, &lock->procLink) : NULL;
	return next == NULL ? NULL : dlist_container(PROCLOCK, procLink, next);
#else
	SHM_QUEUE *locks = &MyProc->myProcLocks[partition];

	return (PROCLOCK *) SHMQueueNext(locks, lock == NULL ? locks : &lock->procLink,
									 offsetof(PROCLOCK, procLink));
#endif
}

#endif /* DGEN_VERSION_LOCK_H */
