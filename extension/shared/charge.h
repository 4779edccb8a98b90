/*
 * Turns that ended with their process: failed attempts that a later claim records (wake/alarm.c stores
 * them, upkeep/charges.c takes them), and the suspicion that an actor's messages have ended their worker
 * (in memo.c).
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
	int64 message_id; /* 0: unknown, of a locked part */
	int sqlstate;     /* of the attempt */
	int64 fence;      /* of a locked part; 0: of a turn */
	bool silent;      /* an external worker whose session was ended because the worker was silent */
	Oid extension;    /* of a locked part: OID of its dgen.message */
} Charge;

#define MAX_CHARGES 64 /* per database; others are lost */

/*
 * The state of a place for a charge in shared memory. There is no lock: the process that changes the
 * state by compare-and-swap owns the place.
 */
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
	Charge charge;          /* belongs to the process that has set WRITING or READING */
} ChargeEntry;

typedef enum SuspicionLevel
{
	SUSPICION_NONE,
	SUSPICION_FEW,  /* handled in a batch of few messages, all of suspects */
	SUSPICION_ALONE /* handled in a batch of one message */
} SuspicionLevel;

typedef struct Suspicion
{
	SuspicionLevel level;
	int messages; /* number of first messages of the actor for which that holds */
} Suspicion;

#endif /* DGEN_SHARED_CHARGE_H */
