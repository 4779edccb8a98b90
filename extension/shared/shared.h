/*
 * What sessions know of each other: the layout of dgen's shared memory.
 *
 *     Shared ── Database[] ── waiting ──> Slot <─> Slot <─> Slot     asleep, newest first
 *        │          │                                        └ watch
 *        │          ├──────── called ───> Slot <─> Slot               hold an untaken baton
 *        │          └──────── replies ──> Slot <─> Slot               wait for a reply
 *        └── WorkerEntry[]                                            in-database workers
 *
 * Everything that is linked or counted is protected by the lock of its database,
 * except where a field says otherwise. There are indexes instead of pointers: the
 * segment has another address in every backend.
 */
#ifndef DGEN_SHARED_SHARED_H
#define DGEN_SHARED_SHARED_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "shared/database.h"
#include "shared/hint_set.h"
#include "shared/memo.h"
#include "shared/roster.h"

struct Slot;
struct WorkerEntry;

#define SHARED_NAME "dgen 9" /* name and layout version of the control struct */

#define MAX_DATABASES 64 /* with dgen in use at the same time; others poll */

#define RATES 1024 /* types with max_rate at the same time, in all databases */

/* The turns that a type with max_rate may have at this time (rate.c). */
typedef struct Rate
{
	Oid database; /* InvalidOid: free */
	int32 type_id;
	double per_second; /* as the last one to use it knew */
	double turns;
	double returned; /* so many were given back so far */
	TimestampTz filled_at;
	TimestampTz wake_at; /* somebody wanted more of them; ALARM_NONE: nobody */
} Rate;

typedef struct Shared
{
	uint64 stamp; /* differs between lives of the shared memory */
	uint64 last_ticket;
	volatile int launcher; /* its slot; NOBODY: none runs */
	volatile bool launcher_poked;
	volatile bool incomplete;     /* workers or starters are wanted that are not registered */
	pg_atomic_uint64 complete_at; /* TimestampTz; they are not tried again before */
	LWLock lock;                  /* databases[].oid and .sessions, entries[], whose hints[] are */
	int nslots;
	int nentries;
	Size slots_offset;
	Size entries_offset;
	int next_victim; /* hint set that is taken from its type when all are in use */
	HintSet hints[HINT_SETS];
	MemoBucket memos[MEMO_BUCKETS];
	LWLock rates_lock; /* rates[] */
	Rate rates[RATES];
	Database databases[MAX_DATABASES];
} Shared;

/* NULL until dgen_shared_attach() succeeded. */
extern Shared *dgen_shared;
extern Database *dgen_database; /* the entry of MyDatabaseId */

static inline struct Slot *
slot_at(int index)
{
	return (struct Slot *) ((char *) dgen_shared + dgen_shared->slots_offset) + index;
}

static inline struct WorkerEntry *
worker_entry_at(int index)
{
	return (struct WorkerEntry *) ((char *) dgen_shared + dgen_shared->entries_offset) + index;
}

/*
 * What all rooms have to do at the end of the session, which has its slot until then
 * (init/session_end.c). Set when the library is loaded.
 */
extern void (*dgen_end_session)(void);

/* ---- shared.c: getting at dgen's shared memory, and leaving it at the end of a session ---- */

extern void dgen_shared_init(void);
extern bool dgen_shared_map(void);    /* the segment alone; needs no database */
extern bool dgen_shared_attach(void); /* and this database's entry; never raises */

extern Database *dgen_database_entry(Oid oid, bool create); /* Shared.lock is held */

extern void dgen_poke_slot(int index);

extern void dgen_order_workers(Database *database); /* they look at their orders again */
extern void dgen_poke_launcher(void);
extern void dgen_poke_workers(void); /* in-database workers of all databases */

extern void dgen_rates_free_database(Oid oid);

/* ---- prepared_ends.c: attempts of locked parts that a prepared transaction ends ---- */

/* At PREPARE TRANSACTION: its number; its COMMIT PREPARED ends the session that holds the fence. */
extern void dgen_preparing(uint64 transaction);
extern void dgen_prepared_ends_holder(int64 fence);

/* One fence of it; 0: there is none any more. */
extern int64 dgen_prepared_end_take(uint64 transaction);

#endif /* DGEN_SHARED_SHARED_H */
