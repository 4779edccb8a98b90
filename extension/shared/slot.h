/*
 * A session in shared memory: its worker, what it handles, what it waits for. README.md of this
 * room explains each field.
 */
#ifndef DGEN_SHARED_SLOT_H
#define DGEN_SHARED_SLOT_H

#include "postgres.h"

#include "utils/timestamp.h"

#define SLOT_TYPES 32    /* types that a slot names; a session with more takes others, too */
#define SLOT_REQUESTS 16 /* replies that a slot waits for by id; with more, any reply wakes it */

typedef enum SlotState
{
	SLOT_NONE, /* not a worker */
	SLOT_BUSY, /* attached, and not asleep in dgen.wait */
	SLOT_WAITING,
	SLOT_CALLED /* woken, has not claimed yet: holds a baton */
} SlotState;

/* What a session is woken for, or a slot handles. */
typedef enum Lane
{
	LANE_ANY,  /* messages of a type, or actions, which have a type of their own */
	LANE_PARTS /* its locked parts */
} Lane;

typedef struct Link
{
	int prev;
	int next;
} Link;

/* One per backend, by its number among the PGPROCs. */
typedef struct Slot
{
	int pid; /* 0: free */
	Oid database;

	/* The worker that has attached; its own session writes it, under Database.lock. */
	int64 worker_id; /* 0: not attached */
	Oid extension;   /* to which it has attached; see WorkerSession */
	char name[NAMEDATALEN];
	char client[NAMEDATALEN]; /* address; empty: none */
	bool in_database;
	bool all_types; /* types[] is not complete */
	int ntypes;
	int32 types[SLOT_TYPES];
	uint64 buckets;  /* of all its types */
	uint32 no_parts; /* bit n: it leaves the locked parts of types[n] to others */
	uint64 takes;    /* a hash of all that it takes */

	/* Waiting for work. */
	SlotState state;       /* its own session reads it without the lock */
	Link link;             /* in Database.waiting or .called */
	TimestampTz called_at; /* if SLOT_CALLED, as the next two */
	int32 called_for;      /* ANY_TYPE: an alarm or a safety-net check */
	Lane called_lane;
	volatile bool poked; /* it should read its orders; set without the lock, before its latch */

	/* Waiting for replies. */
	bool awaits_reply;
	bool any_request; /* there are more than fit in requests[] */
	int nrequests;
	int64 requests[SLOT_REQUESTS];
	Link reply_link;       /* in Database.replies */
	volatile bool replied; /* one of them might have its reply */

	/* For dgen.workers; written by its own session and read without a lock. */
	volatile bool busy;
	volatile TimestampTz since; /* when it became busy, or idle */
	volatile int64 turns;       /* so far */

	int64
		part; /* fence of the locked part that it runs, under the lock; 0: none, -1: looks for one */
} Slot;

extern Slot *dgen_slot; /* this session's; NULL until dgen_slot_take() */

/* ---- slot.c: the slot of this session, and the workers of this database ---- */

/* dgen_shared_attach, and a slot for this session. False: there is none. Never raises. */
extern bool dgen_slot_take(void);

/* Workers attached in this database, roughly; at least 1 without shared memory. */
extern int dgen_live_workers(void);

/* Attached in this database? Database.lock is held. */
extern bool dgen_is_worker_here(const Slot *slot);

/* Is it attached to this extension, in this database? Takes Database.lock; needs a transaction. */
extern bool dgen_worker_lives(int64 worker_id);

extern uint32 dgen_wait_event(void); /* what pg_stat_activity shows of a sleeper */

#endif /* DGEN_SHARED_SLOT_H */
