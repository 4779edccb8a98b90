/*
 * The roles that rows name.
 */
#ifndef DGEN_ACTOR_ROLE_H
#define DGEN_ACTOR_ROLE_H

#include "postgres.h"

/* For error messages: the name, or the number of a role that is gone. */
extern const char *dgen_role_name(Oid role);

/*
 * For the hook that sees objects dropped. Raises 2BP01 with the actor types of this database that need
 * the role.
 */
extern void dgen_refuse_drop_role(Oid role);

#endif /* DGEN_ACTOR_ROLE_H */
