/*
 * Who sleeps, and who is woken.
 */
#ifndef DGEN_SLEEP_WAIT_H
#define DGEN_SLEEP_WAIT_H

#include "postgres.h"

#include "utils/timestamp.h"

typedef enum WaitResult
{
	WAIT_TIMED_OUT,
	WAIT_READY,      /* claim now */
	WAIT_POKED,      /* in-database worker: look at your orders */
	WAIT_INTERRUPTED /* process interrupts and call again */
} WaitResult;

/* For dgen.workers; cheap. */
extern void dgen_session_busy(bool busy);
extern void dgen_session_count_turns(int turns);

extern void dgen_wait_enter(void); /* the session is a worker now; busy at first */
extern void dgen_wait_leave(void); /* it is one no more: hands its baton on */

/* Outside of a transaction. deadline 0: none. */
extern WaitResult dgen_wait_for_work(TimestampTz deadline);
extern void dgen_wait_found_work(void); /* who polls looks often again */

#endif /* DGEN_SLEEP_WAIT_H */
