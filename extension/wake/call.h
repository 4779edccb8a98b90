/*
 * Wakes sessions: workers that sleep, and sessions that wait for replies. dgen_shared_attach has
 * succeeded, except for dgen_wakeup_later. None of the functions raises.
 */
#ifndef DGEN_WAKE_CALL_H
#define DGEN_WAKE_CALL_H

#include "postgres.h"

#include "port/atomics.h"
#include "utils/timestamp.h"

#define BATON_TIME (20 * INT64CONST(1000))    /* us in which a called session must claim */
#define BACKUP_TIME (5 * INT64CONST(1000000)) /* us between checks that the watch is alive */

/* ---- baton.c: workers; the functions acquire Database.lock ---- */

/* Wakes one waiter that handles the type, or one that runs its locked parts, unless a fresh baton is out. */
extern void dgen_call_for(int32 type_id);
extern void dgen_call_for_part(int32 type_id);
/* Wakes one waiter for each type in the bucket; -1: for every type. */
extern void dgen_call_all(int bucket);
/* Wakes others for all that this session handles, because it continues with something else. */
extern void dgen_call_others(void);
/* This session takes the baton itself. False: it does not handle the type, or is not an awake worker. */
extern bool dgen_call_self(int32 type_id);
/* Wakes a waiter in 20 ms, if a session waits now. */
extern void dgen_wakeup_later(int32 type_id);

/* This session claims. Did it have a baton? */
extern bool dgen_wait_taken(void);
/* The watch must not sleep beyond that time. */
extern void dgen_alert_watch(TimestampTz until);

/* ---- call_askers.c: sessions that wait for replies (sleep/reply_wait.c) ---- */

/* Returns the counter of sessions that wait for replies to requests of this bucket. */
extern pg_atomic_uint32 *dgen_reply_waiters_of(int64 request_id);

extern void dgen_call_reply(int64 request_id);
extern void dgen_call_all_replies(void);

#endif /* DGEN_WAKE_CALL_H */
