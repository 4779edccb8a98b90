/*
 * Triggers and constraints that a turn defers. They fire before the turn ends, and then the modes
 * of constraints are the caller's again.
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
/* Has dgen_deferred_begin set them aside? */
extern bool dgen_deferred_is_apart(void);
extern void dgen_deferred_end(void);
/* After an error: the subtransaction must be rolled back. */
extern void dgen_deferred_forget(void);

/*
 * Fires what the turn has deferred until nothing is left of it, while its owner's privileges are
 * in force (H14).
 */
extern void dgen_fire_deferred(bool inline_call);

/*
 * A handler sets modes of constraints. False: nothing must be done. Raises DGEN_ERR_LEFT_BEHIND if
 * the modes could not be set back.
 */
extern bool dgen_deferred_set(const ConstraintsSetStmt *statement);

/* Has a turn set modes of constraints in this transaction? They apply until it ends. */
extern bool dgen_modes_changed(void);

#endif /* DGEN_TURN_DEFERRED_H */
