/*
 * Owning an actor.
 */
#ifndef DGEN_WAKE_OWN_H
#define DGEN_WAKE_OWN_H

#include "postgres.h"

#include "storage/lock.h"

/*
 * An actor is owned through a transaction-level advisory lock on its mailbox, in a
 * lock class of dgen's own. Try never waits; a failure leaves a mark in shared
 * memory, so that whoever holds the lock wakes a worker when it lets go (H9).
 */
#define HELD_BY_ANOTHER (-1)
#define HELD_UNNOTED (-2)                              /* owned */
extern int dgen_try_own(int32 type_id, int64 mailbox); /* see dgen_wakeup_owned */
extern void dgen_own(int32 type_id, int64 mailbox);    /* waits; deadlocks are detected */
extern bool dgen_owns(int32 type_id, int64 mailbox);

/* Never waits, nor fails when the lock table is full. Until the transaction ends. */
extern bool dgen_try_lock(const LOCKTAG *tag);

#endif /* DGEN_WAKE_OWN_H */
