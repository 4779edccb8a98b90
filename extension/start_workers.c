/*
 * dgen.start_workers and dgen.stop_workers, and what makes workers look up or go
 * away: changed types, a dropped extension, DROP DATABASE.
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#include "dgen_ext.h"
#include "extension.h"
#include "role.h"
#include "workers.h"

#define STARTUP_TIME INT64CONST(10000000) /* us to wait for workers to connect */
#define GRACE_STOP 5000                   /* ms to finish a batch before it is interrupted */
#define GRACE_DATABASE 1000               /* the same, when the database goes */

PG_FUNCTION_INFO_V1(dgen_start_workers);
PG_FUNCTION_INFO_V1(dgen_stop_workers);
PG_FUNCTION_INFO_V1(dgen_types_changed);

static object_access_hook_type previous_object_access_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;

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

static int
wait_until_ready(void)
{
	TimestampTz until = GetCurrentTimestamp() + STARTUP_TIME;
	int starting;
	int ready;

	while ((ready = dgen_count_ready(dgen_database, &starting)) >= 0 && starting > 0 &&
		   GetCurrentTimestamp() < until)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10,
						 dgen_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return ready;
}

static void
warn_too_few(int running, int missing)
{
	if (missing > 0)
		ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						  errmsg("%d of %d workers are running", running, running + missing),
						  errdetail("The server has no more background workers to spare."),
						  errhint("Raise max_worker_processes (%d now) and restart the server.",
								  max_worker_processes)));
}

Datum
dgen_start_workers(PG_FUNCTION_ARGS)
{
	List *owners;
	int missing;
	int running;

	if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("count of workers is NULL or negative"),
						errhint("Give the number of workers that should run.")));
	dgen_refuse_in_handler("dgen.start_workers", "Start workers from a session of your own.");
	dgen_check_extension_version();
	need_shared_memory();

	set_desired(PG_GETARG_INT32(0));
	(void) dgen_end_surplus(dgen_database, GRACE_STOP);
	owners = dgen_handler_owners();
	if (owners == NIL && PG_GETARG_INT32(0) > 0)
		ereport(NOTICE, (errmsg("no actor type has a handler yet"),
						 errhint("Workers start when dgen.create_actor_type names one.")));
	missing = dgen_register_workers(owners);
	running = wait_until_ready();
	warn_too_few(running, missing);
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
	bool start = false;
	ListCell *cell;

	if (!dgen_shared_attach())
		PG_RETURN_VOID();
	if (dgen_database->desired > 0)
		foreach (cell, dgen_handler_owners())
			start |= !dgen_has_workers(lfirst_oid(cell));
	dgen_wakeup_orders(start);
	PG_RETURN_VOID();
}

/* ---- hooks ---- */

/*
 * When dgen is dropped or updated, idle workers have to notice; when it is created, the launcher.
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
		dgen_wakeup_orders(false);
}

static char *
option_value(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/* The database in which nobody may be connected for the statement to succeed; or NULL. */
static char *
vacated_database(Node *statement)
{
	if (IsA(statement, DropdbStmt))
		return ((DropdbStmt *) statement)->dbname;
	if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
		return ((RenameStmt *) statement)->subname;
	if (IsA(statement, AlterDatabaseStmt) &&
		option_value(((AlterDatabaseStmt *) statement)->options, "tablespace"))
		return ((AlterDatabaseStmt *) statement)->dbname;
	if (IsA(statement, CreatedbStmt))
		return option_value(((CreatedbStmt *) statement)->options, "template");
	return NULL;
}

/* Sends the workers of the database away for the time of the statement; NULL if there are none. */
static Database *
vacate(const char *name)
{
	Oid oid = get_database_oid(name, true);
	Database *database;

	if (!OidIsValid(oid) || oid == MyDatabaseId || !DGEN_DATABASE_OWNERCHECK(oid, GetUserId()))
		return NULL; /* the statement will say why not */

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	database = dgen_database_entry(oid, false);
	if (database != NULL && (database->desired <= 0 || database->leaving))
		database = NULL;
	if (database != NULL)
		database->leaving = true;
	LWLockRelease(&dgen_shared->lock);
	return database;
}

/* They come back, unless the database is gone. */
static void
reopen(Database *database, bool dropped)
{
	Oid oid;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	oid = database->oid;
	if (dropped)
	{
		database->desired = NO_ORDERS;
		database->launched = 0;
	}
	database->leaving = false;
	LWLockRelease(&dgen_shared->lock);
	if (!dropped)
		(void) dgen_register_starter(oid, 0);
}

static void
on_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment *environment,
		   DestReceiver *receiver, QueryCompletion *completion)
{
	char *name = vacated_database(planned->utilityStmt);
	Database *database = name != NULL && dgen_shared != NULL ? vacate(name) : NULL;
	volatile bool done = false;

	if (database == NULL)
	{
		previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
							  receiver, completion);
		return;
	}
	PG_TRY();
	{
		(void) dgen_end_surplus(database, GRACE_DATABASE);
		previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
							  receiver, completion);
		done = true;
	}
	PG_FINALLY();
	{
		reopen(database, done && IsA(planned->utilityStmt, DropdbStmt));
	}
	PG_END_TRY();
}

void
dgen_start_workers_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_utility_hook =
		ProcessUtility_hook != NULL ? ProcessUtility_hook : standard_ProcessUtility;
	ProcessUtility_hook = on_utility;
}
