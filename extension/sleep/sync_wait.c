/*
 * Limits the wait for a synchronous standby at the end of a commit, for callers with a deadline. The
 * server has no timeout for this wait: it continues while the standby is away, and only a cancel ends it.
 * The transaction is committed then, and its changes are visible on this server.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "replication/syncrep.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "sleep/sync_wait.h"

/*
 * The wait might begin only after the deadline, so one check would not be enough. A connected standby
 * always has at least LEAST_MS.
 */
#define LOOK_AGAIN_MS 50
#define LEAST_MS 100

static TimeoutId timeout_id = MAX_TIMEOUTS;
static volatile sig_atomic_t given_up = false;

/* Runs in signal context. Cancels only the wait for the standby, which consumes the cancel. */
static void
end_wait(void)
{
	if (MyProc->syncRepState != SYNC_REP_WAITING)
		return;
	given_up = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

void
dgen_sync_wait_begin(TimestampTz deadline)
{
	given_up = false;
	if (deadline == DT_NOEND)
		return;
	if (timeout_id == MAX_TIMEOUTS)
		timeout_id = RegisterTimeout(USER_TIMEOUT, end_wait);
	enable_timeout_every(
		timeout_id, Max(deadline, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAST_MS)),
		LOOK_AGAIN_MS);
}

bool
dgen_sync_wait_end(void)
{
	if (timeout_id != MAX_TIMEOUTS)
		disable_timeout(timeout_id, false);

	/* The wait might have ended by itself at the same moment. */
	if (given_up)
		QueryCancelPending = false;
	return given_up;
}
