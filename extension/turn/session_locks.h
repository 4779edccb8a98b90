/*
 * Advisory locks of the application that outlive a transaction: a turn must leave none.
 */
#ifndef DGEN_TURN_SESSION_LOCKS_H
#define DGEN_TURN_SESSION_LOCKS_H

#include "postgres.h"

struct ActorType;

/* What the session holds now is the caller's. */
extern void dgen_session_locks_begin(void);
/* One can be taken or released from now on. */
extern void dgen_session_locks_expect(void);
/* Is there one of a turn? */
extern bool dgen_session_locks_left(void);
/* Raises DGEN_ERR_LEFT_BEHIND if there is one, and has released it. */
extern void dgen_session_locks_check(const struct ActorType *type);
/* Releases them. Raises nothing. */
extern void dgen_session_locks_release(void);

#endif /* DGEN_TURN_SESSION_LOCKS_H */
