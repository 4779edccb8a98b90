/*
 * Batons: which sleeping worker is woken for what, and which one is the watch. How a session waits is in
 * sleep/wait.c.
 */
#include "postgres.h"

#include "storage/proc.h"
#include "utils/timestamp.h"

#include "shared/database.h"
#include "shared/layout.h"
#include "shared/serving.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "version/process.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/baton.h"
#include "wake/call.h"

static void
set_latch(int slot)
{
	SetLatch(&GetPGProcByNumber(slot)->procLatch);
}

static void
note(Calls *calls, int slot)
{
	if (calls->count < lengthof(calls->slots))
		calls->slots[calls->count++] = slot;
	else
		set_latch(slot);
}

void
dgen_unlock_and_call(const Calls *calls)
{
	LWLockRelease(&dgen_database->lock);
	for (int i = 0; i < calls->count; i++)
		set_latch(calls->slots[i]);
}

/* ---- the lists; the caller holds the lock of the database ---- */

static void
push(int *head, int index)
{
	Link *link = &slot_at(index)->link;

	link->prev = NOBODY;
	link->next = *head;
	if (*head != NOBODY)
		slot_at(*head)->link.prev = index;
	*head = index;
}

static void
unlink_slot(int *head, int index)
{
	Link *link = &slot_at(index)->link;

	if (link->prev != NOBODY)
		slot_at(link->prev)->link.next = link->next;
	else
		*head = link->next;
	if (link->next != NOBODY)
		slot_at(link->next)->link.prev = link->prev;
	link->prev = link->next = NOBODY;
}

/* Appoints the worker that has waited longest: it is called last, so it can watch longest. */
static void
appoint_watch(TimestampTz now, Calls *calls)
{
	dgen_database->watch = dgen_database->waiting_tail;
	dgen_database->watch_until = now;
	if (dgen_database->watch != NOBODY)
		note(calls, dgen_database->watch);
}

static void
alert_watch(TimestampTz until, Calls *calls)
{
	if (dgen_database->watch == NOBODY || dgen_database->watch_until <= until)
		return;
	dgen_database->watch_until = until;
	note(calls, dgen_database->watch);
}

void
dgen_start_waiting(int index, TimestampTz now)
{
	Database *database = dgen_database;
	Slot *slot = slot_at(index);
	uint64 mask = pg_atomic_read_u64(&database->waiting_mask);

	if (database->waiting == NOBODY)
		database->waiting_tail = index;
	push(&database->waiting, index);
	pg_atomic_write_u64(&database->waiting_mask, mask | slot->buckets);
	slot->state = SLOT_WAITING;
	if (database->watch == NOBODY)
	{
		database->watch = index;
		database->watch_until = now;
	}
}

void
dgen_stop_waiting(int index, TimestampTz now, Calls *calls)
{
	Database *database = dgen_database;
	Slot *slot = slot_at(index);
	uint64 mask = 0;

	if (database->waiting_tail == index)
		database->waiting_tail = slot->link.prev;
	unlink_slot(&database->waiting, index);
	slot->state = SLOT_BUSY;
	for (int i = database->waiting; i != NOBODY; i = slot_at(i)->link.next)
		mask |= slot_at(i)->buckets;
	pg_atomic_write_u64(&database->waiting_mask, mask);
	if (database->watch == index)
		appoint_watch(now, calls);
}

/* ---- batons; the caller holds the lock ---- */

static void
take_baton(int index, int32 type_id, Lane lane, TimestampTz now, Calls *calls)
{
	Slot *slot = slot_at(index);

	slot->state = SLOT_CALLED;
	slot->called_at = now;
	slot->called_for = type_id;
	slot->called_lane = lane;
	push(&dgen_database->called, index);
	alert_watch(now + BATON_TIME, calls);
}

static void
hand_baton(int index, int32 type_id, Lane lane, TimestampTz now, Calls *calls)
{
	dgen_stop_waiting(index, now, calls);
	take_baton(index, type_id, lane, now, calls);
	note(calls, index);
}

void
dgen_drop_baton(int index)
{
	unlink_slot(&dgen_database->called, index);
	slot_at(index)->state = SLOT_BUSY;
}

/* A baton that was passed in the future counts as late: the clock was set back. */
static bool
is_fresh(const Slot *slot, TimestampTz now)
{
	return now >= slot->called_at && now - slot->called_at < BATON_TIME;
}

/* Returns the first slot from i on that is known to handle the type in the lane; NOBODY: none. */
static int
one_that_takes(int i, int32 type_id, Lane lane)
{
	while (i != NOBODY && dgen_slot_takes(slot_at(i), type_id, lane) != TAKES_SURELY)
		i = slot_at(i)->link.next;
	return i;
}

static bool
is_called(int32 type_id, Lane lane, TimestampTz now)
{
	for (int i = one_that_takes(dgen_database->called, type_id, lane); i != NOBODY;
		 i = one_that_takes(slot_at(i)->link.next, type_id, lane))
		if (is_fresh(slot_at(i), now))
			return true;
	return false;
}

static bool
one_alike_is_called(const Slot *slot, TimestampTz now)
{
	for (int i = dgen_database->called; i != NOBODY; i = slot_at(i)->link.next)
		if (dgen_slots_alike(slot_at(i), slot) && is_fresh(slot_at(i), now))
			return true;
	return false;
}

/* Calls one slot per set of types, because it is unknown which of them handles the type. */
static void
call_who_may_take(int32 type_id, Lane lane, TimestampTz now, Calls *calls)
{
	int next;

	for (int i = dgen_database->waiting; i != NOBODY; i = next)
	{
		next = slot_at(i)->link.next;
		if (dgen_slot_takes(slot_at(i), type_id, lane) == TAKES_PERHAPS &&
			!one_alike_is_called(slot_at(i), now))
			hand_baton(i, type_id, lane, now, calls);
	}
}

/*
 * A session that was called and has not claimed yet will see everything committed so far, so it can also
 * handle this type.
 */
void
dgen_call_one(int32 type_id, Lane lane, TimestampTz now, Calls *calls)
{
	int waiting;

	if (is_called(type_id, lane, now))
		return;
	waiting = one_that_takes(dgen_database->waiting, type_id, lane);
	if (waiting != NOBODY)
		hand_baton(waiting, type_id, lane, now, calls);
	else
		call_who_may_take(type_id, lane, now, calls);
}

/*
 * While the session had a baton for one type and lane, it was not called for others. Other sessions must
 * handle those now, and perhaps none of them handles all that it does. Parts first, because a session
 * that is called for parts also claims messages.
 */
void
dgen_call_in_place_of(const Slot *slot, TimestampTz now, Calls *calls)
{
	if (slot->all_types) /* the slot does not name all its types */
	{
		dgen_call_everybody(-1, now, calls);
		return;
	}
	for (int i = 0; i < slot->ntypes; i++)
	{
		if (dgen_slot_names_part(slot, i))
			dgen_call_one(slot->types[i], LANE_PARTS, now, calls);
		dgen_call_one(slot->types[i], LANE_ANY, now, calls);
	}
}

/*
 * If a called session does not come, its baton passes to the next one. Work for which a session has
 * called itself was not announced, so it is announced now. Returns when to check again.
 */
TimestampTz
dgen_pass_late_batons(TimestampTz now, Calls *calls)
{
	TimestampTz until = ALARM_NONE;
	int next;

	for (int i = dgen_database->called; i != NOBODY; i = next)
	{
		Slot *slot = slot_at(i);

		next = slot->link.next;
		if (is_fresh(slot, now))
			until = Min(until, slot->called_at + BATON_TIME);
		else
		{
			dgen_drop_baton(i);
			if (slot->called_for != ANY_TYPE)
				dgen_wakeup_announce(slot->called_for);
			dgen_call_one(slot->called_for, slot->called_lane, now, calls);
			dgen_call_in_place_of(slot, now, calls);
			until = Min(until, now + BATON_TIME);
		}
	}
	return until;
}

void
dgen_call_everybody(int bucket, TimestampTz now, Calls *calls)
{
	Cover cover = {0};
	int next;

	for (int i = dgen_database->waiting; i != NOBODY; i = next)
	{
		next = slot_at(i)->link.next;
		if (dgen_cover_extend(&cover, slot_at(i), bucket))
			hand_baton(i, ANY_TYPE, LANE_ANY, now, calls);
	}
}

/* ---- calling ---- */

static bool
somebody_waits(int bucket)
{
	uint64 mask = pg_atomic_read_u64(&dgen_database->waiting_mask);

	return bucket < 0 ? mask != 0 : (mask & (UINT64CONST(1) << bucket)) != 0;
}

static void
call_in_lane(int32 type_id, Lane lane)
{
	Calls calls = {0};

	if (!somebody_waits(bucket_of(type_id)))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_call_one(type_id, lane, GetCurrentTimestamp(), &calls);
	dgen_unlock_and_call(&calls);
}

void
dgen_call_for(int32 type_id)
{
	call_in_lane(type_id, LANE_ANY);
}

void
dgen_call_for_part(int32 type_id)
{
	call_in_lane(type_id, LANE_PARTS);
}

void
dgen_wakeup_later(int32 type_id)
{
	if (dgen_shared_attach() && somebody_waits(bucket_of(type_id)))
		dgen_alarm_retry(type_id, GetCurrentTimestamp() + BATON_TIME);
}

/*
 * This session is awake and takes the baton itself. No other session is called or prevented from waiting,
 * unless this one does not claim in time. So the baton is noted even if no session waits.
 */
bool
dgen_call_self(int32 type_id)
{
	Calls calls = {0};

	if (dgen_slot == NULL || dgen_slot->state != SLOT_BUSY ||
		dgen_slot_takes(dgen_slot, type_id, LANE_ANY) != TAKES_SURELY)
		return false;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	take_baton(DGEN_MY_PROCNO, type_id, LANE_ANY, GetCurrentTimestamp(), &calls);
	dgen_unlock_and_call(&calls);
	return true;
}

void
dgen_call_all(int bucket)
{
	Calls calls = {0};

	if (!somebody_waits(bucket))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_call_everybody(bucket, GetCurrentTimestamp(), &calls);
	dgen_unlock_and_call(&calls);
}

void
dgen_call_others(void)
{
	Calls calls = {0};

	if (dgen_slot == NULL)
		return;
	dgen_announce_buckets(dgen_slot->buckets);
	if (!somebody_waits(-1))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_call_in_place_of(dgen_slot, GetCurrentTimestamp(), &calls);
	dgen_unlock_and_call(&calls);
}

void
dgen_alert_watch(TimestampTz until)
{
	Calls calls = {0};

	if (!somebody_waits(-1))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	alert_watch(until, &calls);
	dgen_unlock_and_call(&calls);
}

bool
dgen_wait_taken(void)
{
	bool taken;

	if (dgen_slot->state != SLOT_CALLED)
		return false;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	taken = dgen_slot->state == SLOT_CALLED;
	if (taken)
		dgen_drop_baton(DGEN_MY_PROCNO);
	LWLockRelease(&dgen_database->lock);
	return taken;
}
