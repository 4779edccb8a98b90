/*
 * Turns in the database that take the whole server along: a handler in C that crashes, say, ends
 * all sessions, and shared memory begins anew. Then the same message comes again, and again.
 *
 * So each worker in the database notes which turn it runs, in memory that the postmaster keeps:
 * a few stores per turn. When the server begins a new life the notes tell which turns were
 * running in the processes that died first, since the others, which are only told to go, take
 * theirs back. Such a message is handled alone from then on, so that others commit. One that
 * did so twice becomes a dead letter, whatever max_attempts says: each attempt would cost all
 * sessions of the server.
 *
 *     turn begins ──> note ──> turn ends: taken back
 *                       └──> server crashes ──> crash, times 1: alone ──> times 2: dead letter
 *
 * The memory is lost with the postmaster itself. Without preload there is none.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "dgen_ext.h"
#include "shared/shared.h"
#include "worker/workers.h"

#define CRASHES 16 /* messages remembered; the oldest goes first */
#define MOST_TIMES 2

typedef struct Note
{
	volatile Oid database; /* InvalidOid: no turn runs; written last */
	Charge turn;
} Note;

typedef struct Crash
{
	Oid database; /* InvalidOid: free */
	int times;
	volatile bool fresh; /* this life has not drawn its conclusion yet */
	Charge turn;
} Crash;

typedef struct Notes
{
	Crash crashes[CRASHES];
	int next; /* to be replaced */
	int count;
	Note notes[FLEXIBLE_ARRAY_MEMBER];
} Notes;

static Notes *notes = NULL;
static Note *my_note = NULL;

/* ---- in the postmaster ---- */

void
dgen_crash_init(void)
{
	Size size = add_size(offsetof(Notes, notes), mul_size(max_worker_processes, sizeof(Note)));
	void *memory;

	if (!process_shared_preload_libraries_in_progress || !IsPostmasterEnvironment)
		return;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	notes = memory;
	notes->count = max_worker_processes;
}

static Crash *
find_crash(Oid database, const Charge *turn)
{
	Crash *crash;

	for (int i = 0; i < CRASHES; i++)
	{
		crash = &notes->crashes[i];
		if (crash->database == database && crash->turn.type_id == turn->type_id &&
			crash->turn.message_id == turn->message_id)
			return crash;
	}
	crash = &notes->crashes[notes->next];
	notes->next = (notes->next + 1) % CRASHES;
	crash->database = database;
	crash->turn = *turn;
	crash->times = 0;
	return crash;
}

void
dgen_crash_new_life(void)
{
	for (int i = 0; notes != NULL && i < notes->count; i++)
	{
		Note *note = &notes->notes[i];
		Crash *crash;

		if (!OidIsValid(note->database))
			continue;
		crash = find_crash(note->database, &note->turn);
		crash->times++;
		crash->turn = note->turn; /* of a locked part each attempt has another fence */
		crash->fresh = true;
		note->database = InvalidOid;
	}
}

void
dgen_crashes_forget(void)
{
	for (int i = 0; notes != NULL && i < CRASHES; i++)
		if (notes->crashes[i].database == MyDatabaseId)
			notes->crashes[i].database = InvalidOid;
}

/* ---- in a worker ---- */

void
dgen_crash_note_begin(int entry)
{
	if (notes != NULL && entry < notes->count)
		my_note = &notes->notes[entry];
}

void
dgen_crash_note(const Charge *turn)
{
	if (my_note == NULL)
		return;
	my_note->turn = *turn;
	pg_compiler_barrier();
	my_note->database = MyDatabaseId;
}

/* Also in a signal handler. */
void
dgen_crash_note_end(void)
{
	if (my_note != NULL)
		my_note->database = InvalidOid;
}

/* ---- in the next life ---- */

static void
conclude(const Crash *crash)
{
	Charge charge = crash->turn;

	ereport(LOG,
			(errmsg("the server crashed in a turn of message " INT64_FORMAT ", %d times so far",
					charge.message_id, crash->times),
			 crash->times < MOST_TIMES
				 ? errdetail("It is handled alone now, and is a dead letter after another time.")
				 : errdetail("It is a dead letter now.")));
	dgen_set_suspicion(charge.type_id, charge.mailbox, (Suspicion){SUSPICION_ALONE, 1});
	charge.sqlstate = DGEN_ERR_SERVER_CRASHED;
	if (crash->times >= MOST_TIMES && !dgen_record_charge(&charge))
		dgen_charge(&charge);
}

/* What cannot be recorded must not keep the workers from working. */
static void
conclude_once(Crash *crash)
{
	PG_TRY();
	{
		conclude(crash);
	}
	PG_FINALLY();
	{
		crash->fresh = false;
	}
	PG_END_TRY();
}

static void
conclude_all(void)
{
	for (int i = 0; i < CRASHES; i++)
		if (notes->crashes[i].fresh && notes->crashes[i].database == MyDatabaseId)
			conclude_once(&notes->crashes[i]);
}

static bool
is_anything_fresh(void)
{
	for (int i = 0; notes != NULL && i < CRASHES; i++)
		if (notes->crashes[i].fresh && notes->crashes[i].database == MyDatabaseId)
			return true;
	return false;
}

/*
 * Before a worker runs its first turn, and committed: the turn may crash again. The others wait
 * meanwhile, for a lock of their own: who has the table itself may be anybody.
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
