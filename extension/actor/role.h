/*
 * For the hook that sees objects dropped (role.c).
 */
#ifndef DGEN_ACTOR_ROLE_H
#define DGEN_ACTOR_ROLE_H

#include "postgres.h"

/* Raises 2BP01 with the actor types of this database that need the role. */
extern void dgen_refuse_drop_role(Oid role);

#endif /* DGEN_ACTOR_ROLE_H */
