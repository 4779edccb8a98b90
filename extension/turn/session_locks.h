/*
 * Advisory locks of the application that outlive a transaction: a turn must leave none.
 */
#ifndef DGEN_TURN_SESSION_LOCKS_H
#define DGEN_TURN_SESSION_LOCKS_H

#include "postgres.h"

struct ActorType;

/* The session locks that are held now belong to the caller. */
extern void dgen_session_locks_begin(void);
/* The code that runs next can take or release session locks. */
extern void dgen_session_locks_expect(void);
/* Does the session hold a lock that a turn took? */
extern bool dgen_session_locks_left(void);
/* If there is one, releases it and raises DGEN_ERR_LEFT_BEHIND. */
extern void dgen_session_locks_check(const struct ActorType *type);
/* Releases them. Raises nothing. */
extern void dgen_session_locks_release(void);

#endif /* DGEN_TURN_SESSION_LOCKS_H */
