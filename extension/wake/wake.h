/*
 * Marks what a transaction did that others might wait for. The functions only leave a mark in the memory
 * of this session. wakeup.c acts upon the marks when the transaction has committed and its locks are
 * released. None of the functions raises; without shared memory they do nothing.
 */
#ifndef DGEN_WAKE_WAKE_H
#define DGEN_WAKE_WAKE_H

#include "postgres.h"

#include "utils/timestamp.h"

/* _PG_init: hooks and callbacks. */
extern void dgen_wakeup_init(void);

/* Messages become visible: in that mailbox; in some mailboxes of the type; of any type. */
extern void dgen_wakeup_sent(int32 type_id, int64 mailbox);
extern void dgen_wakeup_somewhere(int32 type_id);
extern void dgen_wakeup_everywhere(void);
/* Gives the hints now, for a claim in this transaction. */
extern void dgen_wakeup_hint(void);

/* The request has a reply; any request might have one. */
extern void dgen_wakeup_replied(int64 request_id);
extern void dgen_wakeup_all_replies(void);

/* Something is due at `when`; ANY_TYPE: of some type. */
extern void dgen_wakeup_due(int32 type_id, TimestampTz when);
/* A worker of the type must claim again at `when`. */
extern void dgen_wakeup_retry(int32 type_id, TimestampTz when);

/* A locked part is left to run. */
extern void dgen_wakeup_locked(int32 type_id);
/* The commit ends the session that runs the part with that fence. Is there room for one more mark? */
extern void dgen_wakeup_end_holder(int64 fence);
extern bool dgen_wakeup_may_end_holder(void);

/* A claim left work of the type behind: wakes one more worker, if one waits. */
extern void dgen_wakeup_left(int32 type_id);
/* This session will be busy for long: wakes others for all that it handles. */
extern void dgen_wakeup_others(void);

/* Workers read their types and the extension again. */
extern void dgen_wakeup_orders(void);
/* The owner has types with handlers: the workers that it lacks at the commit are started. */
extern void dgen_wakeup_owner(Oid owner);

/*
 * This transaction takes the alarm, and moves what is due; it has moved some of that. If it is rolled
 * back, the alarm rings again.
 */
extern void dgen_alarm_taken(void);
extern void dgen_alarm_left(void);

#endif /* DGEN_WAKE_WAKE_H */
