/*
 * CREATE EXTENSION. Shared memory might know of an extension that was dropped in this database. The
 * ids of types and messages begin again, so the old entries would be taken for those of the new
 * ones: a suspect, for example, or an attempt that must be counted. All entries are lossy (H6, H8),
 * so they are discarded.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "shared/charge.h"
#include "shared/crash_notes.h"
#include "shared/hint_set.h"
#include "shared/layout.h"
#include "shared/memo.h"
#include "shared/shared.h"
#include "wake/alarm.h"
#include "wake/wake.h"

PG_FUNCTION_INFO_V1(dgen_forget_former);

static void
forget_charges(void)
{
	Charge charges[8];

	while (dgen_take_charges(NULL, charges, lengthof(charges)) > 0)
		;
}

/* If the transaction is rolled back, the former types are there again: they are swept. */
static void
forget_hints(void)
{
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	dgen_hints_free_database(MyDatabaseId);
	dgen_rates_free_database(MyDatabaseId);
	LWLockRelease(&dgen_shared->lock);
}

/*
 * No session is in the middle of anything: the tables of the former extension were locked until it
 * was gone, and those of this one are not to be seen yet.
 */
Datum
dgen_forget_former(PG_FUNCTION_ARGS)
{
	dgen_crashes_forget();
	if (dgen_shared_attach())
	{
		forget_charges();
		forget_hints();
		dgen_memos_forget();
		/* External workers are woken when it is adopted: a restore might be filling it. */
		dgen_wakeup_all_replies();
		dgen_wakeup_orders();
	}
	PG_RETURN_VOID();
}
