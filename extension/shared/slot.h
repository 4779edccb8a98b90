/*
 * A session in shared memory: its worker, what it handles, what it waits for. README.md of this
 * room explains each field.
 */
#ifndef DGEN_SHARED_SLOT_H
#define DGEN_SHARED_SLOT_H

#include "postgres.h"

#include "utils/timestamp.h"

#define SLOT_TYPES 32    /* types that a slot names; a session with more also handles others */
#define SLOT_REQUESTS 16 /* replies that a slot waits for by id; with more, any reply wakes it */

typedef enum SlotState
{
	SLOT_NONE, /* not a worker */
	SLOT_BUSY, /* attached, and not asleep in dgen.wait */
	SLOT_WAITING,
	SLOT_CALLED /* woken, and has not claimed yet: holds a baton */
} SlotState;

/* What a session is woken for, or a slot handles. */
typedef enum Lane
{
	LANE_ANY,  /* messages of a type, or actions, which have their own type */
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

	/* The worker that has attached. Its own session writes these fields, under Database.lock. */
	int64 worker_id; /* 0: not attached */
	Oid extension;   /* that it has attached to; see WorkerSession */
	char name[NAMEDATALEN];
	char client[NAMEDATALEN]; /* address; empty: none */
	bool in_database;
	bool all_types; /* types[] is not complete */
	int ntypes;
	int32 types[SLOT_TYPES];
	uint64 buckets;  /* buckets of all its types */
	uint32 no_parts; /* bit n: it leaves locked parts of types[n] to others */
	uint64 takes;    /* a hash of all that it handles */

	/* Waiting for work. */
	SlotState state;       /* its own session reads it without the lock */
	Link link;             /* in Database.waiting or .called */
	TimestampTz called_at; /* if SLOT_CALLED, as the next two */
	int32 called_for;      /* ANY_TYPE: an alarm or a safety-net check */
	Lane called_lane;
	volatile bool poked; /* it must read its orders; set without the lock, before its latch */

	/* Waiting for replies. */
	bool awaits_reply;
	bool any_request; /* it waits for more than fit in requests[] */
	int nrequests;
	int64 requests[SLOT_REQUESTS];
	Link reply_link;       /* in Database.replies */
	volatile bool replied; /* one of the requests might have its reply */

	/* For dgen.workers. Its own session writes these fields; they are read without a lock. */
	volatile bool busy;
	volatile TimestampTz since; /* when it became busy, or idle */
	volatile int64 turns;       /* so far */

	int64 part; /* fence of its locked part, under the lock; 0: none, -1: checks for one */
} Slot;

extern Slot *dgen_slot; /* this session's; NULL until dgen_slot_take() */

/* ---- slot.c: the slot of this session, and the workers of this database ---- */

/* Calls dgen_shared_attach, and takes a slot for this session. False: there is none. Never raises. */
extern bool dgen_slot_take(void);

/* Returns roughly how many workers are attached in this database; at least 1 without shared memory. */
extern int dgen_live_workers(void);

/* Is a worker attached in this database? The caller holds Database.lock. */
extern bool dgen_is_worker_here(const Slot *slot);

/* Is the worker attached to this extension, in this database? Acquires Database.lock; needs a transaction. */
extern bool dgen_worker_lives(int64 worker_id);

extern uint32 dgen_wait_event(void); /* what pg_stat_activity shows of a sleeping session */

#endif /* DGEN_SHARED_SLOT_H */
