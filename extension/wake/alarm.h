/*
 * What is due that no commit announces (alarm.c): the alarm of the database, the safety-net check,
 * and charges, which another session records. All of it is in shared memory, mostly in atomics;
 * nothing here raises. dgen_shared_attach has succeeded, unless a comment says otherwise.
 */
#ifndef DGEN_WAKE_ALARM_H
#define DGEN_WAKE_ALARM_H

#include "postgres.h"

#include "utils/timestamp.h"

struct Charge;
struct WorkerSession;

/* ---- the alarm: when something is due ---- */

/* Does it ring? True also without shared memory. The caller then runs dgen_move_due. */
extern bool dgen_alarm_due(TimestampTz now);
extern TimestampTz dgen_next_due(void);

/* The alarm rings at `when`, at the latest. */
extern void dgen_alarm_merge(TimestampTz when);
/* And calls a worker of the type then. */
extern void dgen_alarm_retry(int32 type_id, TimestampTz when);

/* ---- for the code that moves what is due (upkeep/due.c, locked/locked_due.c) ---- */

typedef struct DueLook
{
	const struct WorkerSession *session; /* NULL: for all types */
	TimestampTz now;
	int most;         /* rows to be moved */
	int moved;        /* so far */
	bool woken;       /* actors whose backoff is over */
	bool ended;       /* attempts of locked parts, or it was tried */
	TimestampTz next; /* when something else is due, perhaps of another type */
} DueLook;

/* Something of the type is due at `when`. For all types, commit sets the alarm to that. */
extern void dgen_due_later(DueLook *look, int32 type_id, TimestampTz when);

/* A commit made something due at some time, of types in these buckets. */
extern void dgen_tell_dues(uint64 buckets);
/* How often that was announced for the session's types; 0 without shared memory. */
extern uint64 dgen_dues_told(const struct WorkerSession *session);

/* ---- the safety-net check ---- */

extern bool dgen_look_overdue(TimestampTz now, int64 grace); /* us */
extern void dgen_look_begins(TimestampTz now);               /* asks for everything */
extern TimestampTz dgen_next_look(TimestampTz now);

/* ---- charges; without shared memory there are none ---- */

/* A turn or a locked part is ending with its process or session. Async-signal-safe. */
extern void dgen_charge(const struct Charge *charge);
extern bool dgen_has_charges(void);

/* Takes those of the session's types, NULL: of all types. Returns how many, at most max. */
extern int dgen_take_charges(const struct WorkerSession *session, struct Charge *charges, int max);

#endif /* DGEN_WAKE_ALARM_H */
