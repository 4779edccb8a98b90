/*
 * Batons and the list of waiters, for the session that waits (sleep/wait.c). The caller of each function
 * holds the lock of the database exclusively.
 */
#ifndef DGEN_WAKE_BATON_H
#define DGEN_WAKE_BATON_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/slot.h"

/* Latches to set after the lock is released, so that a woken session does not wait for it. */
typedef struct Calls
{
	int count;
	int slots[8];
} Calls;

/* Releases the lock and sets the latches. */
extern void dgen_unlock_and_call(const Calls *calls);

extern void dgen_start_waiting(int index, TimestampTz now);
extern void dgen_stop_waiting(int index, TimestampTz now, Calls *calls);

/* Calls a waiter that handles the lane of the type, unless a fresh baton is out. */
extern void dgen_call_one(int32 type_id, Lane lane, TimestampTz now, Calls *calls);
/* A called session does not come: calls others for all that it handles. */
extern void dgen_call_in_place_of(const Slot *slot, TimestampTz now, Calls *calls);
/* Calls one waiter for each type in the bucket (-1: for every type). */
extern void dgen_call_everybody(int bucket, TimestampTz now, Calls *calls);
/* The holder has claimed, or does not come: it counts as busy. */
extern void dgen_drop_baton(int index);
/* Passes late batons to the next waiters. Returns when to check again. */
extern TimestampTz dgen_pass_late_batons(TimestampTz now, Calls *calls);

#endif /* DGEN_WAKE_BATON_H */
