/*
 * The roles that rows name.
 */
#ifndef DGEN_ACTOR_ROLE_H
#define DGEN_ACTOR_ROLE_H

#include "postgres.h"

/* For error messages: returns the name of the role, or its number if the role was dropped. */
extern const char *dgen_role_name(Oid role);

/* For the hook that DROP calls. Raises 2BP01 with the actor types of this database that need the role. */
extern void dgen_refuse_drop_role(Oid role);

#endif /* DGEN_ACTOR_ROLE_H */
