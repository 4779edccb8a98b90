/*
 * How many actors of a type are owned at a time (max_concurrency). Needs a transaction.
 */
#ifndef DGEN_OWN_SLOTS_H
#define DGEN_OWN_SLOTS_H

#include "postgres.h"

struct ActorType;

/* Takes up to `most`, one for each actor to be owned. If it gets fewer, a worker is called when one is free. */
extern int dgen_take_slots(const struct ActorType *type, int most);
/* Gives back so many that were taken in this claim. */
extern void dgen_free_slots(const struct ActorType *type, int count);

#endif /* DGEN_OWN_SLOTS_H */
