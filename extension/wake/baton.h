/*
 * Batons and the list of waiters, for the session that waits (sleep/wait.c). The caller holds the lock
 * of the database, exclusively, in all of them.
 */
#ifndef DGEN_WAKE_BATON_H
#define DGEN_WAKE_BATON_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/slot.h"

/* Latches to set once the lock is released, so that a woken session does not wait for it. */
typedef struct Calls
{
	int count;
	int slots[8];
} Calls;

/* Releases it. */
extern void dgen_unlock_and_call(const Calls *calls);

extern void dgen_start_waiting(int index, TimestampTz now);
extern void dgen_stop_waiting(int index, TimestampTz now, Calls *calls);

/* A waiter that takes what the type has in the lane, unless a fresh baton is out. */
extern void dgen_call_one(int32 type_id, Lane lane, TimestampTz now, Calls *calls);
/* Others for all that a session takes which does not come. */
extern void dgen_call_in_place_of(const Slot *slot, TimestampTz now, Calls *calls);
/* For each type in the bucket (-1: of all) one. */
extern void dgen_call_everybody(int bucket, TimestampTz now, Calls *calls);
/* It was claimed, or its holder does not come: the session is busy. */
extern void dgen_drop_baton(int index);
/* To the next ones; returns when to look again. */
extern TimestampTz dgen_pass_late_batons(TimestampTz now, Calls *calls);

#endif /* DGEN_WAKE_BATON_H */
