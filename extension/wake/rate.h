/*
 * How many turns a type may have in a second.
 */
#ifndef DGEN_WAKE_RATE_H
#define DGEN_WAKE_RATE_H

#include "postgres.h"

#include "utils/timestamp.h"

struct ActorType;

extern void dgen_rates_forget_private(void);

/* Takes up to `most`. 0: there are none, and a worker is called when there are. */
extern int dgen_take_turns(const struct ActorType *type, int most);
extern bool dgen_has_turns(
	const struct ActorType *type); /* if not, a worker is called when there are */
/* The claim that took them is over. */
extern void dgen_turns_settled(int32 type_id);
extern void dgen_give_back_turns(const struct ActorType *type, int count);

extern TimestampTz dgen_rate_due(void);

/* Types that have turns again, and when the next of the others has. The lock of the database is held. */
extern int dgen_rates_ring(TimestampTz now, int32 *types, int most, TimestampTz *next);
extern bool dgen_private_rates_ring(TimestampTz now); /* any of them may */

#endif /* DGEN_WAKE_RATE_H */
