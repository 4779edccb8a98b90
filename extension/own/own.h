/*
 * A transaction owns an actor while it holds an advisory lock, in a class of dgen's own, whose key is
 * computed from the actor's type and mailbox (actor/lock_key.c). Needs a transaction that has a lock on
 * dgen.message or dgen.actor.
 */
#ifndef DGEN_OWN_OWN_H
#define DGEN_OWN_OWN_H

#include "postgres.h"

#include "storage/lock.h"

/*
 * Never waits. Returns HELD_BY_ANOTHER, HELD_UNNOTED or the number of the lock (wake/held_locks.h). A
 * failed try leaves a mark in shared memory, so that the owner wakes a worker when it releases the lock
 * (H9).
 */
extern int dgen_try_own(int32 type_id, int64 mailbox);

/* Waits. Raises what LockAcquire raises, such as 40P01 in a deadlock. */
extern void dgen_own(int32 type_id, int64 mailbox);

/* Does this transaction own it? */
extern bool dgen_owns(int32 type_id, int64 mailbox);

/* Acquires any lock exclusively, to the end of the transaction. Never waits; false also if the lock table is full. */
extern bool dgen_try_lock(const LOCKTAG *tag);

#endif /* DGEN_OWN_OWN_H */
