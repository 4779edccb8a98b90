/*
 * Notes of running turns that survive a crash of the server.
 */
#ifndef DGEN_SHARED_CRASH_NOTES_H
#define DGEN_SHARED_CRASH_NOTES_H

#include "postgres.h"

struct Charge;

/* ---- in the postmaster ---- */

extern void dgen_crash_init(void);     /* _PG_init, if preloaded: allocates the memory */
extern void dgen_crash_new_life(void); /* shared memory begins: notes become crashes */

/* ---- in an in-database worker; the functions acquire no lock and never raise ---- */

extern void dgen_crash_note_begin(int entry);           /* number of the worker's roster entry */
extern void dgen_crash_note(const struct Charge *turn); /* the turn begins in this process */
extern void dgen_crash_note_end(void);                  /* the turn is over; async-signal-safe */

/*
 * Returns the next crash of this database, from number n on, that no worker has handled yet; -1: none.
 * *times: how often the turn has crashed the server.
 */
extern int dgen_crash_find_fresh(int n, struct Charge *turn, int *times);
extern void dgen_crash_concluded(int n);

extern void dgen_crashes_forget(void); /* those of this database */

#endif /* DGEN_SHARED_CRASH_NOTES_H */
