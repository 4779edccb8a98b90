/*
 * An in-database worker: a background worker that handles the messages of all actor types of one
 * owner, connected as that owner.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/stat.h>

#include "access/xact.h"
#include "common/relpath.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "actor/worker_session.h"
#include "base/base.h"
#include "base/blame.h"
#include "base/errors.h"
#include "claim/claim.h"
#include "protocol/attach.h"
#include "roster/register.h"
#include "roster/roster.h"
#include "shared/crash_notes.h"
#include "shared/database.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "sleep/attached.h"
#include "sleep/procedure.h"
#include "sleep/wait.h"
#include "table/columns.h"
#include "table/installed.h"
#include "table/scan.h"
#include "table/table.h"
#include "version/process.h"
#include "worker/workers.h"
#include "write/sequence.h"

#define MAX_FAILURES 8  /* attempts to connect; the waits between them sum up to two minutes */
#define BACKOFF_MIN 100 /* ms after an error outside of turns */
#define BACKOFF_MAX 10000
#define UPDATE_WAIT 10000 /* ms between checks whether library and extension fit again */

typedef struct Worker
{
	WorkerOrders orders;
	int64 id;
	char name[NAMEDATALEN];
	uint32 orders_seen;     /* Database.orders when they were last read */
	TimestampTz read_at;    /* then */
	bool knows_orders;      /* false: never, or it failed */
	TimestampTz idle_since; /* without types; 0: it has some */
	int backoff;            /* ms; 0: the last batch went well */
	bool told_not_adopted;
	bool told_not_fitting;
	MemoryContext context;
} Worker;

/* ---- before it connects ---- */

static bool
directory_exists(const char *parent, Oid database)
{
	char path[MAXPGPATH];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%u", parent, database);
	return stat(path, &status) == 0;
}

/*
 * Connecting to a database that was dropped is FATAL, and after that the postmaster would start
 * this process again, forever. There is no catalog to read yet, but a database has a directory
 * in one of the tablespaces.
 */
static bool
database_exists(Oid database)
{
	bool exists = directory_exists("base", database);
	DIR *dir = AllocateDir("pg_tblspc");
	struct dirent *entry;

	while (!exists && (entry = ReadDirExtended(dir, "pg_tblspc", LOG)) != NULL)
	{
		char path[MAXPGPATH];

		snprintf(path, sizeof(path), "pg_tblspc/%s/%s", entry->d_name,
				 TABLESPACE_VERSION_DIRECTORY);
		exists = entry->d_name[0] != '.' && directory_exists(path, database);
	}
	if (dir != NULL)
		FreeDir(dir);
	return exists;
}

/* Attempts to connect that failed are repeated less and less often, and then no more. */
static void
wait_after_failures(const WorkerOrders *orders, int failures)
{
	TimestampTz until = GetCurrentTimestamp() + (INT64CONST(1000000) << failures);

	if (failures == 0)
		return;
	if (failures >= MAX_FAILURES)
	{
		ereport(
			LOG,
			(errmsg("worker \"%s\" ends after %d failed attempts to connect",
					MyBgworkerEntry->bgw_name, failures),
			 errhint(
				 "Fix the cause that the server log shows, then run SELECT dgen.start_workers(...) again.")));
		dgen_go_off_duty();
	}
	while (GetCurrentTimestamp() < until)
	{
		dgen_sleep(until);
		CHECK_FOR_INTERRUPTS();
		dgen_end_if_unwanted(orders);
	}
}

static void
connect_as_owner(const WorkerOrders *orders)
{
	uint32 flags = 0;

#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
	flags |= BGWORKER_BYPASS_ROLELOGINCHECK;
#endif
	BackgroundWorkerInitializeConnectionByOid(orders->database, orders->owner, flags);
}

/* Settings of the role or the database must not break or end batches. */
static void
pin_settings(const char *name)
{
	static const char *const settings[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_OVERRIDE);
}

/* ---- orders ---- */

/* The types of its owner that have a handler, and those of their actions. */
static List *
own_types(Oid owner)
{
	Snapshot snapshot;
	List *ids = NIL;
	List *actions = NIL;
	DgenScan scan;
	ScanKeyData key;

	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_key_int4(&key, 1, BTGreaterStrategyNumber, 0);
	dgen_scan_begin(&scan, TABLE_ACTOR_TYPE, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	while (dgen_scan_next(&scan))
	{
		dgen_scan_row(&scan);
		if (!scan.nulls[ACTOR_TYPE_HANDLER] &&
			DatumGetObjectId(scan.values[ACTOR_TYPE_OWNER]) == owner)
		{
			int32 id = DatumGetInt32(scan.values[ACTOR_TYPE_ID]);

			ids = lappend_int(ids, id);
			if (DatumGetBool(scan.values[ACTOR_TYPE_HANDLE_ACTIONS]))
				actions = lappend_int(actions, -id);
		}
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return list_concat(ids, actions);
}

static void
serve(Worker *worker, List *types)
{
	int32 *ids = palloc(sizeof(int32) * Max(list_length(types), 1));
	ListCell *cell;

	foreach (cell, types)
		ids[foreach_current_index(cell)] = lfirst_int(cell);
	if (worker->id == 0 || (dgen_is_attached() && dgen_session_is_of_former(dgen_worker_session())))
		worker->id = dgen_nextval(SEQUENCE_WORKER);
	dgen_session_serve(worker->id, worker->name, list_length(types), ids);

	if (types != NIL)
		worker->idle_since = 0;
	else if (worker->idle_since == 0)
		worker->idle_since = worker->read_at;
}

static bool
same_types(List *types)
{
	WorkerSession *session;
	ListCell *cell;

	if (!dgen_is_attached())
		return false;
	session = dgen_worker_session();
	if (session->ntypes != list_length(types) || dgen_session_is_of_former(session))
		return false;
	foreach (cell, types)
		if (session->types[foreach_current_index(cell)].type_id != lfirst_int(cell))
			return false;
	return true;
}

typedef enum Fit
{
	NOT_INSTALLED,
	NOT_FITTING, /* the extension is being updated, or the server is */
	FITS
} Fit;

/*
 * A process that has worked and can have another library by starting again does so: the library
 * that it has might be older than the extension, by a patch release.
 */
static Fit
find_fit(const Worker *worker)
{
	if (dgen_installed_version() == NULL)
		return NOT_INSTALLED;
	if (!dgen_fits_installed())
		return NOT_FITTING;
	return dgen_is_preloaded || worker->id == 0 || dgen_is_exactly_installed() ? FITS : NOT_FITTING;
}

/*
 * Is there anything to do here for this worker? Learns its types. look: no change was announced.
 * Raises DGEN_ERR_CHANGED, and it tries again, as long as the extension is installed and its tables
 * are not found.
 */
static Fit
learn_types(Worker *worker, bool look)
{
	Fit fit;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	fit = find_fit(worker);
	if (fit == FITS)
	{
		List *types = own_types(worker->orders.owner);

		if (!same_types(types) || types == NIL)
			serve(worker, types);
		if (look && dgen_lacks_workers())
			dgen_want_starter(dgen_database);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return fit;
}

/*
 * The extension is updated after or before the library. Another library comes with another
 * process; preloaded, with a restart of the server. The postmaster starts a process that
 * ends so again.
 */
static void
wait_for_update(Worker *worker)
{
	TimestampTz until = GetCurrentTimestamp() + UPDATE_WAIT * INT64CONST(1000);

	if (!worker->told_not_fitting)
		ereport(
			LOG,
			(errmsg(
				 "worker \"%s\" waits because the extension does not have version %s of its library",
				 worker->name, DGEN_VERSION),
			 errhint("%s", dgen_is_preloaded
							   ? "Restart the server, or run ALTER EXTENSION dgen UPDATE."
							   : "The worker restarts with the library that is installed.")));
	worker->told_not_fitting = true;
	pgstat_report_activity(STATE_IDLE, NULL);
	while ((dgen_is_preloaded || worker->id == 0) && GetCurrentTimestamp() < until &&
		   !dgen_slot->poked)
	{
		dgen_sleep(until);
		CHECK_FOR_INTERRUPTS();
		dgen_end_if_unwanted(&worker->orders);
	}
	if (!dgen_is_preloaded)
		proc_exit(1);
	dgen_slot->poked = false;
}

static void
leave_database(const Worker *worker)
{
	ereport(LOG,
			(errmsg("worker \"%s\" ends because extension dgen is not installed in this database",
					worker->name)));
	/* The others might sleep for a long time. */
	dgen_order_workers(dgen_database);
	dgen_go_off_duty();
}

/* False: not installed at the moment, and something has changed again since. */
static bool
follow_orders(Worker *worker, bool look)
{
	Fit fit;

	worker->knows_orders = false;
	worker->orders_seen = pg_atomic_read_u32(&dgen_database->orders);
	worker->read_at = GetCurrentTimestamp();
	while ((fit = learn_types(worker, look)) == NOT_FITTING)
		wait_for_update(worker);
	worker->told_not_fitting = false;
	if (fit == NOT_INSTALLED)
	{
		if (dgen_may_end(worker->orders_seen))
			leave_database(worker);
		return false;
	}
	worker->knows_orders = true;
	return true;
}

/*
 * Read when a session says so, and at the safety-net interval: none does when the extension is
 * dropped, or a type made, by a session that has not loaded this library.
 */
static void
read_orders(Worker *worker)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz patience = dgen_safety_net_interval * INT64CONST(1000000);
	uint32 orders = pg_atomic_read_u32(&dgen_database->orders);
	bool look = worker->knows_orders && orders == worker->orders_seen;

	dgen_end_if_unwanted(&worker->orders);
	if (look && now - worker->read_at < patience)
		return;

	while (!follow_orders(worker, look))
		CHECK_FOR_INTERRUPTS();
	if (worker->idle_since != 0 && now - worker->idle_since >= patience &&
		dgen_may_end(worker->orders_seen))
		dgen_go_off_duty();
}

/* ---- the loop ---- */

/* Is it nothing to report? */
static bool
is_quiet(const Worker *worker, const ErrorData *error)
{
	return error->sqlerrcode == DGEN_ERR_NOT_ATTACHED ||
		   (error->sqlerrcode == DGEN_ERR_NOT_ADOPTED && worker->told_not_adopted);
}

static void
recover(Worker *worker)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;

	MemoryContextSwitchTo(worker->context);
	error = CopyErrorData();
	if (dgen_is_out_of_locks(error) && dgen_is_attached())
		dgen_narrow_batches(dgen_worker_session());
	if (error->sqlerrcode == DGEN_ERR_CHANGED)
		dgen_log_changed(error);
	else if (!is_quiet(worker, error))
		EmitErrorReport();
	worker->told_not_adopted = error->sqlerrcode == DGEN_ERR_NOT_ADOPTED;
	if (error->sqlerrcode == DGEN_ERR_UPDATING || error->sqlerrcode == DGEN_ERR_NOT_ATTACHED)
		worker->knows_orders = false;
	worker->backoff = Min(Max(worker->backoff * 2, BACKOFF_MIN), BACKOFF_MAX);
	if (worker->told_not_adopted)
		worker->backoff = BACKOFF_MAX;
	FreeErrorData(error);

	AbortOutOfAnyTransaction();
	dgen_session_busy(false); /* until the next try */
	LWLockReleaseAll();
	FlushErrorState();
	MemoryContextSwitchTo(worker->context);
	RESUME_INTERRUPTS();
}

/* One batch; returns whether there was work. An error outside of turns ends here. */
static bool
try_batch(Worker *worker)
{
	volatile bool worked = false;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, "dgen: handling messages");
	PG_TRY();
	{
		read_orders(worker);
		if (dgen_worker_session()->ntypes > 0)
			worked = dgen_run_batch(dgen_worker_session()) > 0;
		worker->backoff = 0;
	}
	PG_CATCH();
	{
		recover(worker);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker->context);
	MemoryContextReset(worker->context);
	return worked;
}

static void
rest(Worker *worker)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline;

	pgstat_report_activity(STATE_IDLE, NULL);
	if (worker->backoff > 0)
	{
		deadline = now + worker->backoff * INT64CONST(1000);
		while (GetCurrentTimestamp() < deadline && !InterruptPending && !ConfigReloadPending &&
			   !dgen_slot->poked)
			dgen_sleep(deadline);
		return;
	}
	/* Without types only an order wakes it, so it must check itself whether to end. */
	deadline = worker->idle_since == 0 ? 0 : now + dgen_safety_net_interval * INT64CONST(1000000);
	if (dgen_complete_at() != 0)
		deadline = dgen_complete_at();
	(void) dgen_wait_for_work(deadline);
}

static void
work(Worker *worker)
{
	for (;;)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (dgen_slot != NULL)
			dgen_slot->poked = false;
		dgen_complete_workers();
		if (!try_batch(worker))
			rest(worker);
	}
}

/* Another process has crashed, and not the turn that runs here. */
static void
quit(SIGNAL_ARGS)
{
	dgen_crash_note_end();
	SignalHandlerForCrashExit(DGEN_SIGNAL_ARGUMENTS);
}

void
dgen_worker_main(Datum argument)
{
	Worker worker = {0};
	int failures;

	memcpy(&worker.orders, MyBgworkerEntry->bgw_extra, sizeof(worker.orders));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die); /* so that a running handler is interrupted */
	pqsignal(SIGQUIT, quit);
	BackgroundWorkerUnblockSignals();

	if (!dgen_shared_map())
		proc_exit(0);
	if (!dgen_report_for_duty(&worker.orders, &failures) ||
		!database_exists(worker.orders.database))
		dgen_go_off_duty();
	dgen_end_if_unwanted(&worker.orders);
	wait_after_failures(&worker.orders, failures);
	connect_as_owner(&worker.orders);

	strlcpy(worker.name, MyBgworkerEntry->bgw_name, NAMEDATALEN);
	pin_settings(worker.name);
	dgen_keep_memory();
	if (!dgen_slot_take())
		dgen_go_off_duty();
	dgen_report_ready();
	worker.context =
		AllocSetContextCreate(TopMemoryContext, "dgen worker loop", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker.context);
	work(&worker);
}
