/*
 * The layout of dgen's shared memory. README.md of this room explains each field.
 *
 *     Shared ── Database[] ── waiting ──> Slot <─> Slot <─> Slot     asleep, newest first
 *        │          │                                        └ watch
 *        │          ├──────── called ───> Slot <─> Slot               hold an untaken baton
 *        │          └──────── replies ──> Slot <─> Slot               wait for a reply
 *        └── WorkerEntry[]                                            in-database workers
 *
 * Everything that is linked or counted is protected by the lock of its database, except where a field
 * says otherwise. Indexes replace pointers, because the segment has another address in every backend.
 */
#ifndef DGEN_SHARED_LAYOUT_H
#define DGEN_SHARED_LAYOUT_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/itemptr.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "shared/charge.h"
#include "shared/database.h"
#include "shared/hint_set.h"
#include "shared/shared.h"
#include "shared/slot.h"

#define SHARED_NAME "dgen 10" /* name and layout version of the control struct */

#define MAX_DATABASES 64 /* databases that use dgen at the same time; others poll */

#define RATES 1024 /* types with max_rate at the same time, in all databases */

/* The token bucket of a type with max_rate (own/rate.c); under rates_lock. */
typedef struct Rate
{
	Oid database; /* InvalidOid: free */
	int32 type_id;
	double per_second;     /* max_rate as its last user knew it */
	double turns;          /* turns in the bucket at filled_at */
	double returned;       /* turns given back so far */
	TimestampTz filled_at; /* when `turns` was computed */
	TimestampTz wake_at;   /* wakes for a claim that found none; ALARM_NONE: none waits */
} Rate;

/* Number of entries for workers beyond the number of processes that the server has. */
#define WANTED_WORKERS 1024

/* An in-database worker: wanted, registered, running, or about to be restarted. */
typedef struct WorkerEntry
{
	uint64 ticket; /* distinguishes lives of the entry; 0: free */
	Oid database;
	Oid owner;
	int number;      /* 1 .. Database.desired */
	int pid;         /* 0: not running now */
	int procno;      /* valid while pid is not 0 */
	bool registered; /* with the postmaster; else no process was free yet */
	bool ready;      /* has connected */
	bool returned;   /* registered before the server crashed */
	bool ends;       /* the process ends permanently: another can have its number */
	int failures;    /* failed attempts to connect, in a row */
} WorkerEntry;

#define MEMO_BUCKETS 8192
#define MEMO_WAYS 4 /* number of mailboxes that a bucket remembers */

/* The owner of the mailbox writes the memo; sweeps also raise the floor. */
typedef struct Memo
{
	int64 mailbox;
	Oid database;
	Oid table; /* dgen.message; a recreated extension has another one */
	int32 type_id;
	uint32 until; /* the floor is forgotten at the safety-net check with this number */
	int64 floor;  /* no message of priority 0 up to this seq is left; 0: unknown */
	Suspicion suspicion;
	ItemPointerData actor; /* where the actor's row was written last; invalid: unknown */
} Memo;

/*
 * Mailboxes with the same hash. A new one replaces the least recently used one. A search touches two
 * cache lines, this one and the memo's.
 */
typedef struct MemoBucket
{
	slock_t mutex;          /* protects the following fields */
	uint32 uses;            /* number of uses of the bucket so far */
	uint32 used[MEMO_WAYS]; /* `uses` when the place was used last; 0: free */
	uint32 tags[MEMO_WAYS]; /* other bits of the hash, so that few keys need a comparison */
	union
	{
		Memo memo;
		char line[64];
	} places[MEMO_WAYS];
} MemoBucket;

typedef struct Shared
{
	uint64 stamp; /* differs between lives of the shared memory */
	uint64 last_ticket;
	volatile int launcher; /* its slot; NOBODY: none runs */
	volatile bool launcher_poked;
	volatile bool incomplete;     /* wanted workers or starters are not registered */
	pg_atomic_uint64 complete_at; /* TimestampTz; the next try is not before */
	LWLock lock;                  /* databases[].oid and .sessions, entries[], whose hints[] are */
	int nslots;                   /* of slots, which follow this struct: slot_at */
	int nentries;                 /* of entries, which follow the slots: worker_entry_at */
	Size slots_offset;
	Size entries_offset;
	int next_victim; /* hint set that loses its type next when all are in use */
	HintSet hints[HINT_SETS];
	MemoBucket memos[MEMO_BUCKETS];
	LWLock rates_lock; /* of rates[] */
	Rate rates[RATES];
	Database databases[MAX_DATABASES];
} Shared;

static inline Slot *
slot_at(int index)
{
	return (Slot *) ((char *) dgen_shared + dgen_shared->slots_offset) + index;
}

static inline WorkerEntry *
worker_entry_at(int index)
{
	return (WorkerEntry *) ((char *) dgen_shared + dgen_shared->entries_offset) + index;
}

#endif /* DGEN_SHARED_LAYOUT_H */
