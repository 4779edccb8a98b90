/*
 * The ready list of one actor type: mailboxes that are known to have messages, each a *hint*. Claims take
 * hints (wake/hints.c), and sweeps find more (claim/slice.c).
 */
#ifndef DGEN_SHARED_HINT_SET_H
#define DGEN_SHARED_HINT_SET_H

#include "postgres.h"

#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

/* The position of a sweep: a mailbox, and perhaps a row in it. */
typedef struct SweepPlace
{
	int64 mailbox;
	bool inside; /* after its row of that priority and seq; else before its first row */
	int16 priority;
	int64 seq;
	int64 dead;  /* dead rows of it that were skipped one by one */
	bool jumped; /* it has skipped others with the known floor */
	int64 floor; /* what was settled when the first of them was skipped; 0: unknown */
} SweepPlace;

/* Number of types with hints at the same time, in all databases; other types are swept. */
#define HINT_SETS 64

/* Maximum number of mailboxes in a set; a type with more is swept. */
#define HINT_SLOTS 4096

/* If there are too many mailboxes, or some were not announced, a sweep of the index finds them. */
typedef struct HintSet
{
	Oid database; /* this and type_id are under Shared.lock and lock; InvalidOid: free */
	int32 type_id;

	LWLock lock;            /* protects the following fields, up to owners[] */
	uint32 asked;           /* rises when a sweep is requested */
	uint32 swept;           /* `asked` at the beginning of the last complete sweep */
	TimestampTz rest_until; /* the sweep does not continue before; 0: now */
	int count;
	int cursor;                   /* place where the next take begins */
	uint64 used[HINT_SLOTS / 64]; /* which places have a hint */
	int64 mailboxes[HINT_SLOTS];  /* a free place keeps its mailbox, which returns to the place */
	uint16 owners[HINT_SLOTS]; /* slot of the session that took it last, + 1; NO_OWNER: unknown */

	/*
	 * The session that sweeps sets swept_now, and holds no lock while it scans. It clears swept_now when
	 * its slice is over, also after an error and at the end of the session.
	 */
	bool swept_now; /* under lock, like the next two */
	uint32 slices;  /* number of slices so far */
	ConditionVariable slice_over;
	/* Only the session that sweeps uses the following fields. */
	bool sweeping;        /* a sweep is in progress */
	TimestampTz slice_at; /* when its last slice began */
	bool wrapped;         /* it has passed the highest mailbox */
	uint32 answers;       /* `asked` when it began */
	int64 start;          /* first mailbox of the sweep */
	SweepPlace position;  /* where it continues, or the next one begins */
} HintSet;

#define NO_OWNER 0 /* HintSet.owners */

/* If a sweep would rest for longer (us), the clock was set back. */
#define SWEEP_LONGEST_REST INT64CONST(1000000)

/* Is the set in the memory of this session? Such a set needs no lock. */
static inline bool
dgen_is_private(const HintSet *set)
{
	return set->database == InvalidOid;
}

static inline void
dgen_hint_set_unlock(HintSet *set)
{
	if (!dgen_is_private(set))
		LWLockRelease(&set->lock);
}

/* ---- hint_set.c ---- */

/* Locks and returns the type's set in shared memory; NULL: the type has none. */
extern HintSet *dgen_hint_set_lock_shared(int32 type_id);

/* The same, but creates a missing set; a private one of the session if shared memory has no place. Never NULL. */
extern HintSet *dgen_hint_set_lock(int32 type_id);

/* The set is locked. False: no room. Stores a mailbox once, if possible in its former place. */
extern bool dgen_hint_set_put(HintSet *set, int64 mailbox);

/* Is there a sweep to begin or to continue? The set is locked. */
extern bool dgen_sweep_is_due(const HintSet *set);

/* Forgets the private sets of this session. */
extern void dgen_hints_forget_private(void);

extern void dgen_hints_free_database(Oid oid);          /* Shared.lock is held, exclusively */
extern void dgen_hints_init(HintSet *set, int tranche); /* shared memory begins */

#endif /* DGEN_SHARED_HINT_SET_H */
