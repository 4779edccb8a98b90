/*
 * Turns that ended with their process: failed attempts that a later claim records (wake/alarm.c puts
 * them here, upkeep/charges.c takes them), and notes of running turns that outlive a crash of the
 * server (crash_notes.c).
 */
#ifndef DGEN_SHARED_CHARGE_H
#define DGEN_SHARED_CHARGE_H

#include "postgres.h"

#include "port/atomics.h"

/* A turn, and why it counts as a failed attempt of its message. */
typedef struct Charge
{
	int32 type_id;
	int64 mailbox;
	int64 message_id; /* 0: not told, of a locked part */
	int sqlstate;     /* of the attempt */
	int64 fence;      /* of a locked part; 0: it was a turn */
	bool silent;      /* an external worker, whose session was ended because it was silent */
	Oid extension;    /* of a locked part: its dgen.message */
} Charge;

#define MAX_CHARGES 64 /* in a database; more of them are dropped */

/* A place for a charge in shared memory. No lock: who changes the state by compare-and-swap has the place. */
typedef enum ChargeState
{
	CHARGE_FREE,
	CHARGE_WRITING,
	CHARGE_READY,
	CHARGE_READING
} ChargeState;

typedef struct ChargeEntry
{
	pg_atomic_uint32 state; /* a ChargeState */
	Charge charge;          /* of the process that has set WRITING or READING; else nobody's */
} ChargeEntry;

/* ---- crash_notes.c, in the postmaster ---- */

extern void dgen_crash_init(void);     /* _PG_init, when preloaded: gets the memory */
extern void dgen_crash_new_life(void); /* shared memory begins: notes become crashes */

/* ---- crash_notes.c, in an in-database worker; they take no lock and never raise ---- */

extern void dgen_crash_note_begin(int entry);    /* of the roster: its place for notes */
extern void dgen_crash_note(const Charge *turn); /* the turn begins in this process */
extern void dgen_crash_note_end(void);           /* the turn is over; async-signal-safe */

/*
 * The next crash of this database, from number n on, from which nothing was concluded yet; -1: none.
 * *times: how often the turn has crashed the server.
 */
extern int dgen_crash_find_fresh(int n, Charge *turn, int *times);
extern void dgen_crash_concluded(int n);

extern void dgen_crashes_forget(void); /* those of this database */

#endif /* DGEN_SHARED_CHARGE_H */
