/*
 * Locks that this transaction holds and others might wait for. None of the functions raises; without
 * shared memory they do nothing.
 */
#ifndef DGEN_WAKE_HELD_LOCKS_H
#define DGEN_WAKE_HELD_LOCKS_H

#include "postgres.h"

/*
 * How this transaction holds the lock of an actor: one of these, or the number under which the lock
 * is noted, for dgen_wakeup_claimed and its like.
 */
#define HELD_BY_ANOTHER (-1)
#define HELD_UNNOTED (-2) /* owned, and not noted: there was no memory for it */

/* This transaction holds an actor's lock: the number under which that is noted, or HELD_UNNOTED. */
extern int dgen_wakeup_owned(int32 type_id, int64 mailbox, uint64 lock);
/* It does so to handle its messages: what it leaves is work for the next claim. */
extern void dgen_wakeup_claimed(int held);
/* Nothing is left in the mailbox, as far as its owner can see; or there is after all. */
extern void dgen_wakeup_drained(int held);
extern void dgen_wakeup_undrained(int held);
/* All that was found in it is handled, should the subtransaction commit. */
extern void dgen_wakeup_handled(int held);
/* Another session holds it: its release wakes a worker of the type. */
extern void dgen_wakeup_missed(int32 type_id, uint64 lock);

/* A concurrency slot of the type; a claim that got none of them has missed DGEN_ANY_SLOT. */
#define DGEN_ANY_SLOT UINT64CONST(0x5107)
extern void dgen_wakeup_took_slot(int32 type_id, int slot);
extern int dgen_wakeup_slot(int32 type_id);                  /* one that was noted; -1: none */
extern void dgen_wakeup_freed_slot(int32 type_id, int slot); /* it has been unlocked */

/* For wakeup.c, at the end of a transaction. */
extern bool dgen_held_any(void);
extern void dgen_held_released(bool undone);          /* all of them */
extern void dgen_held_undone(SubTransactionId subid); /* its own are released */
extern void dgen_held_forget(void);                   /* they stay, with a prepared transaction */

#endif /* DGEN_WAKE_HELD_LOCKS_H */
