/*
 * Removing expired rows: idempotency keys and replies, and marks of messages that are gone. Workers
 * do it when they have nothing else to do, so that it costs senders nothing; one worker per
 * database and interval.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "base/base.h"
#include "shared/database.h"
#include "shared/shared.h"
#include "table/table.h"
#include "upkeep/upkeep.h"

/* Rows of each kind that one transaction removes. */
#define MAINTAIN_ROWS 1000

/* A worker that is never idle does it in the end as well, at so many intervals. */
#define BUSY_INTERVALS 10

/*
 * True for one session per interval. Without shared memory each session counts for itself: the
 * removal is harmless when it is done twice.
 */
bool
dgen_maintenance_due(bool idle)
{
	static TimestampTz last_here = 0;
	TimestampTz now = GetCurrentTimestamp();
	int64 interval = dgen_safety_net_interval * INT64CONST(1000000) * (idle ? 1 : BUSY_INTERVALS);
	uint64 last;

	if (!dgen_shared_attach())
	{
		if (now - last_here < interval)
			return false;
		last_here = now;
		return true;
	}
	last = pg_atomic_read_u64(&dgen_database->last_maintenance);
	return now - (TimestampTz) last >= interval &&
		   pg_atomic_compare_exchange_u64(&dgen_database->last_maintenance, &last, (uint64) now);
}

/* In a transaction; with the privileges of the extension's owner. True if there might be more. */
bool
dgen_maintain(void)
{
	Oid owner = dgen_table_owner(TABLE_MESSAGE);
	int64 removed = 0;
	Oid user;
	int context;
	bool isnull;

	dgen_check_adopted();
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(psprintf("SELECT dgen._maintain(%d)", MAINTAIN_ROWS), false, 1) ==
			SPI_OK_SELECT &&
		SPI_processed == 1)
		removed =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	SetUserIdAndSecContext(user, context);
	return removed >= MAINTAIN_ROWS;
}
