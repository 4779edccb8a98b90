/*
 * The ready list of one actor type: mailboxes that are known to have messages, each a *hint*. For
 * claims take them (wake/hints.c), and sweeps find more (claim/slice.c).
 */
#ifndef DGEN_SHARED_HINT_SET_H
#define DGEN_SHARED_HINT_SET_H

#include "postgres.h"

#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

/* How far a sweep has come: to a mailbox, and perhaps into it. */
typedef struct SweepPlace
{
	int64 mailbox;
	bool inside; /* behind its row of that priority and seq; else before its first */
	int16 priority;
	int64 seq;
	int64 dead;  /* rows of it that were passed one by one */
	bool jumped; /* it has gone past others by the floor that is known */
	int64 floor; /* what was settled when the first of them was passed; 0: not known */
} SweepPlace;

/* Actor types with hints at the same time, in all databases; others are swept. */
#define HINT_SETS 64

/* Mailboxes in a set; a type that has more of them is swept. */
#define HINT_SLOTS 4096

/* If there are too many, or some were not announced, a sweep of the index finds them. */
typedef struct HintSet
{
	Oid database; /* under Shared.lock and lock, so is type_id; InvalidOid: free */
	int32 type_id;

	LWLock lock;            /* of what follows, up to mailboxes[] */
	uint32 asked;           /* rises when a sweep is asked for */
	uint32 swept;           /* asked, when the last sweep that came to its end began */
	TimestampTz rest_until; /* the sweep does not go on before; 0: at once */
	int count;
	int cursor;                   /* place from which the next hint is taken */
	uint64 used[HINT_SLOTS / 64]; /* which places have a hint */
	int64 mailboxes[HINT_SLOTS]; /* kept in places that are free: a mailbox comes back to its own */
	uint16 owners[HINT_SLOTS];   /* slot of the session that took it last, + 1; NO_OWNER: unknown */

	/*
	 * The session that sweeps says so here, and holds no lock while it walks. It says when its slice
	 * is over, also after an error and at the end of the session.
	 */
	bool swept_now; /* under lock, as the next two */
	uint32 slices;  /* slices so far */
	ConditionVariable slice_over;
	/* Only the session that sweeps uses what follows. */
	bool sweeping;        /* a sweep is between its beginning and its end */
	TimestampTz slice_at; /* when its last slice was begun */
	bool wrapped;         /* it has passed the end of the ring */
	uint32 answers;       /* asked, when it began */
	int64 start;          /* mailbox at which it began */
	SweepPlace position;  /* where it continues, or the next one begins */
} HintSet;

#define NO_OWNER 0 /* HintSet.owners */

/* A sweep that is to rest for longer, us: the clock was set back. */
#define SWEEP_LONGEST_REST INT64CONST(1000000)

/* The session's own, which no other session knows? It has no lock. */
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

/* The type's set in shared memory, locked; NULL: the type has none. */
extern HintSet *dgen_hint_set_lock_shared(int32 type_id);

/* The same, made if there is none; the session's own, if shared memory has no place. Never NULL. */
extern HintSet *dgen_hint_set_lock(int32 type_id);

/* The set is locked. False if there is no room. A mailbox is kept once, if possible where it was last. */
extern bool dgen_hint_set_put(HintSet *set, int64 mailbox);

/* Is there a sweep to begin, or to go on with? The set is locked. */
extern bool dgen_sweep_is_due(const HintSet *set);

/* What this session has learnt, by type ids, without shared memory. */
extern void dgen_hints_forget_private(void);

extern void dgen_hints_free_database(Oid oid);          /* Shared.lock is held, exclusively */
extern void dgen_hints_init(HintSet *set, int tranche); /* shared memory begins */

#endif /* DGEN_SHARED_HINT_SET_H */
