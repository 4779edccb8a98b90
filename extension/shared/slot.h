/*
 * A session in shared memory: who it works for, what it takes, what it waits for. README.md of this
 * room explains each field.
 */
#ifndef DGEN_SHARED_SLOT_H
#define DGEN_SHARED_SLOT_H

#include "postgres.h"

#include "utils/timestamp.h"

struct WorkerSession;

#define NOBODY (-1) /* no slot */

#define BUCKETS 64 /* actor types, hashed; one bit each in a mask */

#define SLOT_TYPES 32    /* types that a slot names; a session with more takes others, too */
#define SLOT_REQUESTS 16 /* replies that a slot waits for by id; with more, any reply wakes it */

#define ANY_TYPE 0 /* type ids begin at 1 */

typedef enum SlotState
{
	SLOT_NONE, /* not a worker */
	SLOT_BUSY, /* attached, and not asleep in dgen.wait */
	SLOT_WAITING,
	SLOT_CALLED /* woken, has not claimed yet: holds a baton */
} SlotState;

/* What somebody is called for, or a slot takes. */
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
	volatile bool replied; /* one of them may have its reply */

	/* For dgen.workers; written by its own session and read without a lock. */
	volatile bool busy;
	volatile TimestampTz since; /* when it became busy, or idle */
	volatile int64 turns;       /* so far */

	int64
		part; /* fence of the locked part that it runs, under the lock; 0: none, -1: looks for one */
} Slot;

extern Slot *dgen_slot; /* this session's; NULL until dgen_slot_take() */

static inline int
bucket_of(int32 type_id)
{
	return (uint32) type_id % BUCKETS;
}

/* Does a session take messages of a type? */
typedef enum Takes
{
	TAKES_NOT,
	TAKES_PERHAPS, /* it does not name all of its types */
	TAKES_SURELY
} Takes;

/* Types in a lane for which somebody was called. */
typedef struct Covered
{
	int count;
	int32 types[2 * SLOT_TYPES];
} Covered;

/* Everything for which waiters have been called in a round; zeroed at first. */
typedef struct Cover
{
	Covered any;
	Covered parts;
	int nkinds;
	uint64 kinds[2 * SLOT_TYPES]; /* Slot.takes of those that do not name all */
} Cover;

/* ---- slot.c: the slot of this session, and who works here ---- */

/* dgen_shared_attach, and a slot for this session. False: there is none. Never raises. */
extern bool dgen_slot_take(void);

/* Workers attached in this database, roughly; at least 1 without shared memory. */
extern int dgen_live_workers(void);

/* Attached in this database? Database.lock is held. */
extern bool dgen_is_worker_here(const Slot *slot);

/* Is it attached to this extension, in this database? Takes Database.lock; needs a transaction. */
extern bool dgen_worker_lives(int64 worker_id);

extern uint32 dgen_wait_event(void); /* what pg_stat_activity shows of a sleeper */

/* ---- serving.c: what a slot takes; Database.lock is held, or it is the session's own ---- */

extern Takes dgen_slot_takes(const Slot *slot, int32 type_id, Lane lane);
extern bool dgen_slots_alike(const Slot *a,
							 const Slot *b); /* they take the same, and neither names all */
extern bool dgen_slot_names(const Slot *slot, int32 type_id);
extern bool dgen_slot_names_part(const Slot *slot,
								 int n); /* does it run locked parts of types[n]? */
extern void dgen_slot_set_types(Slot *slot, const struct WorkerSession *session);

/* Does the slot take anything in the bucket (-1: any) for which nobody was called yet? Adds it. */
extern bool dgen_cover_extend(Cover *cover, const Slot *slot, int bucket);

#endif /* DGEN_SHARED_SLOT_H */
