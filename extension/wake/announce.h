/*
 * Announces work that exists now, in shared memory and at once. None of the functions raises; without
 * shared memory they do nothing.
 */
#ifndef DGEN_WAKE_ANNOUNCE_H
#define DGEN_WAKE_ANNOUNCE_H

#include "postgres.h"

/* There is work of the type now: wakes a worker without waiting for the commit. */
extern void dgen_wakeup_now(int32 type_id);
extern void dgen_wakeup_part(int32 type_id);   /* a locked part of the type */
extern void dgen_wakeup_unheld(int32 type_id); /* the same, and no session runs it any more */
extern void dgen_wakeup_retries(void);         /* the alarm of dgen_wakeup_retry rings */

/* Wakes no session, but a session that is about to wait does not wait. dgen_shared_attach has succeeded. */
extern void dgen_wakeup_announce(int32 type_id);
extern void dgen_announce_buckets(uint64 buckets);
extern void dgen_announce_all(void); /* work of any type: also wakes workers of all types */

/*
 * A claim begins: the session takes its baton, and remembers what has been announced so far. True:
 * something was announced since its last claim began, or the session was woken, perhaps by itself:
 *
 *     batch without a turn: a dead letter's message is sent ── commit: calls itself, announces nothing
 *     check for parts: takes that baton ── reads no messages ── true: there is another batch
 */
extern bool dgen_wakeup_claiming(void);

extern bool dgen_is_claiming(void); /* has the session claimed in this transaction? */
/* Was something announced since the last claim began? */
extern bool dgen_generations_changed(void);
extern void dgen_generations_forget(void); /* the next wait returns at once */

/* For wakeup.c: the transaction of a claim, or a subtransaction of it, was rolled back; it has ended. */
extern void dgen_claim_undone(void);
extern void dgen_claim_over(void);

#endif /* DGEN_WAKE_ANNOUNCE_H */
