/*
 * Turns in the database that crash the whole server. For example, a handler in C that crashes ends all
 * sessions, and shared memory starts empty. Then the same message is claimed again and again.
 *
 * So each in-database worker notes which turn it runs, in memory that the postmaster keeps: a few stores
 * per turn. When the server restarts, the notes show which turns were running in the processes that died
 * first, because the others, which the postmaster ends, clear their notes. Such a message is then handled
 * alone, so that others commit. If it crashes the server twice, it becomes a dead letter, whatever
 * max_attempts says, because each attempt would cost all sessions of the server (upkeep/crash.c).
 *
 *     turn begins ──> note ──> turn ends: cleared
 *                       └──> server crashes ──> crash, times 1: alone ──> times 2: dead letter
 *
 * The memory is lost with the postmaster itself. Without preload there is none.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "storage/shmem.h"

#include "shared/charge.h"
#include "shared/crash_notes.h"

#define CRASHES 16 /* maximum number of messages; the oldest is replaced first */

typedef struct Note
{
	volatile Oid database; /* InvalidOid: no turn runs; written last */
	Charge turn;
} Note;

typedef struct Crash
{
	Oid database; /* InvalidOid: free */
	int times;
	volatile bool fresh; /* no worker has handled it yet */
	Charge turn;
} Crash;

typedef struct Notes
{
	Crash crashes[CRASHES];
	int next; /* the entry that is replaced next */
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
		crash->turn = note->turn; /* each attempt of a locked part has another fence */
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

/* ---- after the restart ---- */

int
dgen_crash_find_fresh(int n, Charge *turn, int *times)
{
	for (; notes != NULL && n < CRASHES; n++)
	{
		const Crash *crash = &notes->crashes[n];

		if (!crash->fresh || crash->database != MyDatabaseId)
			continue;
		*turn = crash->turn;
		*times = crash->times;
		return n;
	}
	return -1;
}

void
dgen_crash_concluded(int n)
{
	notes->crashes[n].fresh = false;
}
