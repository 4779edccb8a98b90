/*
 * The hints of one type, for who looks for more of them: hints.c and slice.c.
 */
#ifndef DGEN_HINT_SET_H
#define DGEN_HINT_SET_H

#include "postgres.h"

#include "shared/shared.h"

/* Locked; this session's own where there is no place in shared memory: there always is one. */
extern HintSet *dgen_hint_set_lock(int32 type_id);

/* False if there is no room. The same mailbox is kept once, if possible where it was last time. */
extern bool dgen_hint_set_put(HintSet *set, int64 mailbox);

/* slice.c: is there a sweep to begin, or to go on with? The set is locked. */
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
