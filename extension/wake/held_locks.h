/*
 * Locks that this transaction holds and others might wait for. None of the functions raises; without
 * shared memory they do nothing.
 */
#ifndef DGEN_WAKE_HELD_LOCKS_H
#define DGEN_WAKE_HELD_LOCKS_H

#include "postgres.h"

/*
 * How this transaction holds the lock of an actor: one of these, or the number under which the lock is
 * noted, for functions such as dgen_wakeup_claimed.
 */
#define HELD_BY_ANOTHER (-1)
#define HELD_UNNOTED (-2) /* owned, but not noted for lack of memory */

/* Notes that this transaction holds an actor's lock. Returns the number of the note, or HELD_UNNOTED. */
extern int dgen_wakeup_owned(int32 type_id, int64 mailbox, uint64 lock);
/* A claim owns the actor: messages that it leaves are work for the next claim. */
extern void dgen_wakeup_claimed(int held);
/* Its owner sees no more messages in the mailbox; or there are some after all. */
extern void dgen_wakeup_drained(int held);
extern void dgen_wakeup_undrained(int held);
/* If the subtransaction commits, all messages that were found in the mailbox are handled. */
extern void dgen_wakeup_handled(int held);
/* Another session holds the lock: when it releases it, it wakes a worker of the type. */
extern void dgen_wakeup_missed(int32 type_id, uint64 lock);

/* Concurrency slots. A claim that got no slot of the type has missed DGEN_ANY_SLOT. */
#define DGEN_ANY_SLOT UINT64CONST(0x5107)
extern void dgen_wakeup_took_slot(int32 type_id, int slot);
extern int dgen_wakeup_slot(int32 type_id);                  /* a slot that is noted; -1: none */
extern void dgen_wakeup_freed_slot(int32 type_id, int slot); /* it has been unlocked */

/* For wakeup.c, at the end of a transaction. */
extern bool dgen_held_any(void);
extern void dgen_held_released(bool undone);          /* all of them */
extern void dgen_held_undone(SubTransactionId subid); /* the locks of the subtransaction */
extern void dgen_held_forget(void);                   /* a prepared transaction keeps them */

#endif /* DGEN_WAKE_HELD_LOCKS_H */
