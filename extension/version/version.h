/*
 * All of dgen's code includes this header. This folder has all differences between the supported major
 * versions of PostgreSQL.
 */
#ifndef DGEN_VERSION_VERSION_H
#define DGEN_VERSION_VERSION_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "dgen needs PostgreSQL 15 or newer"
#endif

/* PostgreSQL 18 moved the attribute before the declaration. */
#if PG_VERSION_NUM >= 180000
#define DGEN_NORETURN pg_noreturn
#else
#define DGEN_NORETURN pg_attribute_noreturn()
#endif

#endif /* DGEN_VERSION_VERSION_H */
