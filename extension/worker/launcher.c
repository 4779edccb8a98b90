/*
 * Automatic start of in-database workers. The launcher runs when the library is preloaded and
 * dgen.databases names a database. The starter is a process that connects to one database,
 * registers the workers that are missing there, and ends.
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "base/base.h"
#include "roster/register.h"
#include "roster/roster.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "sleep/procedure.h"
#include "table/installed.h"
#include "version/process.h"
#include "worker/workers.h"

/* Sessions that create a database do not announce it; some that create the extension do. */
#define LAUNCH_INTERVAL INT64CONST(10000000) /* us between checks whether a database was created */
#define RETRY_INTERVAL INT64CONST(1000000) /* us, if no process was free for the workers to start */

/* ---- the starter ---- */

/* With Shared.lock: a count from the settings does not overrule one from dgen.start_workers. */
static void
take_count(int count)
{
	Database *database = dgen_database;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	if (database->desired == NO_ORDERS || database->desired == database->launched ||
		database->desired == database->returned)
		database->desired = count;
	database->launched = count;
	database->returned = 0;
	LWLockRelease(&dgen_shared->lock);
}

static void
start_missing(int count)
{
	bool fits;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	fits = dgen_fits_installed();
	if (fits)
	{
		int missing;

		(void) dgen_handler_owners(); /* if that fails it is tried again */
		if (count > 0)
			take_count(count);
		/*
		 * Read after the count is there: a session that commits a type from now on finds it, and
		 * starts workers.
		 */
		missing = dgen_register_workers(dgen_handler_owners());
		missing += dgen_count_unregistered();
		if (missing > 0)
			ereport(
				WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg_plural("could not start %d worker in database \"%s\" yet",
							   "could not start %d workers in database \"%s\" yet", missing,
							   missing, get_database_name(MyDatabaseId)),
				 errdetail("No background worker is free."),
				 errhint(
					 "They start as soon as one is free. If none becomes free, raise max_worker_processes (now %d) and restart the server.",
					 max_worker_processes)));
	}
	else if (count > 0 && !dgen_database->told)
	{
		dgen_database->told = true;
		ereport(
			LOG,
			(errmsg("could not start workers in database \"%s\" yet",
					get_database_name(MyDatabaseId)),
			 errdetail("Extension dgen is not installed in version %s.", DGEN_VERSION),
			 errhint("Run CREATE EXTENSION dgen or ALTER EXTENSION dgen UPDATE in the database.")));
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (count > 0 && fits)
		dgen_end_surplus(dgen_database, 5000);
}

void
dgen_starter_main(Datum argument)
{
	StarterOrders orders;

	memcpy(&orders, MyBgworkerEntry->bgw_extra, sizeof(orders));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	/* No role is named: it must see the types of all owners. */
	BackgroundWorkerInitializeConnectionByOid(orders.database, InvalidOid, 0);
	pgstat_report_activity(STATE_RUNNING, "dgen: starting workers");
	if (dgen_shared_attach())
		start_missing(orders.count);
	proc_exit(0);
}

/* ---- the launcher ---- */

typedef struct Launcher
{
	MemoryContext context; /* of one round */
	List *unknown;   /* names of databases that the log says are not there; in TopMemoryContext */
	bool no_process; /* for a starter; the log says so */
} Launcher;

static void
tell_once(Launcher *launcher, const char *name)
{
	MemoryContext old;
	ListCell *cell;

	foreach (cell, launcher->unknown)
		if (strcmp(lfirst(cell), name) == 0)
			return;
	ereport(
		LOG,
		(errmsg("database \"%s\" of dgen.databases does not exist or allows no connections", name),
		 errdetail("dgen starts its workers when the database exists and allows connections."),
		 errhint("Create the database, or remove its name from dgen.databases.")));
	old = MemoryContextSwitchTo(TopMemoryContext);
	launcher->unknown = lappend(launcher->unknown, pstrdup(name));
	MemoryContextSwitchTo(old);
}

/* More than the server can have at all would only be entries that no process fills. */
static int
wanted_count(void)
{
	return Min(dgen_worker_count, max_worker_processes);
}

/* Has this database the workers that the settings ask for, or other orders? */
static bool
needs_starter(Oid oid)
{
	Database *database;
	bool needs;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	database = dgen_database_entry(oid, true);
	needs = database != NULL && database->leaving == 0 && database->launched != wanted_count();
	LWLockRelease(&dgen_shared->lock);
	return needs;
}

/*
 * By a scan of the table: the index cannot be opened here before some session that is connected to
 * a database has written the server's relation cache file.
 */
static Oid
database_oid(const char *name)
{
	Relation relation = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
	Oid oid = InvalidOid;
	HeapTuple tuple;

	while (!OidIsValid(oid) && HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn && strcmp(NameStr(database->datname), name) == 0)
			oid = database->oid;
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	return oid;
}

static List *
listed_databases(Launcher *launcher)
{
	List *names;
	List *oids = NIL;
	ListCell *cell;

	(void) SplitGUCList(pstrdup(dgen_databases), ',', &names); /* it is a list: check_databases */
	foreach (cell, names)
	{
		Oid oid = database_oid(lfirst(cell));

		if (OidIsValid(oid))
			oids = list_append_unique_oid(oids, oid);
		else
			tell_once(launcher, lfirst(cell));
	}
	return oids;
}

/* What the settings started and no longer name goes away. */
static void
end_unlisted(List *listed)
{
	for (int i = 0; i < MAX_DATABASES; i++)
	{
		Database *database = &dgen_shared->databases[i];
		bool ends = false;

		LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
		if (OidIsValid(database->oid) && database->launched > 0 &&
			(dgen_worker_count == 0 || !list_member_oid(listed, database->oid)))
		{
			ends = database->desired == database->launched;
			if (ends)
				database->desired = NO_ORDERS;
			database->launched = 0;
		}
		LWLockRelease(&dgen_shared->lock);
		if (ends)
			dgen_order_workers(database);
	}
}

static void
leave(int code, Datum argument)
{
	dgen_shared->launcher = NOBODY;
}

/*
 * No process is free for a starter because dgen has them all, and fewer are wanted: those that are
 * too many go, and none is needed.
 */
static bool
lower_count(Oid oid)
{
	Database *database;
	bool lowered;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	database = dgen_database_entry(oid, false);
	lowered = database != NULL && wanted_count() < database->launched &&
			  database->desired == database->launched;
	if (lowered)
		database->desired = database->launched = wanted_count();
	LWLockRelease(&dgen_shared->lock);
	if (lowered)
		dgen_dismiss_surplus(database);
	return lowered;
}

static void
start_in(Launcher *launcher, Oid database)
{
	bool told = launcher->no_process;

	launcher->no_process =
		!dgen_register_starter(database, wanted_count()) && !lower_count(database);
	if (launcher->no_process && !told)
		ereport(
			LOG,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not start in-database workers yet"),
			 errdetail("No background worker is free."),
			 errhint(
				 "They start as soon as one is free. If none becomes free, raise max_worker_processes (now %d) and restart the server.",
				 max_worker_processes)));
}

/* Soon, as long as something could not be started. */
static TimestampTz
next_launch(const Launcher *launcher)
{
	TimestampTz now = GetCurrentTimestamp();

	if (launcher->no_process || dgen_shared->incomplete)
		return now + RETRY_INTERVAL;
	return now + LAUNCH_INTERVAL;
}

static void
launch(Launcher *launcher)
{
	List *oids;
	ListCell *cell;

	StartTransactionCommand();
	MemoryContextSwitchTo(launcher->context);
	oids = listed_databases(launcher);
	CommitTransactionCommand();
	MemoryContextSwitchTo(launcher->context);

	foreach (cell, oids)
		if (wanted_count() > 0 && needs_starter(lfirst_oid(cell)))
			start_in(launcher, lfirst_oid(cell));
	end_unlisted(oids);
	MemoryContextReset(launcher->context);
}

void
dgen_launcher_main(Datum argument)
{
	Launcher launcher = {0};

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (!dgen_shared_map())
		proc_exit(0);
	before_shmem_exit(leave, (Datum) 0);
	dgen_shared->launcher = DGEN_MY_PROCNO;
	launcher.context =
		AllocSetContextCreate(TopMemoryContext, "dgen launcher", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		TimestampTz until;

		dgen_shared->launcher_poked = false;
		pg_memory_barrier();
		launch(&launcher);
		dgen_complete_workers();
		until = next_launch(&launcher);
		while (GetCurrentTimestamp() < until && !ConfigReloadPending &&
			   !dgen_shared->launcher_poked)
		{
			dgen_sleep(until);
			CHECK_FOR_INTERRUPTS();
		}
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/* ---- _PG_init ---- */

void
dgen_launcher_init(void)
{
	BackgroundWorker worker = {.bgw_flags =
								   BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
							   .bgw_start_time = BgWorkerStart_RecoveryFinished,
							   .bgw_restart_time = 10};

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade ||
		dgen_databases[0] == '\0' || dgen_worker_count == 0)
		return;
	strlcpy(worker.bgw_name, "dgen launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "dgen launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "dgen", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "dgen_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
