/*
 * What external workers handle besides messages.
 */
#ifndef DGEN_ACTOR_DECLARE_H
#define DGEN_ACTOR_DECLARE_H

#include "postgres.h"

struct ActorType;

typedef enum Declared
{
	DECLARED_DEAD_LETTERS, /* the type's actors are notified of dead letters */
	DECLARED_ACTIONS
} Declared;

/*
 * Records that external workers handle `what` for the type from now on. If that is new, locks the row of
 * the type until the end of the transaction. Does nothing for a type with a handler.
 */
extern void dgen_declare(const struct ActorType *type, Declared what);

#endif /* DGEN_ACTOR_DECLARE_H */
