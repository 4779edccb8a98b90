/*
 * A session in shared memory: who it works for, what it takes, what it waits for.
 */
#ifndef DGEN_SHARED_SLOT_H
#define DGEN_SHARED_SLOT_H

#include "postgres.h"

#include "utils/timestamp.h"

struct WorkerSession;

#define NOBODY (-1) /* no slot */

#define BUCKETS 64 /* actor types, hashed; one bit each in a mask */

#define SLOT_TYPES 32    /* types a slot names; a session with more may serve any other, too */
#define SLOT_REQUESTS 16 /* replies a slot waits for by id; with more any reply wakes it */

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
	LANE_ANY,  /* messages of a type; or actions, whose types are others */
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

	/* Who it works for; written by its own session under the lock. */
	int64 worker_id; /* 0: not attached */
	Oid extension;   /* which it has attached to; see WorkerSession */
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
	SlotState state; /* its own session reads it without the lock */
	Link link;       /* in waiting or called */
	TimestampTz called_at;
	int32 called_for; /* ANY_TYPE: an alarm or a look */
	Lane called_lane;
	volatile bool poked; /* it should look at its orders; set without the lock, before its latch */

	/* Waiting for replies. */
	bool awaits_reply;
	bool any_request; /* more than fit in requests[] */
	int nrequests;
	int64 requests[SLOT_REQUESTS];
	Link reply_link;
	volatile bool replied;

	/* For dgen.workers; written by its own session and read without a lock. */
	volatile bool busy;
	volatile TimestampTz since; /* when busy, or not busy, began */
	volatile int64 turns;

	int64
		part; /* fence of the locked part that it runs; under the lock; 0: none, -1: looks for one */
} Slot;

extern Slot *dgen_slot; /* this session's; NULL until dgen_slot_take() */

static inline int
bucket_of(int32 type_id)
{
	return (uint32) type_id % BUCKETS;
}

typedef enum Takes
{
	TAKES_NOT,
	TAKES_PERHAPS, /* it does not name all of its types */
	TAKES_SURELY
} Takes;

typedef struct Covered
{
	int count;
	int32 types[2 * SLOT_TYPES];
} Covered;

/* What a waiter has been called for in a round; zeroed at first. */
typedef struct Cover
{
	Covered any;
	Covered parts;
	int nkinds;
	uint64 kinds[2 * SLOT_TYPES]; /* Slot.takes of those that do not name all */
} Cover;

/* ---- slot.c: the slot of this session in shared memory, and who works here ---- */

/* Workers attached in this database, at least roughly. */
extern int dgen_live_workers(void);

extern bool dgen_slot_take(void);               /* and this session's slot */
extern bool dgen_worker_lives(int64 worker_id); /* attached to this extension, in this database */
extern bool dgen_is_worker_here(const Slot *slot); /* attached, in this database */

extern uint32 dgen_wait_event(void); /* what pg_stat_activity shows of a sleeper */

/* ---- serving.c: what a slot takes --------------------------------------- */

extern Takes dgen_slot_takes(const Slot *slot, int32 type_id, Lane lane);
/* Neither names all of its types, and they take the same. */
extern bool dgen_slots_alike(const Slot *a, const Slot *b);
extern bool dgen_slot_names(const Slot *slot, int32 type_id);
extern bool dgen_slot_names_part(const Slot *slot,
								 int n); /* does it run locked parts of types[n]? */
extern void dgen_slot_set_types(Slot *slot, const struct WorkerSession *session);

/* Does the slot take anything in the bucket (-1: any) for which nobody was called yet? Adds it. */
extern bool dgen_cover_extend(Cover *cover, const Slot *slot, int bucket);

#endif /* DGEN_SHARED_SLOT_H */
