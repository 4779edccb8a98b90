/*
 * Registers processes for the workers of the roster, and starters. The functions acquire Shared.lock.
 */
#ifndef DGEN_ROSTER_REGISTER_H
#define DGEN_ROSTER_REGISTER_H

#include "postgres.h"

#include "utils/timestamp.h"

struct Database;

extern bool dgen_register_starter(Oid database, int count); /* false: no process is free */
extern void dgen_want_starter(struct Database *database);   /* as soon as a process is free */
extern void dgen_register_all(void);       /* all that are wanted, while processes are free */
extern void dgen_complete_workers(void);   /* the same, now and then */
extern TimestampTz dgen_complete_at(void); /* when to do so again; 0: nothing is missing */

#endif /* DGEN_ROSTER_REGISTER_H */
