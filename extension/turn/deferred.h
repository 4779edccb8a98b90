/*
 * What a turn defers: its triggers and constraints fire before its end, and the modes of
 * constraints are the caller's again.
 */
#ifndef DGEN_TURN_DEFERRED_H
#define DGEN_TURN_DEFERRED_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* Can anything be deferred in this database? */
extern bool dgen_may_defer(void);

/*
 * In the subtransaction that dgen.call has begun for its turns. What the caller has deferred is
 * set aside until dgen_deferred_end, where the modes of constraints are the caller's again.
 */
extern void dgen_deferred_begin(void);
/* Is there one? */
extern bool dgen_deferred_is_apart(void);
extern void dgen_deferred_end(void);
/* After an error: the subtransaction is to be rolled back. */
extern void dgen_deferred_forget(void);

/*
 * Fires what the turn has deferred until nothing is left of it, while its owner's privileges are
 * in force (H14).
 */
extern void dgen_fire_deferred(bool inline_call);

/*
 * A handler sets modes of constraints. False: there is nothing to be done. Raises
 * DGEN_ERR_LEFT_BEHIND where they could not be set back.
 */
extern bool dgen_deferred_set(const ConstraintsSetStmt *statement);

/* Has a turn set modes of constraints in this transaction? They count to its end. */
extern bool dgen_modes_changed(void);

#endif /* DGEN_TURN_DEFERRED_H */
