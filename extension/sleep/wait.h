/*
 * How a worker's session sleeps (wait.c); wake/baton.c wakes it. No function here raises; those that
 * change the slot acquire Database.lock.
 */
#ifndef DGEN_SLEEP_WAIT_H
#define DGEN_SLEEP_WAIT_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * The session has a slot. Enter: it is a worker now, busy at first. Leave: it is none any more, and
 * passes its baton on.
 */
extern void dgen_wait_enter(void);
extern void dgen_wait_leave(void);

typedef enum WaitResult
{
	WAIT_TIMED_OUT,
	WAIT_READY,      /* claim now */
	WAIT_POKED,      /* in-database worker: read your orders */
	WAIT_INTERRUPTED /* process interrupts and call again */
} WaitResult;

/* Waits outside of a transaction; deadline 0: no limit. Polls if there is no shared memory. */
extern WaitResult dgen_wait_for_work(TimestampTz deadline);
extern void dgen_wait_found_work(void); /* a session that polls checks often again */

/* For dgen.workers; cheap. */
extern void dgen_session_busy(bool busy);
extern void dgen_session_count_turns(int turns);

#endif /* DGEN_SLEEP_WAIT_H */
