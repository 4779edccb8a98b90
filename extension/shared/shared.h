/*
 * What sessions know of each other: the layout of dgen's shared memory, and how a session gets at
 * it. README.md of this room explains each field.
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

#define SHARED_NAME "dgen 9" /* name and layout version of the control struct */

#define MAX_DATABASES 64 /* with dgen in use at the same time; others poll */

#define RATES 1024 /* types with max_rate at the same time, in all databases */

/* The token bucket of a type with max_rate (wake/rate.c); under rates_lock. */
typedef struct Rate
{
	Oid database; /* InvalidOid: free */
	int32 type_id;
	double per_second;     /* max_rate, as the session that used it last knew */
	double turns;          /* that are in the bucket */
	double returned;       /* turns given back so far */
	TimestampTz filled_at; /* turns are those of that time */
	TimestampTz wake_at;   /* when somebody who found none is called; ALARM_NONE: nobody waits */
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
	int nslots;                   /* of slots, which follow this struct: slot_at */
	int nentries;                 /* of entries, which follow the slots: worker_entry_at */
	Size slots_offset;
	Size entries_offset;
	int next_victim; /* hint set that is taken from its type when all are in use */
	HintSet hints[HINT_SETS];
	MemoBucket memos[MEMO_BUCKETS];
	LWLock rates_lock; /* of rates[] */
	Rate rates[RATES];
	Database databases[MAX_DATABASES];
} Shared;

extern Shared *dgen_shared;     /* NULL until dgen_shared_map() has succeeded */
extern Database *dgen_database; /* of MyDatabaseId; NULL until dgen_shared_attach() has succeeded */

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

/* ---- shared.c: getting at shared memory, and leaving it at the end of a session ---- */

extern void dgen_shared_init(void); /* _PG_init: hooks, when preloaded */

/* False: there is no shared memory for this session, which then polls. They never raise. */
extern bool dgen_shared_map(void);    /* the memory alone; needs no database */
extern bool dgen_shared_attach(void); /* and the entry of this database */

/* Shared.lock is held, exclusively if create. NULL: there is none, or no room for it. */
extern Database *dgen_database_entry(Oid oid, bool create);

extern void dgen_rates_free_database(Oid oid); /* takes rates_lock */

/* ---- shared.c: orders for in-database workers ---- */

extern void dgen_poke_slot(int index);              /* that one alone */
extern void dgen_order_workers(Database *database); /* they read types and extension again */
extern void dgen_poke_workers(void);                /* of all databases */
extern void dgen_poke_launcher(void);

/* ---- prepared_ends.c: attempts of locked parts that a prepared transaction ends ---- */

/* PREPARE TRANSACTION begins: a hash of the transaction's identifier. */
extern void dgen_preparing(uint64 transaction);
/* The same transaction's COMMIT PREPARED ends the session that holds the fence. Never raises. */
extern void dgen_prepared_ends_holder(int64 fence);
/* Takes one of its fences; 0: there is none left. */
extern int64 dgen_prepared_end_take(uint64 transaction);

#endif /* DGEN_SHARED_SHARED_H */
