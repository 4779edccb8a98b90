/*
 * Of role.c, for the hook that sees objects dropped.
 */
#ifndef DGEN_ROLE_H
#define DGEN_ROLE_H

#include "postgres.h"

/* Raises 2BP01 with the actor types of this database that need the role. */
extern void dgen_refuse_drop_role(Oid role);

#endif /* DGEN_ROLE_H */
