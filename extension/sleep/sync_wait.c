/*
 * The wait for a synchronous standby at the end of a commit, for who has a deadline. The
 * server knows no timeout for it: it continues for as long as the standby is gone, and only a
 * cancel ends it. The transaction is committed then, and what it did is visible here.
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
 * The wait may begin only after the deadline, so one look would not be enough. A standby that
 * is there has this long in any case.
 */
#define LOOK_AGAIN_MS 50
#define LEAST_MS 100

static TimeoutId timeout_id = MAX_TIMEOUTS;
static volatile sig_atomic_t given_up = false;

/* In signal context. Only that wait is canceled, which takes the cancel for itself. */
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

	/* The wait may have ended by itself at that very moment. */
	if (given_up)
		QueryCancelPending = false;
	return given_up;
}
