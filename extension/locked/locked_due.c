/*
 * Attempts of locked parts that have failed without their session: lock_timeout has passed, or the
 * session has ended. Also locked parts that are due again.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "claim/part.h"
#include "claim/read_batch.h"
#include "commit/failure.h"
#include "commit/locked.h"
#include "locked/locked.h"
#include "own/own.h"
#include "shared/charge.h"
#include "shared/shared.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/held_locks.h"
#include "wake/wake.h"

/* Parts that one alarm ends, at most. */
#define MOST_DUE 16

/*
 * What could not be ended, because a turn ran or there was no room for its session, is tried again
 * after this, us.
 */
#define EXPIRY_RETRY_US INT64CONST(200000)

typedef struct Expired
{
	int32 type_id;
	int64 mailbox;
	int64 fence;
} Expired;

bool
dgen_part_fail_attempt(const ActorType *type, int64 mailbox, int64 fence, const Failure *failure)
{
	Batch *batch;

	if (dgen_try_own(type->id, mailbox) == HELD_BY_ANOTHER)
		return false;
	batch = dgen_read_locked(type, mailbox, fence, NULL, READ_TRY);
	if (batch != NULL)
		(void) dgen_record_failure(&batch->actors[0], &batch->actors[0].messages[0], failure);
	return true;
}

static void
expire(DueLook *look, const Expired *attempt)
{
	const ActorType *type = dgen_type_by_id(attempt->type_id, true);
	Failure failure = {.sqlstate = pstrdup(unpack_sql_state(DGEN_ERR_LOCK_TIMEOUT))};

	if (type == NULL)
		return;
	failure.error = psprintf("locked part of actor type \"%s\" took longer than its lock_timeout "
							 "of " INT64_FORMAT " ms",
							 type->name, type->lock_timeout_ms);
	failure.hint = "Make the locked part faster, or raise lock_timeout with dgen.alter_actor_type.";
	look->ended = true;
	dgen_alarm_left();
	if (dgen_wakeup_may_end_holder() &&
		dgen_part_fail_attempt(type, attempt->mailbox, attempt->fence, &failure))
		dgen_wakeup_end_holder(attempt->fence);
	else
		dgen_wakeup_due(type->id, GetCurrentTimestamp() + EXPIRY_RETRY_US);
}

/* Those whose time is over, and when that of the next one is. */
static void
expire_due(DueLook *look)
{
	Expired due[MOST_DUE];
	DgenScan scan;
	ScanKeyData key;
	int count = 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	dgen_key_time(&key, 1, BTGreaterEqualStrategyNumber, DT_NOBEGIN);
	dgen_scan_begin(&scan, TABLE_LOCKED, INDEX_BY_EXPIRY, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	while (dgen_scan_next(&scan))
	{
		TimestampTz expires_at;
		int32 type_id;

		dgen_scan_row(&scan);
		expires_at = DatumGetTimestampTz(scan.values[LOCKED_EXPIRES_AT]);
		type_id = DatumGetInt32(scan.values[LOCKED_TYPE_ID]);
		if (expires_at > look->now || count == MOST_DUE)
		{
			if (expires_at != DT_NOEND)
				dgen_due_later(look, type_id, Max(expires_at, look->now));
			break;
		}
		if (dgen_session_has(look->session, type_id))
			due[count++] = (Expired){type_id, DatumGetInt64(scan.values[LOCKED_MAILBOX]),
									 DatumGetInt64(scan.values[LOCKED_FENCE])};
	}
	dgen_scan_end(&scan);
	PopActiveSnapshot();
	for (int i = 0; i < count; i++)
		expire(look, &due[i]);
}

/* Parts whose backoff is over: a check will find them. */
static void
ask_for_due(DueLook *look)
{
	DgenScan scan;
	ScanKeyData key;
	int32 last = ANY_TYPE;

	PushActiveSnapshot(GetTransactionSnapshot());
	dgen_key_time(&key, 1, BTGreaterEqualStrategyNumber, DT_NOBEGIN);
	dgen_scan_begin(&scan, TABLE_LOCKED, INDEX_BY_TIME, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	while (dgen_scan_next(&scan))
	{
		TimestampTz retry_at;
		int32 type_id;

		dgen_scan_row(&scan);
		retry_at = DatumGetTimestampTz(scan.values[LOCKED_RETRY_AT]);
		type_id = DatumGetInt32(scan.values[LOCKED_TYPE_ID]);
		if (retry_at > look->now)
		{
			if (retry_at != DT_NOEND)
				dgen_due_later(look, type_id, retry_at);
			break;
		}
		if (type_id != last && dgen_session_has(look->session, type_id))
			dgen_wakeup_unheld(type_id);
		last = type_id;
	}
	dgen_scan_end(&scan);
	PopActiveSnapshot();
}

void
dgen_locked_due(DueLook *look)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	dgen_table_lock(TABLE_LOCKED, RowExclusiveLock);
	expire_due(look);
	ask_for_due(look);
	MemoryContextSwitchTo(old);
}

/*
 * Another attempt might already run, or it was one of a former extension, whose fences are used
 * again: then it no longer has an effect. False: its session might not be gone yet. One of dgen's
 * tables is locked.
 */
bool
dgen_charge_part(const Charge *charge, const ActorType *type, const Failure *failure)
{
	static const Interval at_once;
	Failure once_more = *failure;

	if (charge->extension != dgen_this_extension())
		return true;
	if (charge->sqlstate != DGEN_ERR_LOCK_LOST)
		once_more.delay = &at_once;
	once_more.ended = charge->sqlstate == DGEN_ERR_SERVER_CRASHED;
	return !dgen_part_is_alive(charge->fence) &&
		   dgen_part_fail_attempt(type, charge->mailbox, charge->fence, &once_more);
}
