/*
 * What is due that no commit announces.
 */
#ifndef DGEN_WAKE_ALARM_H
#define DGEN_WAKE_ALARM_H

#include "postgres.h"

#include "utils/timestamp.h"

struct Charge;
struct WorkerSession;

typedef struct DueLook
{
	const struct WorkerSession *session; /* NULL: for all types */
	TimestampTz now;
	int most;
	int moved;
	bool woken;       /* actors whose back-off is over */
	bool ended;       /* attempts of locked parts, or it was tried */
	TimestampTz next; /* when something else is due, perhaps of another type */
} DueLook;

/* Is the alarm (something due) ringing? The caller then runs dgen_move_due. Re-arms for `next`. */
extern bool dgen_alarm_due(TimestampTz now);

extern void dgen_charge(const struct Charge *charge); /* async-signal-safe */
extern bool dgen_has_charges(void);

extern void dgen_due_later(DueLook *look, int32 type_id, TimestampTz when);

/* Charges of the session's types, NULL: of all. */
extern int dgen_take_charges(const struct WorkerSession *session, struct Charge *charges, int max);
extern TimestampTz dgen_next_due(void);
extern void dgen_alarm_merge(TimestampTz when);
/* The alarm is `when` at the latest, and calls a worker of the type. */
extern void dgen_alarm_retry(int32 type_id, TimestampTz when);
extern bool dgen_look_overdue(TimestampTz now, int64 grace);
/* A commit made something due at some time; the sum of what was told for the session's types. */
extern void dgen_tell_dues(uint64 buckets);
extern uint64 dgen_dues_told(const struct WorkerSession *session);
extern void dgen_look_begins(TimestampTz now);
extern TimestampTz dgen_next_look(TimestampTz now);

#endif /* DGEN_WAKE_ALARM_H */
