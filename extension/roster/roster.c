/*
 * The roster of in-database workers: which are registered, and which of them run.
 *
 *     wanted ──registered──> [entry, pid 0] ──process starts──> [pid] ──connected──> [ready]
 *       ^                          ^   │                            │                    │
 *       └── no process: register.c │   └── not wanted: freed        └── dies, FATAL ─────┤
 *                                  └──────────── restarted after 1 s ────────────────────┘
 *                                                              ends permanently: freed, exit 0
 *
 * The postmaster restarts a worker that dies. A process that finds no entry with its ticket, or has a
 * number above the desired one, ends before it connects, and is not restarted.
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "actor/role.h"
#include "roster/register.h"
#include "roster/roster.h"
#include "shared/crash_notes.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "version/names.h"
#include "version/process.h"

#define POLL_TIME 10 /* ms between checks whether processes started or ended */

static WorkerEntry *my_entry = NULL;
static bool for_good = false; /* this process must not be restarted */

/* ---- owners ---- */

List *
dgen_handler_owners(void)
{
	Snapshot snapshot;
	List *owners = NIL;
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
		if (!scan.nulls[ACTOR_TYPE_HANDLER])
			owners =
				list_append_unique_oid(owners, DatumGetObjectId(scan.values[ACTOR_TYPE_OWNER]));
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return owners;
}

bool
dgen_has_all_workers(Oid owner)
{
	int desired;
	int count = 0;

	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	desired = dgen_database->desired;
	for (int i = 0; i < dgen_shared->nentries && count < desired; i++)
	{
		const WorkerEntry *entry = worker_entry_at(i);

		count += entry->ticket != 0 && !entry->ends && entry->database == MyDatabaseId &&
				 entry->owner == owner && entry->number <= desired;
	}
	LWLockRelease(&dgen_shared->lock);
	return count >= desired;
}

static bool
may_connect(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool may = HeapTupleIsValid(tuple);

#ifndef BGWORKER_BYPASS_ROLELOGINCHECK
	may = may && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
#endif
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may && DGEN_DATABASE_ACLCHECK(MyDatabaseId, role) == ACLCHECK_OK;
}

/* A type that came with COMMIT PREPARED, or not through dgen, was not announced. */
bool
dgen_lacks_workers(void)
{
	ListCell *cell;

	if (dgen_database->desired <= 0)
		return false;
	foreach (cell, dgen_handler_owners())
		if (!dgen_has_all_workers(lfirst_oid(cell)) && may_connect(lfirst_oid(cell)))
			return true;
	return false;
}

/*
 * A worker connects as the owner of its types, so that a deferred trigger of a handler's table runs with
 * the owner's privileges (H14). Before PostgreSQL 17 a worker can connect only as a role with LOGIN.
 */
static bool
can_connect_as(Oid owner)
{
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner));
#else
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	bool can_login;

	if (!HeapTupleIsValid(tuple))
		return false;
	can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	if (!can_login)
		ereport(
			WARNING,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("could not start workers for the actor types of role \"%s\"",
					NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname)),
			 errdetail(
				 "Workers connect as the owner of the types that they handle, and the role does not have the LOGIN attribute."),
			 errhint(
				 "Run ALTER ROLE ... LOGIN (a password is not needed), or use PostgreSQL 17 or later.")));
	ReleaseSysCache(tuple);
	return can_login;
#endif
}

/* The workers are started nevertheless, and try again until they can connect. */
static void
warn_of_connect(Oid owner)
{
	char *database = get_database_name(MyDatabaseId);

	if (DGEN_DATABASE_ACLCHECK(MyDatabaseId, owner) == ACLCHECK_OK)
		return;
	ereport(
		WARNING,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("workers for the actor types of role \"%s\" cannot connect to database \"%s\"",
				dgen_role_name(owner), database),
		 errdetail(
			 "Workers connect as the owner of the types that they handle. They try again until they can connect."),
		 errhint("Run GRANT CONNECT ON DATABASE %s TO %s.", quote_identifier(database),
				 quote_identifier(dgen_role_name(owner)))));
}

/* ---- entries; the caller holds Shared.lock ---- */

static WorkerEntry *
find_entry(Oid database, Oid owner, int number)
{
	for (int i = 0; i < dgen_shared->nentries; i++)
	{
		WorkerEntry *entry = worker_entry_at(i);

		if (entry->ticket != 0 && !entry->ends && entry->database == database &&
			entry->owner == owner && entry->number == number)
			return entry;
	}
	return NULL;
}

static int
make_entry(Oid database, Oid owner, int number)
{
	for (int i = 0; i < dgen_shared->nentries; i++)
	{
		WorkerEntry *entry = worker_entry_at(i);

		if (entry->ticket != 0)
			continue;
		memset(entry, 0, sizeof(WorkerEntry));
		entry->ticket = ++dgen_shared->last_ticket;
		entry->database = database;
		entry->owner = owner;
		entry->number = number;
		return i;
	}
	return -1;
}

/* False: the roster is full. */
static bool
add_entry(Oid owner, int number)
{
	bool added;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	added = find_entry(MyDatabaseId, owner, number) != NULL ||
			make_entry(MyDatabaseId, owner, number) >= 0;
	LWLockRelease(&dgen_shared->lock);
	return added;
}

static int
count_unregistered(Oid database)
{
	int count = 0;

	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nentries; i++)
	{
		const WorkerEntry *entry = worker_entry_at(i);

		count += entry->ticket != 0 && entry->database == database && !entry->registered;
	}
	LWLockRelease(&dgen_shared->lock);
	return count;
}

int
dgen_register_workers(List *owners)
{
	int without_place = 0;
	ListCell *cell;

	foreach (cell, owners)
	{
		if (!can_connect_as(lfirst_oid(cell)))
			continue;
		warn_of_connect(lfirst_oid(cell));
		for (int number = 1; number <= dgen_database->desired; number++)
		{
			CHECK_FOR_INTERRUPTS();
			without_place += !add_entry(lfirst_oid(cell), number);
		}
	}
	dgen_register_all();
	return without_place;
}

int
dgen_count_unregistered(void)
{
	return count_unregistered(MyDatabaseId);
}

/* ---- ending ---- */

/* One pass: frees entries of processes that do not run now. Returns how many still run. */
static int
thin_out(Database *database, bool force)
{
	int running = 0;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < dgen_shared->nentries; i++)
	{
		WorkerEntry *entry = worker_entry_at(i);

		if (entry->ticket == 0 || entry->database != database->oid ||
			(entry->number <= database->desired && database->leaving == 0))
			continue;
		if (entry->pid == 0)
		{
			entry->ticket = 0;
			continue;
		}
		/* The worker clears its pid under this lock before it ends, so no other process can have it. */
		if (force)
			kill(entry->pid, SIGTERM);
		running++;
	}
	LWLockRelease(&dgen_shared->lock);
	return running;
}

int
dgen_end_surplus(Database *database, int grace_ms)
{
	TimestampTz force_at = GetCurrentTimestamp() + grace_ms * INT64CONST(1000);
	bool forced = false;
	int count = thin_out(database, false);

	if (count == 0)
		return 0;
	dgen_order_workers(database);
	for (;;)
	{
		bool force = !forced && GetCurrentTimestamp() >= force_at;

		if (thin_out(database, force) == 0)
			return count;
		forced |= force;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_TIME,
						 dgen_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* The workers end after their turn, and this session does not wait. */
void
dgen_dismiss_surplus(Database *database)
{
	(void) thin_out(database, false);
	dgen_order_workers(database);
}

/* Returns how many workers run; `starting` counts those that are starting and have not failed yet. */
int
dgen_count_ready(Database *database, int *starting)
{
	int ready = 0;

	*starting = 0;
	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nentries; i++)
	{
		WorkerEntry *entry = worker_entry_at(i);

		if (entry->ticket == 0 || entry->ends || entry->database != database->oid)
			continue;
		if (entry->ready)
			ready++;
		else if (entry->registered && entry->failures <= 1)
			(*starting)++;
	}
	LWLockRelease(&dgen_shared->lock);
	return ready;
}

/* ---- in the worker ---- */

/* Runs last of all, after the end of the worker's transaction. */
static void
off_duty(int code, Datum argument)
{
	dgen_crash_note_end();
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	my_entry->pid = 0;
	my_entry->ready = false;
	if (for_good || my_entry->ends) /* a signal that comes in between is the last word, too */
		my_entry->ticket = 0;
	LWLockRelease(&dgen_shared->lock);
}

/*
 * After a crash of the server the postmaster restarts its workers with empty shared memory. They put
 * themselves back on the roster.
 */
static WorkerEntry *
return_to_roster(const WorkerOrders *orders)
{
	WorkerEntry *entry = find_entry(orders->database, orders->owner, orders->number);
	Database *database;
	int index;

	if (entry != NULL)
		return entry->returned && entry->pid == 0 ? entry : NULL;
	database = dgen_database_entry(orders->database, true);
	index = database == NULL ? -1 : make_entry(orders->database, orders->owner, orders->number);
	if (index < 0)
		return NULL;
	if (database->desired == NO_ORDERS || database->desired == database->returned)
		database->desired = database->returned = Max(database->desired, orders->number);
	entry = worker_entry_at(index);
	entry->registered = entry->returned = true;
	return entry;
}

/* False: this process is not wanted. failures: how often it could not connect. */
bool
dgen_report_for_duty(WorkerOrders *orders, int *failures)
{
	WorkerEntry *entry;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	if (orders->stamp != dgen_shared->stamp)
		entry = return_to_roster(orders);
	else
	{
		entry = worker_entry_at(orders->entry);
		if (entry->ticket != orders->ticket)
			entry = NULL;
	}
	if (entry != NULL)
	{
		entry->pid = MyProcPid;
		entry->procno = DGEN_MY_PROCNO;
		*failures = entry->failures++;
	}
	LWLockRelease(&dgen_shared->lock);

	my_entry = entry;
	if (entry != NULL)
	{
		dgen_crash_note_begin((int) (entry - worker_entry_at(0)));
		before_shmem_exit(off_duty, (Datum) 0);
	}
	return entry != NULL;
}

void
dgen_report_ready(void)
{
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	my_entry->ready = true;
	my_entry->failures = 0;
	LWLockRelease(&dgen_shared->lock);
}

void
dgen_go_off_duty(void)
{
	for_good = true;
	proc_exit(0);
}

/* The caller holds Shared.lock. */
static bool
is_wanted(const WorkerOrders *orders)
{
	Database *database = dgen_database_entry(orders->database, false);

	return database != NULL && database->leaving == 0 && orders->number <= database->desired;
}

/*
 * Decided with the lock in exclusive mode: a session that wants the worker after that starts another one,
 * and one that wants it before is seen.
 */
static bool
decide_to_end(const WorkerOrders *orders)
{
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	my_entry->ends = !is_wanted(orders);
	LWLockRelease(&dgen_shared->lock);
	return my_entry->ends;
}

void
dgen_end_if_unwanted(const WorkerOrders *orders)
{
	bool wanted;

	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	wanted = is_wanted(orders);
	LWLockRelease(&dgen_shared->lock);
	if (!wanted && decide_to_end(orders))
		dgen_go_off_duty();
}

/*
 *     worker                                    session that commits a type
 *     reads orders, finds no types              counts up orders
 *     orders are as before: ends is set         a worker with ends does not count: starts one
 */
bool
dgen_may_end(uint32 orders_seen)
{
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	my_entry->ends = pg_atomic_read_u32(&dgen_database->orders) == orders_seen;
	LWLockRelease(&dgen_shared->lock);
	return my_entry->ends;
}
