/*
 * Limits how many actors of a type workers own at the same time (max_concurrency), with concurrency
 * slots. Needs a transaction.
 */
#ifndef DGEN_OWN_SLOTS_H
#define DGEN_OWN_SLOTS_H

#include "postgres.h"

struct ActorType;

/* Takes up to `most` slots, one for each actor to own. If it gets fewer, a worker is woken when one is free. */
extern int dgen_take_slots(const struct ActorType *type, int most);
/* Gives back `count` slots that this claim took. */
extern void dgen_free_slots(const struct ActorType *type, int count);

#endif /* DGEN_OWN_SLOTS_H */
