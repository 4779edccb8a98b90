/*
 * Workers asleep: who waits for which types, who is woken, and who watches over
 * the sleepers.
 *
 * To be woken is to be handed a baton: it counts as taken when the session claims.
 * One of the sleepers is the watch. It sleeps only until the next thing that nobody
 * would announce to it: a baton that was not taken in time and goes to another, the
 * alarm, the safety-net look. All others sleep long, and take the watch over when it
 * is overdue because its process is stopped.
 *
 *     SLOT_BUSY ──wait──> SLOT_WAITING ──called──> SLOT_CALLED ──claim──> SLOT_BUSY
 *                              │                        └──20 ms──> SLOT_BUSY, next one called
 *                              └──timeout──> SLOT_BUSY
 *
 * A worker that is awake takes the baton itself for what it has just sent (dgen_call_self).
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/proc.h"

#include "dgen_ext.h"
#include "shared.h"

#define WATCH_GRACE INT64CONST(1000000) /* us after which the watch is overdue */
#define POLL_MIN 10                     /* ms between looks without shared memory */
#define POLL_MAX 1000

/* Latches to set once the lock is released, so that who wakes does not run into it. */
typedef struct Calls
{
	int count;
	int slots[8];
} Calls;

static int poll_interval = POLL_MIN;

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

static void
unlock_and_call(const Calls *calls)
{
	LWLockRelease(&dgen_database->lock);
	for (int i = 0; i < calls->count; i++)
		set_latch(calls->slots[i]);
}

/* ---- the lists; the lock of the database is held ---- */

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

/* The one that has waited longest: it is called last, so it can watch longest. */
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

static void
start_waiting(int index, TimestampTz now)
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

static void
stop_waiting(int index, TimestampTz now, Calls *calls)
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

/* ---- batons; the lock is held ---- */

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
	stop_waiting(index, now, calls);
	take_baton(index, type_id, lane, now, calls);
	note(calls, index);
}

/* One that was handed in the future is late: the clock was set back. */
static bool
is_fresh(const Slot *slot, TimestampTz now)
{
	return now >= slot->called_at && now - slot->called_at < BATON_TIME;
}

/*
 * A session that was called and has not claimed yet will see whatever is committed
 * by now, so it does for this type as well.
 */
static void
call_one(int32 type_id, Lane lane, TimestampTz now, Calls *calls)
{
	int next;

	for (int i = dgen_database->called; i != NOBODY; i = slot_at(i)->link.next)
		if (dgen_slot_takes(slot_at(i), type_id, lane) && is_fresh(slot_at(i), now) &&
			!dgen_slot_may_lack(slot_at(i), lane))
			return;

	for (int i = dgen_database->waiting; i != NOBODY; i = next)
	{
		bool enough = !dgen_slot_may_lack(slot_at(i), lane);

		next = slot_at(i)->link.next;
		if (!dgen_slot_takes(slot_at(i), type_id, lane))
			continue;
		hand_baton(i, type_id, lane, now, calls);
		if (enough)
			return;
	}
}

/*
 * In place of a session that does not come. While it was called for one thing it was not called for
 * the next one, of another type or in another lane: that is for others now, none of whom may take all
 * that it does. Parts first: who comes for them comes for messages, too.
 */
static void
call_in_place_of(const Slot *slot, TimestampTz now, Calls *calls)
{
	for (int i = 0; i < slot->ntypes; i++)
	{
		if (dgen_slot_takes(slot, slot->types[i], LANE_PARTS))
			call_one(slot->types[i], LANE_PARTS, now, calls);
		call_one(slot->types[i], LANE_ANY, now, calls);
	}
}

/*
 * Whoever is called but did not come loses its baton to the next. What a session has called
 * itself to was not announced. Returns when to look again.
 */
static TimestampTz
pass_late_batons(TimestampTz now, Calls *calls)
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
			unlink_slot(&dgen_database->called, i);
			slot->state = SLOT_BUSY;
			if (slot->called_for != ANY_TYPE)
				dgen_wakeup_announce(slot->called_for);
			call_one(slot->called_for, slot->called_lane, now, calls);
			call_in_place_of(slot, now, calls);
			until = Min(until, now + BATON_TIME);
		}
	}
	return until;
}

static void
call_all(int bucket, TimestampTz now, Calls *calls)
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
	call_one(type_id, lane, GetCurrentTimestamp(), &calls);
	unlock_and_call(&calls);
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
 * The baton is this session's, which is awake: nobody else is called, or kept from waiting, unless
 * it does not claim in time. So it has to be noted also while nobody waits.
 */
bool
dgen_call_self(int32 type_id)
{
	Calls calls = {0};

	if (dgen_slot == NULL || dgen_slot->state != SLOT_BUSY || !dgen_slot_serves(dgen_slot, type_id))
		return false;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	take_baton(DGEN_MY_PROCNO, type_id, LANE_ANY, GetCurrentTimestamp(), &calls);
	unlock_and_call(&calls);
	return true;
}

void
dgen_call_all(int bucket)
{
	Calls calls = {0};

	if (!somebody_waits(bucket))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	call_all(bucket, GetCurrentTimestamp(), &calls);
	unlock_and_call(&calls);
}

void
dgen_call_others(void)
{
	Calls calls = {0};

	if (dgen_slot == NULL)
		return;
	for (int i = 0; i < dgen_slot->ntypes; i++)
		dgen_wakeup_announce(dgen_slot->types[i]);
	if (!somebody_waits(-1))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	call_in_place_of(dgen_slot, GetCurrentTimestamp(), &calls);
	unlock_and_call(&calls);
}

void
dgen_alert_watch(TimestampTz until)
{
	Calls calls = {0};

	if (!somebody_waits(-1))
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	alert_watch(until, &calls);
	unlock_and_call(&calls);
}

/* ---- this session ---- */

void
dgen_wait_enter(void)
{
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state == SLOT_NONE)
	{
		dgen_slot->state = SLOT_BUSY;
		pg_atomic_fetch_add_u32(&dgen_database->workers, 1);
	}
	LWLockRelease(&dgen_database->lock);
}

/*
 * A worker that goes away while it is busy may leave work behind that it has
 * claimed, or was about to: somebody else has to come.
 */
void
dgen_wait_leave(void)
{
	Calls calls = {0};
	TimestampTz now = GetCurrentTimestamp();
	SlotState state;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	state = dgen_slot->state;
	if (state != SLOT_NONE)
		pg_atomic_fetch_sub_u32(&dgen_database->workers, 1);
	if (state == SLOT_WAITING)
		stop_waiting(DGEN_MY_PROCNO, now, &calls);
	else if (state == SLOT_CALLED)
		unlink_slot(&dgen_database->called, DGEN_MY_PROCNO);
	dgen_slot->state = SLOT_NONE;

	if (state == SLOT_CALLED && dgen_slot->called_for != ANY_TYPE)
		call_one(dgen_slot->called_for, dgen_slot->called_lane, now, &calls);

	/* Those who are about to wait look again, too: it may have left something to its next claim. */
	if (state == SLOT_CALLED || state == SLOT_BUSY)
	{
		for (int i = 0; i < dgen_slot->ntypes; i++)
			dgen_wakeup_announce(dgen_slot->types[i]);
		call_in_place_of(dgen_slot, now, &calls);
	}
	unlock_and_call(&calls);
}

void
dgen_wait_taken(void)
{
	if (dgen_slot->state != SLOT_CALLED)
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state == SLOT_CALLED)
	{
		unlink_slot(&dgen_database->called, DGEN_MY_PROCNO);
		dgen_slot->state = SLOT_BUSY;
	}
	LWLockRelease(&dgen_database->lock);
}

/* Registers as waiting; false if work has been announced since the last claim began. */
static bool
begin_wait(void)
{
	Calls calls = {0};
	bool waits;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	waits = dgen_slot->state == SLOT_BUSY;
	if (waits)
		start_waiting(DGEN_MY_PROCNO, GetCurrentTimestamp());
	LWLockRelease(&dgen_database->lock);
	if (!waits)
		return false;

	/* Who announces after this finds us in the list; who did before has changed a generation. */
	pg_memory_barrier();
	if (!dgen_generations_changed())
		return true;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state == SLOT_WAITING)
		stop_waiting(DGEN_MY_PROCNO, GetCurrentTimestamp(), &calls);
	unlock_and_call(&calls);
	return false;
}

/*
 * Stops waiting. A baton that came at the last moment stays with this session if it
 * is going to claim soon, otherwise the next one gets it.
 */
static WaitResult
end_wait(WaitResult result)
{
	Calls calls = {0};
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state == SLOT_WAITING)
		stop_waiting(DGEN_MY_PROCNO, now, &calls);
	else if (dgen_slot->state == SLOT_CALLED && result == WAIT_TIMED_OUT)
		result = WAIT_READY;
	else if (dgen_slot->state == SLOT_CALLED && result == WAIT_INTERRUPTED)
	{
		unlink_slot(&dgen_database->called, DGEN_MY_PROCNO);
		dgen_slot->state = SLOT_BUSY;
		call_one(dgen_slot->called_for, dgen_slot->called_lane, now, &calls);
	}
	unlock_and_call(&calls);
	return result;
}

/* Types that have turns again, one worker each. Returns when the next has. */
static TimestampTz
call_for_rates(TimestampTz now, Calls *calls)
{
	int32 types[64];
	TimestampTz next;
	int count = dgen_rates_ring(now, types, lengthof(types), &next);

	for (int i = 0; i < count; i++)
	{
		dgen_wakeup_announce(types[i]);
		call_one(types[i], LANE_ANY, now, calls);
	}
	if (dgen_private_rates_ring(now))
	{
		for (int bucket = 0; bucket < BUCKETS; bucket++)
			dgen_wakeup_announce(bucket);
		call_all(-1, now, calls);
	}
	return Min(next, dgen_rate_due());
}

/* The watch's duties. Returns until when it may sleep; it may be called by this itself. */
static TimestampTz
watch(TimestampTz now, Calls *calls)
{
	TimestampTz until = pass_late_batons(now, calls);
	TimestampTz due = dgen_next_due();
	TimestampTz rate_due = dgen_rate_due();

	if (rate_due <= now)
		until = Min(until, call_for_rates(now, calls));
	else
		until = Min(until, rate_due);
	if (dgen_look_overdue(now, 0))
	{
		dgen_look_begins(now);
		call_all(-1, now, calls);
	}
	else if (due <= now)
	{
		/* Alarms are any worker's business, the watch's as well as another's. */
		call_one(ANY_TYPE, LANE_ANY, now, calls);
		due = now + BATON_TIME;
	}
	return Min(Min(until, due), dgen_next_look(now));
}

/* Returns until when to sleep. */
static TimestampTz
tend_watch(TimestampTz now)
{
	Database *database = dgen_database;
	Calls calls = {0};
	TimestampTz until = now + BACKUP_TIME;

	LWLockAcquire(&database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state != SLOT_WAITING)
		until = now;
	else
	{
		if (database->watch == NOBODY || now > database->watch_until + WATCH_GRACE ||
			database->watch_until > dgen_next_look(now) + WATCH_GRACE) /* the clock was set back */
			database->watch = DGEN_MY_PROCNO;
		if (database->watch == DGEN_MY_PROCNO)
		{
			until = watch(now, &calls);
			/* Somebody else may have become the watch just now. */
			if (database->watch == DGEN_MY_PROCNO)
				database->watch_until = until;
		}
	}
	unlock_and_call(&calls);
	return until;
}

/* Without shared memory: looks now and then, less and less often while nothing is found. */
static WaitResult
poll_for_work(TimestampTz deadline)
{
	static bool told = false;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = now + poll_interval * INT64CONST(1000);
	bool timed_out = deadline != 0 && deadline < until;

	if (!told)
		ereport(NOTICE, (errmsg("no shared memory for wakeups, polling for messages instead"),
						 errhint("Add dgen to shared_preload_libraries and restart the server.")));
	told = true;
	if (timed_out)
		until = deadline;
	poll_interval = Min(poll_interval * 2, POLL_MAX);
	for (; now < until; now = GetCurrentTimestamp())
	{
		if (InterruptPending || (DGEN_IS_BACKGROUND_WORKER && ConfigReloadPending))
			return WAIT_INTERRUPTED;
		dgen_sleep(until);
	}
	return timed_out ? WAIT_TIMED_OUT : WAIT_READY;
}

void
dgen_wait_found_work(void)
{
	poll_interval = POLL_MIN;
}

/* Statistics of what the session did before may be held back for a second; they must not stay so. */
static TimestampTz
flush_statistics(TimestampTz now, TimestampTz *flush_at)
{
	if (*flush_at == 0 || now >= *flush_at)
	{
		long delay = pgstat_report_stat(*flush_at != 0);

		*flush_at = delay == 0 ? ALARM_NONE : now + delay * INT64CONST(1000);
	}
	return *flush_at;
}

/* Without types there is nothing to be called for. */
static WaitResult
wait_for_orders(TimestampTz deadline)
{
	for (;;)
	{
		if (dgen_slot->poked)
			return WAIT_POKED;
		if (InterruptPending || (DGEN_IS_BACKGROUND_WORKER && ConfigReloadPending))
			return WAIT_INTERRUPTED;
		if (deadline != 0 && GetCurrentTimestamp() >= deadline)
			return WAIT_TIMED_OUT;
		dgen_sleep(deadline);
	}
}

WaitResult
dgen_wait_for_work(TimestampTz deadline)
{
	/* Not in a transaction, which the wait may be in when PL/pgSQL called it. */
	TimestampTz flush_at = IsTransactionState() ? ALARM_NONE : 0;

	dgen_session_busy(false);
	if (!dgen_slot_take() || dgen_slot->state == SLOT_NONE)
		return poll_for_work(deadline);
	if (dgen_slot->buckets == 0)
		return wait_for_orders(deadline);
	if (!begin_wait())
		return WAIT_READY;

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz until;

		if (dgen_slot->state != SLOT_WAITING)
			return WAIT_READY;
		if (dgen_slot->poked)
			return end_wait(WAIT_POKED);
		if (InterruptPending || (DGEN_IS_BACKGROUND_WORKER && ConfigReloadPending))
			return end_wait(WAIT_INTERRUPTED);
		if (deadline != 0 && now >= deadline)
			return end_wait(WAIT_TIMED_OUT);

		until = tend_watch(now);
		if (dgen_slot->state != SLOT_WAITING)
			return WAIT_READY;
		if (deadline != 0)
			until = Min(until, deadline);
		dgen_sleep(Min(until, flush_statistics(now, &flush_at)));
	}
}
