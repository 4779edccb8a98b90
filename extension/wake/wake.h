/*
 * What a transaction did that others may wait for. Most functions here only leave a mark in the
 * memory of this session; the marks are acted upon when the transaction has committed and its locks
 * are released (wakeup.c). The others act at once, in shared memory. None of them raises, so all can
 * be called at the end of a transaction; without shared memory they do nothing.
 */
#ifndef DGEN_WAKE_WAKE_H
#define DGEN_WAKE_WAKE_H

#include "postgres.h"

#include "port/atomics.h"
#include "utils/timestamp.h"

#define BATON_TIME (20 * INT64CONST(1000))    /* us in which a called session must claim */
#define BACKUP_TIME (5 * INT64CONST(1000000)) /* us between checks that the watch is alive */

/* ---- wakeup.c: marks for the commit ---- */

/* _PG_init: hooks and callbacks. */
extern void dgen_wakeup_init(void);

/* Messages become visible: in that mailbox; in some of the type; of any type. */
extern void dgen_wakeup_sent(int32 type_id, int64 mailbox);
extern void dgen_wakeup_somewhere(int32 type_id);
extern void dgen_wakeup_everywhere(void);
/* Gives hints at once, too, for a claim in this very transaction. */
extern void dgen_wakeup_hint(void);

/* A reply; replies to any request. */
extern void dgen_wakeup_replied(int64 request_id);
extern void dgen_wakeup_all_replies(void);

/* Something is due at `when`; ANY_TYPE: of some type. */
extern void dgen_wakeup_due(int32 type_id, TimestampTz when);
/* A worker of the type must claim again at `when`. */
extern void dgen_wakeup_retry(int32 type_id, TimestampTz when);

/* A locked part is left to be run. */
extern void dgen_wakeup_locked(int32 type_id);
/* The session that runs the part with that fence is ended. Is there room to note one more? */
extern void dgen_wakeup_end_holder(int64 fence);
extern bool dgen_wakeup_may_end_holder(void);

/* A claim left work of the type behind: one more worker is called, if one waits. */
extern void dgen_wakeup_left(int32 type_id);
/* It keeps this session for long: others are called for all that this session takes. */
extern void dgen_wakeup_others(void);

/* Workers read their types and the extension again; start: and missing ones are started. */
extern void dgen_wakeup_orders(bool start);

/*
 * This transaction takes the alarm off, and moves what is due. And: it has moved some of that. If it
 * is rolled back, the alarm rings again.
 */
extern void dgen_alarm_taken(void);
extern void dgen_alarm_left(void);

/* ---- held_locks.c: who waits for what this transaction has locked ---- */

/* This transaction holds an actor's lock: the number under which that is noted, or HELD_UNNOTED. */
extern int dgen_wakeup_owned(int32 type_id, int64 mailbox, uint64 lock);
/* It does so to handle its messages: what it leaves is work for the next claim. */
extern void dgen_wakeup_claimed(int held);
/* Nothing is left in the mailbox, as far as its owner can see; or there is after all. */
extern void dgen_wakeup_drained(int held);
extern void dgen_wakeup_undrained(int held);
/* All that was found in it is handled, should the subtransaction commit. */
extern void dgen_wakeup_handled(int held);
/* Somebody else holds it: its release calls a worker of the type. */
extern void dgen_wakeup_missed(int32 type_id, uint64 lock);

/* A concurrency slot of the type; a claim that tried all of them in vain has missed DGEN_ANY_SLOT. */
#define DGEN_ANY_SLOT UINT64CONST(0x5107)
extern void dgen_wakeup_took_slot(int32 type_id, int slot);
extern int dgen_wakeup_slot(int32 type_id);                  /* one that was noted; -1: none */
extern void dgen_wakeup_freed_slot(int32 type_id, int slot); /* it has been unlocked */

/* For wakeup.c, at the end of a transaction. */
extern bool dgen_held_any(void);
extern void dgen_held_released(bool undone);          /* all of them */
extern void dgen_held_undone(SubTransactionId subid); /* its own are released */
extern void dgen_held_forget(void);                   /* they stay, with a prepared transaction */

/* ---- announce.c: there is work now ---- */

/* There is work of the type at this moment: calls a worker without waiting for the commit. */
extern void dgen_wakeup_now(int32 type_id);
extern void dgen_wakeup_part(int32 type_id);   /* a locked part of the type */
extern void dgen_wakeup_unheld(int32 type_id); /* the same, that nobody runs any more */
extern void dgen_wakeup_retries(void);         /* the alarm of dgen_wakeup_retry rings */

/* Calls nobody: a session that is about to wait does not. The database is attached to. */
extern void dgen_wakeup_announce(int32 type_id);
extern void dgen_announce_buckets(uint64 buckets);
extern void dgen_announce_all(void); /* work of any type: calls workers of all types, too */

/*
 * A claim begins: the session takes its baton, and remembers what has been announced so far. True:
 * something was since its last claim began, or it was called, which it may have been by itself:
 *
 *     batch without a turn: a dead letter's message is sent ── commit: calls itself, announces nothing
 *     look for parts: takes that baton ── looks for no messages ── true: there is another batch
 */
extern bool dgen_wakeup_claiming(void);

extern bool dgen_is_claiming(void); /* has the session claimed in this transaction? */
extern bool dgen_generations_changed(
	void);                                 /* was something announced since the last claim began? */
extern void dgen_generations_forget(void); /* the next wait returns at once */

/* For wakeup.c: the transaction of a claim, or a part of it, is undone; it has ended. */
extern void dgen_claim_undone(void);
extern void dgen_claim_over(void);

/* ---- call_askers.c: sessions that wait for replies (sleep/reply_wait.c); dgen_shared_attach has succeeded ---- */

/* The number of sessions that wait for replies to requests of its bucket. */
extern pg_atomic_uint32 *dgen_reply_waiters_of(int64 request_id);

extern void dgen_call_reply(int64 request_id);
extern void dgen_call_all_replies(void);

/*
 * ---- baton.c: who is called ----
 *
 * They take Database.lock; dgen_shared_attach has succeeded, but for dgen_wakeup_later.
 */

/* Wakes one waiter that takes the type, unless a fresh baton is out; one that runs its locked parts. */
extern void dgen_call_for(int32 type_id);
extern void dgen_call_for_part(int32 type_id);
/* Wakes one for every type in the bucket; -1: for every type. */
extern void dgen_call_all(int bucket);
/* For all that this session takes, as it goes on with something else. */
extern void dgen_call_others(void);
/* This session takes the baton itself. False: it does not take the type, or is no worker that is awake. */
extern bool dgen_call_self(int32 type_id);
/* In 20 ms, if somebody waits now. */
extern void dgen_wakeup_later(int32 type_id);

/* This session claims. Has it had a baton? */
extern bool dgen_wait_taken(void);
/* The watch must not sleep longer than that. */
extern void dgen_alert_watch(TimestampTz until);

#endif /* DGEN_WAKE_WAKE_H */
