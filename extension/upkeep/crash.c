/*
 * What dgen does after a turn has crashed the server (shared/crash_notes.c): its message is handled
 * alone, and becomes a dead letter if the server crashes again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "shared/charge.h"
#include "shared/crash_notes.h"
#include "shared/memo.h"
#include "shared/shared.h"
#include "table/table.h"
#include "upkeep/upkeep.h"
#include "wake/alarm.h"

#define MOST_TIMES 2

static void
conclude(const Charge *turn, int times)
{
	Charge charge = *turn;

	ereport(
		LOG,
		(errmsg("server crashed while handling message " INT64_FORMAT " (crash %d)",
				charge.message_id, times),
		 times < MOST_TIMES
			 ? errdetail(
				   "dgen will handle the message alone. If the server crashes again, the message becomes a dead letter.")
			 : errdetail("The message is a dead letter now.")));
	dgen_set_suspicion(charge.type_id, charge.mailbox, (Suspicion){SUSPICION_ALONE, 1});
	charge.sqlstate = DGEN_ERR_SERVER_CRASHED;
	if (times >= MOST_TIMES && !dgen_record_charge(&charge))
		dgen_charge(&charge);
}

/* What cannot be recorded must not keep the workers from working. */
static void
conclude_once(int n, const Charge *turn, int times)
{
	PG_TRY();
	{
		conclude(turn, times);
	}
	PG_CATCH();
	{
		dgen_crash_concluded(n);
		PG_RE_THROW();
	}
	PG_END_TRY();
	dgen_crash_concluded(n);
}

static void
conclude_all(void)
{
	Charge turn;
	int times;

	for (int n = 0; (n = dgen_crash_find_fresh(n, &turn, &times)) >= 0; n++)
		conclude_once(n, &turn, times);
}

static bool
is_anything_fresh(void)
{
	Charge turn;
	int times;

	return dgen_crash_find_fresh(0, &turn, &times) >= 0;
}

/*
 * Before a worker runs its first turn, and committed: the turn might crash again. The others wait
 * in the meantime, for a lock of their own: any session can hold the lock on the table itself.
 */
void
dgen_crash_conclude(void)
{
	static bool concluded = false;

	if (concluded)
		return;
	if (is_anything_fresh() && dgen_shared_attach())
	{
		StartTransactionCommand();
		XactIsoLevel = XACT_READ_COMMITTED;
		LockDatabaseObject(RelationRelationId, dgen_table_oid(TABLE_WORKER), 0, ExclusiveLock);
		PushActiveSnapshot(GetTransactionSnapshot());
		conclude_all();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	concluded = true;
}
