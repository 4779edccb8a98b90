/*
 * The hints of one type, for who takes them (wake/hints.c) and who looks for more (claim/slice.c).
 */
#ifndef DGEN_HINT_SET_H
#define DGEN_HINT_SET_H

#include "postgres.h"

#include "shared/shared.h"

#define NO_OWNER 0 /* HintSet.owners */

/* A sweep that is to rest for longer, us: the clock was set back. */
#define SWEEP_LONGEST_REST INT64CONST(1000000)

/* The type's set in shared memory, locked; NULL: it has none. */
extern HintSet *dgen_hint_set_lock_shared(int32 type_id);

/* Locked; this session's own where there is no place in shared memory: there always is one. */
extern HintSet *dgen_hint_set_lock(int32 type_id);

/* False if there is no room. The same mailbox is kept once, if possible where it was last time. */
extern bool dgen_hint_set_put(HintSet *set, int64 mailbox);

/* Is there a sweep to begin, or to go on with? The set is locked. */
extern bool dgen_sweep_is_due(const HintSet *set);

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

#endif /* DGEN_HINT_SET_H */
