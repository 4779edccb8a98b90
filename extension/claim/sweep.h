/*
 * Sweeps: scans of the mailbox index that look for mailboxes with messages, in slices. slice.c says
 * which session scans which slice; sweep.c scans.
 */
#ifndef DGEN_CLAIM_SWEEP_H
#define DGEN_CLAIM_SWEEP_H

#include "postgres.h"

#include "shared/hint_set.h"

typedef struct Sweep
{
	HintSet *set;
	SweepPlace from; /* this slice begins here, */
	int64 to;        /* and does not go beyond that mailbox */
} Sweep;

typedef enum SweepBegun
{
	SWEEP_NOT_NEEDED, /* or another session sweeps, and takes long */
	SWEEP_BY_ANOTHER, /* a session that has just ended its slice: there might be hints now */
	SWEEP_BEGUN       /* must be ended with a function below, also after an error */
} SweepBegun;

/* ---- slice.c: which session sweeps which part of the mailboxes of a type, and when ---- */

/* Waits a short time for the slice of another session. The wait can be canceled. */
extern SweepBegun dgen_sweep_begin(int32 type_id, Sweep *sweep);
extern bool dgen_sweep_add(Sweep *sweep, int64 mailbox); /* false: no room */

/*
 * The end of a slice. stop: the next slice continues at `next`. rest: the same, but only after
 * `us`. through: the sweep is complete.
 */
extern void dgen_sweep_stop(Sweep *sweep, const SweepPlace *next);
extern void dgen_sweep_rest(Sweep *sweep, const SweepPlace *next, int64 us);
extern void dgen_sweep_through(Sweep *sweep);

extern void dgen_sweep_leave(void); /* the session ends; never raises */

/* ---- sweep.c: looking for mailboxes with messages ---- */

/*
 * Runs one slice of a sweep over the mailboxes of the type, in a snapshot taken now, and leaves
 * hints. False if there is nothing to sweep. *tired: the slice has passed so many dead rows that
 * this claim should not sweep more. Needs a transaction.
 */
extern bool dgen_sweep(int32 type_id, bool *tired);

#endif /* DGEN_CLAIM_SWEEP_H */
