/*
 * The hints of one type, for who takes them (wake/hints.c) and who looks for more (claim/slice.c).
 */
#ifndef DGEN_SHARED_HINT_SET_H
#define DGEN_SHARED_HINT_SET_H

#include "postgres.h"

#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

typedef struct HintSet HintSet;

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

#define HINT_SETS \
	64 /* actor types with hints at the same time, in all databases; others are swept */
#define HINT_SLOTS 4096 /* mailboxes in one of them; with more of them the type is swept */

/*
 * Mailboxes of one actor type that are known to have messages (hints.c). Where there are
 * too many of them, or some of which nobody told, a sweep over the index finds them.
 */
typedef struct HintSet
{
	Oid database; /* under Shared.lock and lock, so is type_id; InvalidOid: free */
	int32 type_id;

	LWLock lock;            /* of what follows, up to mailboxes[] */
	uint32 asked;           /* rises when a sweep is asked for */
	uint32 swept;           /* asked, when the last sweep that came to its end began */
	TimestampTz rest_until; /* the sweep does not go on before; 0: at once */
	int count;
	int cursor;                   /* slot that is looked at next */
	uint64 used[HINT_SLOTS / 64]; /* which slots are taken */
	int64 mailboxes[HINT_SLOTS];  /* also of slots that are free now: who comes back to one */
	uint16 owners[HINT_SLOTS];    /* session that took it last, slot + 1; 0: not known */

	/*
	 * Whoever sweeps says so here, and holds no lock while it walks; it says when it is over
	 * also after an error, and at the end of its session.
	 */
	bool swept_now; /* under lock, so are the next two */
	uint32 slices;  /* slices so far */
	ConditionVariable slice_over;
	bool
		sweeping; /* a sweep is between its beginning and its end; of the sweeper, as what follows */
	TimestampTz slice_at; /* when its last slice was begun */
	bool wrapped;         /* it has passed the end of the ring */
	uint32 answers;       /* asked, when it began */
	int64 start;          /* mailbox at which it began */
	SweepPlace position;  /* where it goes on, or the next one begins */
} HintSet;

#define NO_OWNER 0 /* HintSet.owners */

/* A sweep that is to rest for longer, us: the clock was set back. */
#define SWEEP_LONGEST_REST INT64CONST(1000000)

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

/* What a session without its place in shared memory has learnt of types by their ids. */
extern void dgen_hints_forget_private(void);

extern void dgen_hints_init(HintSet *set, int tranche);

extern void dgen_hints_free_database(Oid oid); /* Shared.lock is held */

/* The type's set in shared memory, locked; NULL: it has none. */
extern HintSet *dgen_hint_set_lock_shared(int32 type_id);

/* Locked; this session's own where there is no place in shared memory: there always is one. */
extern HintSet *dgen_hint_set_lock(int32 type_id);

/* False if there is no room. The same mailbox is kept once, if possible where it was last time. */
extern bool dgen_hint_set_put(HintSet *set, int64 mailbox);

/* Is there a sweep to begin, or to go on with? The set is locked. */
extern bool dgen_sweep_is_due(const HintSet *set);

#endif /* DGEN_SHARED_HINT_SET_H */
