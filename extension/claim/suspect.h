/*
 * Suspect messages: turns that might have ended their worker.
 */
#ifndef DGEN_CLAIM_SUSPECT_H
#define DGEN_CLAIM_SUSPECT_H

#include "postgres.h"

#include "shared/charge.h"

struct BatchActor;
struct BatchLimits;

/* These are called at the end of a session, while it holds its locks. They never raise. */

/* The SQLSTATE of attempts that this end of the session fails; 0: the session was asked to end. */
extern int dgen_blame_for_end(void);
extern void dgen_suspect_batch(int blame);                /* the claimed batch, if there is one */
extern void dgen_suspect_turn(const struct Charge *turn); /* the running turn; NULL: none */

/* `turns` turns of the actor have ended; the locked part has ended. */
extern void dgen_absolve(const struct BatchActor *actor, int turns);
extern void dgen_absolve_part(const struct Charge *part);

/* Makes the limits of a batch of suspects of that level smaller. */
extern void dgen_limit_suspects(SuspicionLevel level, struct BatchLimits *limits);

#endif /* DGEN_CLAIM_SUSPECT_H */
