/*
 * What a transaction did that others may wait for: marks, acted upon once its locks are released.
 * They never raise.
 */
#ifndef DGEN_WAKE_WAKE_H
#define DGEN_WAKE_WAKE_H

#include "postgres.h"

#include "port/atomics.h"
#include "utils/timestamp.h"

#define BATON_TIME (20 * INT64CONST(1000))    /* us in which a called session must claim */
#define BACKUP_TIME (5 * INT64CONST(1000000)) /* us between looks whether the watch is alive */

/* ---- wakeup.c: marks ---------------------------------------------------- */

/* _PG_init: hooks and callbacks. */
extern void dgen_wakeup_init(void);

/* Commit makes work visible: in that mailbox; in some that the caller does not name. */
extern void dgen_wakeup_sent(int32 type_id, int64 mailbox);
extern void dgen_wakeup_somewhere(int32 type_id);
extern void dgen_wakeup_everywhere(void); /* of any type */
extern void dgen_wakeup_all_replies(void);
/* Hints before the commit, too, for a claim in this very transaction. */
extern void dgen_wakeup_hint(void);
/* Commit makes something due at `when`; ANY_TYPE: of some type. */
extern void dgen_wakeup_due(int32 type_id, TimestampTz when);
extern bool dgen_wakeup_may_end_holder(void);
extern void dgen_wakeup_end_holder(int64 fence); /* commit ends its session */
extern void dgen_wakeup_retry(int32 type_id,
							  TimestampTz when); /* a worker of the type is to claim again then */
extern void dgen_wakeup_replied(int64 request_id);
extern void dgen_wakeup_locked(int32 type_id); /* commit leaves a locked part to be run */
/* A claim left work of the type behind: wake one more worker, if one waits. */
extern void dgen_wakeup_left(int32 type_id);
/* It keeps this session for long: others are called for all that it takes, and may have been called for. */
extern void dgen_wakeup_others(void);

/* At commit: workers look at their types and their extension again; start: and new ones are started. */
extern void dgen_wakeup_orders(bool start);

extern void dgen_alarm_taken(void);
extern void dgen_alarm_left(void); /* it rings if what this transaction has moved is undone */

/* ---- held_locks.c: who waits for what this transaction has locked ------- */

/* This transaction holds an actor's lock: the number under which that is noted, or HELD_UNNOTED. */
extern int dgen_wakeup_owned(int32 type_id, int64 mailbox, uint64 lock);
/* It does so to handle its messages: what it leaves is work for the next claim. */
extern void dgen_wakeup_claimed(int held);
/* Nothing is left in the mailbox, as far as its owner can see; or there is after all. */
extern void dgen_wakeup_drained(int held);
extern void dgen_wakeup_undrained(int held);
/* All that was found in it is handled, should the subtransaction commit. */
extern void dgen_wakeup_handled(int held);
extern void dgen_wakeup_missed(int32 type_id,
							   uint64 lock); /* somebody else holds it; to be told at its release */

/* The same for a slot of the type; who tried all of them in vain has missed DGEN_ANY_SLOT. */
#define DGEN_ANY_SLOT UINT64CONST(0x5107)
extern void dgen_wakeup_took_slot(int32 type_id, int slot);
extern int dgen_wakeup_slot(int32 type_id);                  /* one that was noted; -1: none */
extern void dgen_wakeup_freed_slot(int32 type_id, int slot); /* it has been unlocked */

/* Of wakeup.c, as a transaction ends. They never raise. */
extern bool dgen_held_any(void);
extern void dgen_held_released(bool undone);          /* all of them */
extern void dgen_held_undone(SubTransactionId subid); /* its own are released */
extern void dgen_held_forget(void);                   /* they stay, with a prepared transaction */

/* ---- announce.c: there is work now -------------------------------------- */

/* There is work of the type at this moment: calls a worker without waiting for the commit. */
extern void dgen_wakeup_now(int32 type_id);
extern void dgen_wakeup_later(int32 type_id);    /* in 20 ms, if somebody waits now */
extern void dgen_wakeup_announce(int32 type_id); /* who is about to wait looks again */
extern void dgen_wakeup_unheld(int32 type_id);   /* a locked part that nobody runs */
extern void dgen_wakeup_retries(void);           /* the alarm of dgen_wakeup_retry rings */

/*
 * A claim begins: the session takes its baton, and remembers what has been announced so far. True:
 * something was since its last claim began, or it was called, which it may have been by itself:
 *
 *     batch without a turn: a dead letter's message is sent ── commit: calls itself, announces nothing
 *     look for parts: takes that baton ── looks for no messages ── true: there is another batch
 */
extern bool dgen_wakeup_claiming(void);

extern void dgen_announce_buckets(uint64 buckets);
extern void dgen_announce_all(void);         /* work of any type, in some mailboxes */
extern void dgen_wakeup_part(int32 type_id); /* a locked part of the type; never raises */
extern void dgen_generations_forget(void);   /* the next wait returns at once */
extern bool dgen_generations_changed(void);  /* since the last claim began */
extern bool dgen_is_claiming(void);          /* the transaction has begun with a claim */
/* Of wakeup.c: the transaction of a claim, or a part of it, is undone; it has ended. */
extern void dgen_claim_undone(void);
extern void dgen_claim_over(void);

/* ---- call_askers.c: calls the sessions that wait for replies (sleep/reply_wait.c) ---- */

/* How many wait for replies to requests of its bucket. */
extern pg_atomic_uint32 *dgen_reply_waiters_of(int64 request_id);

extern void dgen_call_reply(int64 request_id);
extern void dgen_call_all_replies(void);

/* ---- baton.c: batons ---------------------------------------------------- */

extern bool dgen_wait_taken(void); /* it claims: its baton, if it has one, is taken */

extern void dgen_call_for(int32 type_id); /* wakes one waiter, unless a fresh baton is out */
extern void dgen_call_for_part(
	int32 type_id);                        /* the same, one that runs locked parts of the type */
extern bool dgen_call_self(int32 type_id); /* this session claims soon; false if it would not */
extern void dgen_call_others(
	void); /* to what this session takes, as it goes on with something else */
extern void dgen_call_all(
	int bucket); /* wakes one for every type in the bucket; -1: for every type */
extern void dgen_alert_watch(TimestampTz until); /* it must not sleep longer than that */

#endif /* DGEN_WAKE_WAKE_H */
