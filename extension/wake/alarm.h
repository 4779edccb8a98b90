/*
 * Due work that no commit announces (alarm.c): the alarm of the database, the safety-net check, and
 * charges, which another session records. The data is in shared memory, mostly in atomics; nothing here
 * raises. dgen_shared_attach has succeeded, unless a comment says otherwise.
 */
#ifndef DGEN_WAKE_ALARM_H
#define DGEN_WAKE_ALARM_H

#include "postgres.h"

#include "utils/timestamp.h"

struct Charge;
struct WorkerSession;

/* ---- the alarm: when something is due ---- */

/* Does the alarm ring? Without shared memory always true. If so, the caller runs dgen_move_due. */
extern bool dgen_alarm_due(TimestampTz now);
extern TimestampTz dgen_next_due(void);

/* The alarm rings at `when`, at the latest. */
extern void dgen_alarm_merge(TimestampTz when);
/* The same, and wakes a worker of the type then. */
extern void dgen_alarm_retry(int32 type_id, TimestampTz when);

/* ---- for the code that moves what is due (upkeep/due.c, locked/locked_due.c) ---- */

typedef struct DueLook
{
	const struct WorkerSession *session; /* NULL: for all types */
	TimestampTz now;
	int most;         /* maximum number of rows to move */
	int moved;        /* so far */
	bool woken;       /* the backoff of an actor is over */
	bool ended;       /* ended attempts of locked parts, or tried to */
	TimestampTz next; /* when the next thing is due, perhaps of another type */
} DueLook;

/* Something of the type is due at `when`. If `look` is for all types, the commit sets the alarm to that time. */
extern void dgen_due_later(DueLook *look, int32 type_id, TimestampTz when);

/* A commit made something due, for types in these buckets. */
extern void dgen_tell_dues(uint64 buckets);
/* Returns how often that was announced for the session's types; 0 without shared memory. */
extern uint64 dgen_dues_told(const struct WorkerSession *session);

/* ---- the safety-net check ---- */

extern bool dgen_look_overdue(TimestampTz now, int64 grace); /* us */
extern void dgen_look_begins(TimestampTz now);               /* requests all checks */
extern TimestampTz dgen_next_look(TimestampTz now);

/* ---- charges; without shared memory there are none ---- */

/* Stores a charge: a turn or a locked part ends with its process or session. Async-signal-safe. */
extern void dgen_charge(const struct Charge *charge);
extern bool dgen_has_charges(void);

/* Takes the charges of the session's types; NULL: of all types. Returns how many, at most max. */
extern int dgen_take_charges(const struct WorkerSession *session, struct Charge *charges, int max);

#endif /* DGEN_WAKE_ALARM_H */
