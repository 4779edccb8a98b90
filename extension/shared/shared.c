/*
 * Attaches to dgen's shared memory, and leaves it at the end of a session.
 *
 * If dgen is preloaded, the server's main shared memory contains everything. Otherwise a small control
 * struct is allocated from the server's spare memory, and the rest is a pinned dynamic segment that
 * exists until the server stops. A session that can have neither works without: see dgen_wait_for_work.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/base.h"
#include "shared/charge.h"
#include "shared/crash_notes.h"
#include "shared/database.h"
#include "shared/hint_set.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "version/process.h"

typedef struct Control
{
	int tranche;
	dsm_handle segment; /* DSM_HANDLE_INVALID: preloaded */
} Control;

Shared *dgen_shared = NULL;
Database *dgen_database = NULL;
Slot *dgen_slot = NULL;
void (*dgen_end_session)(void) = NULL;

static bool unavailable = false; /* a try failed; this session does not try again */

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Size
shared_size(void)
{
	Size size = MAXALIGN(sizeof(Shared));

	size = add_size(size, MAXALIGN(mul_size(MaxBackends, sizeof(Slot))));
	return add_size(size, mul_size(max_worker_processes + WANTED_WORKERS, sizeof(WorkerEntry)));
}

static void
clear_database(Database *database, Oid oid)
{
	database->oid = oid;
	database->sessions = 0;
	database->desired = -1;
	database->launched = 0;
	database->returned = 0;
	database->told = false;
	database->leaving = 0;
	database->starter_wanted = false;
	database->waiting = database->waiting_tail = NOBODY;
	database->called = database->replies = database->watch = NOBODY;
	database->watch_until = 0;
	pg_atomic_write_u32(&database->workers, 0);
	pg_atomic_write_u64(&database->waiting_mask, 0);
	pg_atomic_write_u64(&database->next_due, (uint64) ALARM_UNKNOWN);
	pg_atomic_write_u64(&database->retries, 0);
	pg_atomic_write_u64(&database->kept, 0);
	pg_atomic_write_u64(&database->rate_due, (uint64) ALARM_NONE);
	pg_atomic_write_u64(&database->private_rate_due, (uint64) ALARM_NONE);
	pg_atomic_write_u64(&database->last_look, 0);
	pg_atomic_write_u64(&database->last_maintenance, 0);
	for (int i = 0; i < BUCKETS; i++)
		pg_atomic_fetch_add_u32(&database->locked_asked[i], 1);
	for (int i = 0; i < lengthof(database->missed); i++)
		pg_atomic_write_u32(&database->missed[i], 0);
	for (int i = 0; i < REPLY_BUCKETS; i++)
		pg_atomic_write_u32(&database->reply_waiters[i], 0);
	pg_atomic_write_u32(&database->ncharges, 0);
	for (int i = 0; i < MAX_CHARGES; i++)
		pg_atomic_write_u32(&database->charges[i].state, CHARGE_FREE);
	memset(database->prepared_ends, 0, sizeof(database->prepared_ends));
}

static void
init_database(Database *database, int tranche)
{
	LWLockInitialize(&database->lock, tranche);
	pg_atomic_init_u32(&database->orders, 0);
	pg_atomic_init_u32(&database->workers, 0);
	pg_atomic_init_u64(&database->waiting_mask, 0);
	pg_atomic_init_u64(&database->next_due, 0);
	pg_atomic_init_u64(&database->retries, 0);
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		pg_atomic_init_u32(&database->dues[bucket], 0);
	pg_atomic_init_u64(&database->kept, 0);
	pg_atomic_init_u64(&database->rate_due, 0);
	pg_atomic_init_u64(&database->private_rate_due, 0);
	pg_atomic_init_u64(&database->last_look, 0);
	pg_atomic_init_u64(&database->last_maintenance, 0);
	pg_atomic_init_u32(&database->looks, 0);
	pg_atomic_init_u32(&database->suspected, 0);
	for (int i = 0; i < BUCKETS; i++)
		pg_atomic_init_u64(&database->generation[i], 1);
	for (int i = 0; i < lengthof(database->missed); i++)
		pg_atomic_init_u32(&database->missed[i], 0);
	for (int i = 0; i < REPLY_BUCKETS; i++)
		pg_atomic_init_u32(&database->reply_waiters[i], 0);
	for (int i = 0; i < BUCKETS; i++)
	{
		pg_atomic_init_u32(&database->locked_asked[i], 1);
		pg_atomic_init_u32(&database->locked_answered[i], 0);
	}
	pg_atomic_init_u32(&database->ncharges, 0);
	for (int i = 0; i < MAX_CHARGES; i++)
		pg_atomic_init_u32(&database->charges[i].state, CHARGE_FREE);
	clear_database(database, InvalidOid);
}

static void
init_shared(Shared *shared, int tranche)
{
	memset(shared, 0, shared_size());
	shared->stamp = (uint64) GetCurrentTimestamp();
	LWLockInitialize(&shared->lock, tranche);
	LWLockInitialize(&shared->rates_lock, tranche);
	shared->launcher = NOBODY;
	shared->nslots = MaxBackends;
	shared->nentries = max_worker_processes + WANTED_WORKERS;
	pg_atomic_init_u64(&shared->complete_at, 0);
	shared->slots_offset = MAXALIGN(sizeof(Shared));
	shared->entries_offset = shared->slots_offset + MAXALIGN(MaxBackends * sizeof(Slot));
	for (int i = 0; i < MAX_DATABASES; i++)
		init_database(&shared->databases[i], tranche);
	for (int i = 0; i < HINT_SETS; i++)
		dgen_hints_init(&shared->hints[i], tranche);
	for (int i = 0; i < MEMO_BUCKETS; i++)
		SpinLockInit(&shared->memos[i].mutex);
}

/* Returns the control struct, which the first session creates. The caller holds AddinShmemInitLock. */
static Control *
open_control(void)
{
	bool found;
	Control *control = ShmemInitStruct(SHARED_NAME, sizeof(Control), &found);

	if (!found)
	{
		control->segment = DSM_HANDLE_INVALID;
		control->tranche = dgen_new_tranche("dgen");
	}
	dgen_name_tranche(control->tranche, "dgen");
	return control;
}

/* ---- preloaded ---- */

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(add_size(MAXALIGN(sizeof(Control)), shared_size()));
}

static void
start_up(void)
{
	bool found;
	Control *control;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = open_control();
	dgen_shared = ShmemInitStruct(SHARED_NAME " data", shared_size(), &found);
	if (!found)
	{
		init_shared(dgen_shared, control->tranche);
		dgen_crash_new_life();
	}
	LWLockRelease(AddinShmemInitLock);
}

void
dgen_shared_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	dgen_is_preloaded = true;
	dgen_crash_init();
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_up;
}

/* ---- not preloaded ---- */

static void
map_segment(void)
{
	Control *control;
	dsm_segment *segment;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = open_control();
	if (control->segment == DSM_HANDLE_INVALID)
	{
		segment = dsm_create(shared_size(), 0);
		init_shared(dsm_segment_address(segment), control->tranche);
		dsm_pin_segment(segment);
		control->segment = dsm_segment_handle(segment);
	}
	else
	{
		segment = dsm_find_mapping(control->segment);
		if (segment == NULL)
			segment = dsm_attach(control->segment);
		if (segment == NULL)
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
							errmsg("could not attach to the shared memory of dgen")));
	}
	dsm_pin_mapping(segment);
	dgen_shared = dsm_segment_address(segment);
	LWLockRelease(AddinShmemInitLock);
}

/*
 * A failure must have no other effect than that this session polls, so the error is caught here. It can
 * occur only before transaction state is touched, so only locks must be released.
 */
bool
dgen_shared_map(void)
{
	MemoryContext context = CurrentMemoryContext;
	uint32 holdoff = InterruptHoldoffCount;

	if (dgen_shared != NULL)
		return true;
	if (unavailable || !IsUnderPostmaster)
		return false;

	HOLD_INTERRUPTS();
	PG_TRY();
	{
		map_segment();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		InterruptHoldoffCount = holdoff + 1;
		if (LWLockHeldByMe(AddinShmemInitLock))
		{
			HOLD_INTERRUPTS();
			LWLockRelease(AddinShmemInitLock);
		}
		FlushErrorState();
		dgen_shared = NULL;
		unavailable = true;
	}
	PG_END_TRY();
	RESUME_INTERRUPTS();
	return dgen_shared != NULL;
}

/* ---- this session ---- */

/* Finds the database's entry; creates one if `create` and there is room. */
Database *
dgen_database_entry(Oid oid, bool create)
{
	Database *usable = NULL;

	for (int i = 0; i < MAX_DATABASES; i++)
	{
		Database *database = &dgen_shared->databases[i];

		if (database->oid == oid)
			return database;
		if (database->oid == InvalidOid)
		{
			if (usable == NULL || usable->oid != InvalidOid)
				usable = database;
		}
		else if (usable == NULL && database->sessions == 0 && database->desired <= 0 &&
				 database->leaving == 0)
			usable = database;
	}
	if (!create || usable == NULL)
		return NULL;
	if (OidIsValid(usable->oid))
	{
		dgen_hints_free_database(usable->oid);
		dgen_rates_free_database(usable->oid);
	}
	clear_database(usable, oid);
	return usable;
}

/* Frees the slot, which is then no longer woken. */
static void
free_slot(void)
{
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_slot->pid = 0;
	LWLockRelease(&dgen_database->lock);
	dgen_slot = NULL;
}

static void
leave(int code, Datum argument)
{
	dgen_end_session();
	if (dgen_slot != NULL)
		free_slot();
	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	dgen_database->sessions--;
	LWLockRelease(&dgen_shared->lock);
	dgen_database = NULL;
	unavailable = true;
}

bool
dgen_shared_attach(void)
{
	Database *database;

	if (dgen_database != NULL)
		return true;
	if (unavailable || !OidIsValid(MyDatabaseId) || DGEN_MY_PROCNO >= MaxBackends ||
		!dgen_shared_map())
		return false;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	database = dgen_database_entry(MyDatabaseId, true);
	if (database != NULL)
		database->sessions++;
	LWLockRelease(&dgen_shared->lock);

	if (database == NULL)
	{
		unavailable = true;
		return false;
	}
	dgen_database = database;
	before_shmem_exit(leave, (Datum) 0);
	return true;
}

/* ---- orders for in-database workers ---- */

void
dgen_poke_slot(int index)
{
	slot_at(index)->poked = true;
	pg_write_barrier();
	SetLatch(&GetPGProcByNumber(index)->procLatch);
}

/* InvalidOid: those of all databases. */
static void
poke_workers(Oid database)
{
	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nentries; i++)
	{
		WorkerEntry *entry = worker_entry_at(i);

		if (entry->ticket != 0 && entry->pid != 0 &&
			(!OidIsValid(database) || entry->database == database))
			dgen_poke_slot(entry->procno);
	}
	LWLockRelease(&dgen_shared->lock);
}

void
dgen_order_workers(Database *database)
{
	pg_atomic_fetch_add_u32(&database->orders, 1);
	poke_workers(database->oid);
}

void
dgen_poke_workers(void)
{
	poke_workers(InvalidOid);
}

void
dgen_poke_launcher(void)
{
	int launcher = dgen_shared->launcher;

	if (launcher == NOBODY)
		return;
	dgen_shared->launcher_poked = true;
	pg_write_barrier();
	SetLatch(&GetPGProcByNumber(launcher)->procLatch);
}

void
dgen_rates_free_database(Oid oid)
{
	LWLockAcquire(&dgen_shared->rates_lock, LW_EXCLUSIVE);
	for (int i = 0; i < RATES; i++)
		if (dgen_shared->rates[i].database == oid)
			dgen_shared->rates[i].database = InvalidOid;
	LWLockRelease(&dgen_shared->rates_lock);
}
