/*
 * What external workers handle besides messages.
 */
#ifndef DGEN_ACTOR_DECLARE_H
#define DGEN_ACTOR_DECLARE_H

#include "postgres.h"

struct ActorType;

typedef enum Declared
{
	DECLARED_DEAD_LETTERS, /* its actors are notified of them */
	DECLARED_ACTIONS
} Declared;

/*
 * A worker that attaches handles that for the type, from now on. Locks the row of the type until the
 * end of the transaction, if that is new. Does nothing for a type with a handler.
 */
extern void dgen_declare(const struct ActorType *type, Declared what);

#endif /* DGEN_ACTOR_DECLARE_H */
