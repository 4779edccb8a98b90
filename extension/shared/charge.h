/*
 * Turns that were ended with their process: attempts to be recorded; and notes that outlive the server.
 */
#ifndef DGEN_SHARED_CHARGE_H
#define DGEN_SHARED_CHARGE_H

#include "postgres.h"

#include "port/atomics.h"

/* A turn of this session is about to be ended with its process: the next claim for the type records the attempt (charges.c). */
typedef struct Charge
{
	int32 type_id;
	int64 mailbox;
	int64 message_id;
	int sqlstate;
	int64 fence;   /* of a locked part; 0: the turn was another's */
	bool silent;   /* an external worker's, whose session was ended for that */
	Oid extension; /* for a locked part: its dgen.message */
} Charge;

#define MAX_CHARGES 64

typedef enum ChargeState
{
	CHARGE_FREE,
	CHARGE_WRITING,
	CHARGE_READY,
	CHARGE_READING
} ChargeState;

typedef struct ChargeEntry
{
	pg_atomic_uint32 state;
	Charge charge;
} ChargeEntry;

extern void dgen_crash_init(void);
extern void dgen_crash_new_life(void);           /* shared memory begins */
extern void dgen_crash_note_begin(int entry);    /* of the roster */
extern void dgen_crash_note(const Charge *turn); /* it begins in this process */
extern void dgen_crash_note_end(void);           /* it is over; async-signal-safe */

extern void dgen_crashes_forget(void); /* of this database */

/* The next crash of this database, from number n on, from which nothing was concluded yet; -1: none. */
extern int dgen_crash_find_fresh(int n, Charge *turn, int *times);
extern void dgen_crash_concluded(int n);

#endif /* DGEN_SHARED_CHARGE_H */
