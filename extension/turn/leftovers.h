/*
 * Leftovers: a turn must leave nothing in its session. deferred.h is about triggers and
 * constraints, session_locks.h about advisory locks, this header about everything else.
 */
#ifndef DGEN_TURN_LEFTOVERS_H
#define DGEN_TURN_LEFTOVERS_H

#include "postgres.h"

#include "version/version.h"

struct ActorType;

extern void dgen_leftovers_init(void);

/*
 * Can what a turn leaves be distinguished from what the caller of dgen.call has only if the turn
 * has a subtransaction of its own?
 */
extern bool dgen_needs_subtransaction(void);
/* From here to the end of the turn the session is the caller's and the turn's. */
extern void dgen_leftovers_begin(bool inline_call);
/*
 * The handler has returned, and its owner's privileges are in force. Closes cursors and large
 * objects that it left open; raises DGEN_ERR_LEFT_BEHIND for what outlives a transaction.
 */
extern void dgen_leftovers_check(const struct ActorType *type);
/* The turn has ended, successfully or not. Raises nothing. */
extern void dgen_leftovers_end(void);

/* Raises DGEN_ERR_LEFT_BEHIND. what: "cursor \"c\"" */
DGEN_NORETURN extern void dgen_refuse_leftover(const struct ActorType *type, const char *what,
											   const char *hint);

#endif /* DGEN_TURN_LEFTOVERS_H */
