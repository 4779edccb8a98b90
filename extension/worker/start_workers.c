/*
 * dgen.start_workers and dgen.stop_workers, and the events that make workers read their orders
 * again: changed types, a dropped extension.
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "actor/in_hand.h"
#include "actor/role.h"
#include "base/base.h"
#include "roster/register.h"
#include "roster/roster.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "table/installed.h"
#include "wake/wake.h"
#include "worker/workers.h"

#define STARTUP_TIME INT64CONST(10000000) /* us to wait for workers to connect */
#define GRACE_STOP 5000                   /* ms to finish a batch before it is interrupted */

PG_FUNCTION_INFO_V1(dgen_start_workers);
PG_FUNCTION_INFO_V1(dgen_stop_workers);
PG_FUNCTION_INFO_V1(dgen_types_changed);

static object_access_hook_type previous_object_access_hook = NULL;

/* ---- starting and stopping ---- */

static void
need_shared_memory(void)
{
	if (!dgen_shared_attach())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("no shared memory for in-database workers"),
						errhint("Add dgen to shared_preload_libraries and restart the server.")));
}

static void
set_desired(int count)
{
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	dgen_database->desired = count;
	dgen_database->returned = 0;
	LWLockRelease(&dgen_shared->lock);
}

/*
 * Workers that are about to start; and if none runs, a process for one, which others might free
 * soon.
 */
static int
wait_until_ready(void)
{
	TimestampTz until = GetCurrentTimestamp() + STARTUP_TIME;

	for (;;)
	{
		int starting;
		int ready = dgen_count_ready(dgen_database, &starting);

		if (starting == 0 && (ready > 0 || dgen_count_unregistered() == 0))
			return ready;
		if (GetCurrentTimestamp() >= until)
			return ready;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10,
						 dgen_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		dgen_complete_workers();
	}
}

static void
warn_too_few(int running, int missing)
{
	if (missing > 0)
		ereport(
			WARNING,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg_plural("%d of %d worker is running", "%d of %d workers are running",
						   running + missing, running, running + missing),
			 errdetail("No background worker is free."),
			 errhint(
				 "The others start as soon as one is free. If none becomes free, raise max_worker_processes (now %d) and restart the server.",
				 max_worker_processes)));
}

static int
count_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("number of workers must not be null"),
						errhint("Give the number of workers that should run.")));
	if (PG_GETARG_INT32(0) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("number of workers must not be negative"),
						errhint("Give the number of workers that should run.")));
	if (PG_GETARG_INT32(0) > max_worker_processes)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("number of workers must be at most %d, not %d", max_worker_processes,
					PG_GETARG_INT32(0)),
			 errhint(
				 "Start fewer workers, or raise max_worker_processes and restart the server.")));
	return PG_GETARG_INT32(0);
}

Datum
dgen_start_workers(PG_FUNCTION_ARGS)
{
	int count = count_argument(fcinfo);
	List *owners;
	int without_place;
	int running;

	dgen_refuse_in_handler("dgen.start_workers", "Start workers from a session of your own.");
	dgen_refuse_standby(fcinfo); /* they would start at the promotion, without a word */
	dgen_check_extension_version();
	need_shared_memory();

	set_desired(count);
	(void) dgen_end_surplus(dgen_database, GRACE_STOP);
	owners = dgen_handler_owners();
	if (owners == NIL && count > 0)
		ereport(NOTICE, (errmsg("no actor type has a handler yet"),
						 errhint("Workers start when you create an actor type with a handler.")));
	without_place = dgen_register_workers(owners);
	running = wait_until_ready();
	warn_too_few(running, without_place + dgen_count_unregistered());
	PG_RETURN_INT32(running);
}

Datum
dgen_stop_workers(PG_FUNCTION_ARGS)
{
	dgen_refuse_in_handler("dgen.stop_workers", "Stop workers from a session of your own.");
	need_shared_memory();
	set_desired(0);
	PG_RETURN_INT32(dgen_end_surplus(dgen_database, GRACE_STOP));
}

/* ---- changed types ---- */

Datum
dgen_types_changed(PG_FUNCTION_ARGS)
{
	ListCell *cell;

	if (!dgen_shared_attach())
		PG_RETURN_VOID();
	foreach (cell, dgen_handler_owners())
		dgen_wakeup_owner(lfirst_oid(cell));
	dgen_wakeup_orders();
	PG_RETURN_VOID();
}

/* ---- hooks ---- */

/*
 * When dgen is dropped or updated, idle workers must notice; when it is created, the launcher must.
 * A role that actor types need is not dropped.
 */
static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class, object, sub, argument);

	if (access == OAT_DROP && class == AuthIdRelationId && OidIsValid(MyDatabaseId))
		dgen_refuse_drop_role(object);
	if (class != ExtensionRelationId || !OidIsValid(MyDatabaseId))
		return;
	/* One that is being created has no name yet that could be looked up. */
	if (access == OAT_POST_CREATE || ((access == OAT_DROP || access == OAT_POST_ALTER) &&
									  object == get_extension_oid("dgen", true)))
		dgen_wakeup_orders();
}

void
dgen_start_workers_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}
