/*
 * Limits the turns per second of a type (max_rate) with a token bucket per type, in shared memory
 * (rate.c). The functions acquire Shared.rates_lock. None of them raises.
 */
#ifndef DGEN_OWN_RATE_H
#define DGEN_OWN_RATE_H

#include "postgres.h"

#include "utils/timestamp.h"

struct ActorType;

/* ---- for claims ---- */

/* Takes up to `most` turns. 0: there are none now, and a worker is woken when there are again. */
extern int dgen_take_turns(const struct ActorType *type, int most);
extern void dgen_give_back_turns(const struct ActorType *type, int count);
extern void dgen_turns_settled(int32 type_id); /* the claim that took them is over */

/* Are there turns now? If not, a worker is woken when there are again. */
extern bool dgen_has_turns(const struct ActorType *type);

/* ---- for the watch ---- */

extern TimestampTz dgen_rate_due(void); /* when a type for which a session waits has turns again */

/* Returns the types that have turns again; *next: when the next of the others has. Database.lock is held. */
extern int dgen_rates_ring(TimestampTz now, int32 *types, int most, TimestampTz *next);
/* Can a type that has no bucket in shared memory have turns again? */
extern bool dgen_private_rates_ring(TimestampTz now);

/* ---- for CREATE EXTENSION ---- */

/* Forgets the buckets in the memory of this session. */
extern void dgen_rates_forget_private(void);

#endif /* DGEN_OWN_RATE_H */
