/*
 * Registers processes with the postmaster: in-database workers, and starters. The server has
 * max_worker_processes of them, which other databases and parallel queries also use. A worker or starter
 * that finds none stays wanted. The launcher, any in-database worker or a commit that sends, whichever is
 * first, tries again once a second until it runs.
 *
 *     entries[], starter_wanted ──register──> postmaster
 *            ^                       │
 *            └──── incomplete <──────┴── no process is free
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/timestamp.h"

#include "roster/register.h"
#include "roster/roster.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"

#define RETRY_TIME INT64CONST(1000000) /* us between two tries */

static bool
register_process(const char *name, const char *type, const char *function, int restart_time,
				 const void *orders, Size size)
{
	BackgroundWorker worker = {.bgw_flags =
								   BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
							   .bgw_start_time = BgWorkerStart_RecoveryFinished,
							   .bgw_restart_time = restart_time};

	Assert(size <= BGW_EXTRALEN);
	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, type, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "dgen", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	memcpy(worker.bgw_extra, orders, size);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

bool
dgen_register_starter(Oid database, int count)
{
	StarterOrders orders = {.database = database, .count = count};

	return register_process("dgen starter", "dgen starter", "dgen_starter_main", BGW_NEVER_RESTART,
							&orders, sizeof(orders));
}

/*
 * Another process must try again. It might be asleep: if it fell asleep before this was known, it is
 * woken here; if later, it sleeps only until the next try. The wanted entries are in shared memory
 * already, so a process that clears the note at this moment finds them (dgen_register_all).
 */
static void
note_incomplete(void)
{
	bool known;

	pg_memory_barrier();
	known = dgen_shared->incomplete;
	dgen_shared->incomplete = true;
	if (known)
		return;
	dgen_poke_launcher();
	dgen_poke_workers();
}

/* ---- workers ---- */

/* True if the entry needs a process; it then counts as registered. */
static bool
take_entry(int index, WorkerOrders *orders)
{
	WorkerEntry *entry = worker_entry_at(index);
	bool wants;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	wants = entry->ticket != 0 && !entry->registered;
	if (wants)
	{
		entry->registered = true;
		*orders = (WorkerOrders){
			.stamp = dgen_shared->stamp,
			.ticket = entry->ticket,
			.database = entry->database,
			.owner = entry->owner,
			.number = entry->number,
			.entry = index,
		};
	}
	LWLockRelease(&dgen_shared->lock);
	return wants;
}

static void
put_entry_back(const WorkerOrders *orders)
{
	WorkerEntry *entry = worker_entry_at(orders->entry);

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	if (entry->ticket == orders->ticket)
		entry->registered = false;
	LWLockRelease(&dgen_shared->lock);
}

/* False if no process is free. */
static bool
register_entry(int index)
{
	WorkerOrders orders;
	char name[BGW_MAXLEN];

	if (!take_entry(index, &orders))
		return true;
	snprintf(name, sizeof(name), "dgen worker %d", orders.number);
	if (register_process(name, "dgen worker", "dgen_worker_main", 1, &orders, sizeof(orders)))
		return true;
	put_entry_back(&orders);
	return false;
}

/* ---- starters ---- */

/* False if no process is free. */
static bool
register_wanted_starter(Database *database)
{
	Oid oid = InvalidOid;

	if (!database->starter_wanted)
		return true;
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	if (database->starter_wanted)
		oid = database->oid;
	database->starter_wanted = false;
	LWLockRelease(&dgen_shared->lock);
	if (!OidIsValid(oid) || dgen_register_starter(oid, 0))
		return true;
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	if (database->oid == oid)
		database->starter_wanted = true;
	LWLockRelease(&dgen_shared->lock);
	return false;
}

void
dgen_want_starter(Database *database)
{
	database->starter_wanted = true;
	if (!register_wanted_starter(database))
		note_incomplete();
}

/* ---- all of them ---- */

static bool
anything_missing(void)
{
	bool missing = false;

	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	for (int i = 0; i < MAX_DATABASES; i++)
		missing |= dgen_shared->databases[i].starter_wanted;
	for (int i = 0; i < dgen_shared->nentries; i++)
		missing |= worker_entry_at(i)->ticket != 0 && !worker_entry_at(i)->registered;
	LWLockRelease(&dgen_shared->lock);
	return missing;
}

/* The note stays during the tries, because a process that goes to sleep in the meantime must know for how long. */
void
dgen_register_all(void)
{
	bool free = true;

	for (int i = 0; i < MAX_DATABASES && free; i++)
		free = register_wanted_starter(&dgen_shared->databases[i]);
	for (int i = 0; i < dgen_shared->nentries && free; i++)
		free = register_entry(i);
	if (free)
	{
		dgen_shared->incomplete = false;
		pg_memory_barrier();
		free = !anything_missing();
	}
	if (!free)
		note_incomplete();
}

static bool
somebody_tries(void)
{
	if (dgen_shared->launcher != NOBODY)
		return true;
	for (int i = 0; i < dgen_shared->nentries; i++)
		if (worker_entry_at(i)->ticket != 0 && worker_entry_at(i)->pid != 0)
			return true;
	return false;
}

/*
 * True for one session per interval, or if no other process would try again soon. A time in the far
 * future means that the clock was set back.
 */
static bool
is_time(void)
{
	uint64 at = pg_atomic_read_u64(&dgen_shared->complete_at);
	TimestampTz now = GetCurrentTimestamp();

	if (now < (TimestampTz) at && (TimestampTz) at - now <= RETRY_TIME && somebody_tries())
		return false;
	return pg_atomic_compare_exchange_u64(&dgen_shared->complete_at, &at,
										  (uint64) (now + RETRY_TIME));
}

/* Cheap while nothing is missing. Also called at the end of transactions, so it never raises. */
void
dgen_complete_workers(void)
{
	if (dgen_shared != NULL && dgen_shared->incomplete && !RecoveryInProgress() && is_time())
		dgen_register_all();
}

TimestampTz
dgen_complete_at(void)
{
	return dgen_shared->incomplete ? GetCurrentTimestamp() + RETRY_TIME : 0;
}
