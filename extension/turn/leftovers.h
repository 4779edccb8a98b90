/*
 * What a turn may leave in its session when it is over: nothing. deferred.c has its triggers and
 * constraints, session_locks.c its advisory locks, leftovers.c all else; noted.c tells whether
 * there may be something.
 */
#ifndef DGEN_TURN_LEFTOVERS_H
#define DGEN_TURN_LEFTOVERS_H

#include "postgres.h"

#include "nodes/parsenodes.h"

#include "version/version.h"

struct ActorType;

/* ---- leftovers.c ---- */

extern void dgen_leftovers_init(void);

/*
 * Can what a turn leaves be told from what the caller of dgen.call has only if the turn has a
 * subtransaction of its own?
 */
extern bool dgen_needs_subtransaction(void);
/* From here to the end of the turn the session is the caller's and the turn's. */
extern void dgen_leftovers_begin(bool inline_call);
/*
 * The handler has returned, and its owner's privileges are in force. Closes cursors and large
 * objects that it left open; raises DGEN_ERR_LEFT_BEHIND for what outlives a transaction.
 */
extern void dgen_leftovers_check(const struct ActorType *type);
/* The turn is over, well or not. Raises nothing. */
extern void dgen_leftovers_end(void);

/* Raises DGEN_ERR_LEFT_BEHIND. what: "cursor \"c\"" */
DGEN_NORETURN extern void dgen_refuse_leftover(const struct ActorType *type, const char *what,
											   const char *hint);

/* ---- deferred.c ---- */

/* May anything be deferred in this database? */
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

/* ---- session_locks.c: advisory locks of the application that outlive a transaction ---- */

/* What the session holds now is the caller's. */
extern void dgen_session_locks_begin(void);
/* One may be taken or released from now on. */
extern void dgen_session_locks_expect(void);
/* Is there one of a turn? */
extern bool dgen_session_locks_left(void);
/* Raises DGEN_ERR_LEFT_BEHIND if there is one, and has released it. */
extern void dgen_session_locks_check(const struct ActorType *type);
/* Releases them. Raises nothing. */
extern void dgen_session_locks_release(void);

/* ---- noted.c: what this transaction may have called ---- */

typedef enum NotedKind
{
	NOTED_SESSION_LOCKS,
	NOTED_LARGE_OBJECTS,
	NOTED_KINDS
} NotedKind;

extern void dgen_noted_init(void);
extern bool dgen_is_noted(NotedKind kind);
/* How often an expression with a function for locks of the session was prepared. */
extern uint64 dgen_session_locks_prepared(void);
/* An expression with one that was prepared earlier is evaluated. */
extern void dgen_note_session_locks(void);

#endif /* DGEN_TURN_LEFTOVERS_H */
