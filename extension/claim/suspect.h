/*
 * Turns that might have ended their worker.
 */
#ifndef DGEN_CLAIM_SUSPECT_H
#define DGEN_CLAIM_SUSPECT_H

#include "postgres.h"

#include "shared/charge.h"

struct BatchActor;
struct BatchLimits;

/* At the end of a session, which still holds its locks; they never raise. */

/* The SQLSTATE of the attempts that might have ended it; 0: it was asked to end. */
extern int dgen_blame_for_end(void);
extern void dgen_suspect_batch(int blame);                /* its claimed batch, if there is one */
extern void dgen_suspect_turn(const struct Charge *turn); /* that runs; NULL: none does */

/* So many turns of the actor have come to an end; the locked part has. */
extern void dgen_absolve(const struct BatchActor *actor, int turns);
extern void dgen_absolve_part(const struct Charge *part);

/* A batch of suspects of that level is smaller. */
extern void dgen_limit_suspects(SuspicionLevel level, struct BatchLimits *limits);

#endif /* DGEN_CLAIM_SUSPECT_H */
