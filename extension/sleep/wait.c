/*
 * How a worker's session waits: it registers, sleeps and wakes, and does the duties of the watch if it is
 * the watch. wake/baton.c decides which session is woken for what.
 *
 * A session that is woken gets a baton, which counts as taken when the session claims. One of the
 * sleepers is the watch. It sleeps only until the next event that no commit announces: a baton that is
 * late and must pass to another session, the alarm, the safety-net check. All others sleep long. If the
 * watch is overdue, because its process is stopped, another one takes over.
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
#include "utils/timestamp.h"

#include "own/rate.h"
#include "shared/database.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "sleep/procedure.h"
#include "sleep/wait.h"
#include "version/process.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/baton.h"
#include "wake/call.h"

#define WATCH_GRACE INT64CONST(1000000) /* us after which the watch is overdue */
#define POLL_MIN 10                     /* ms between checks without shared memory */
#define POLL_MAX 1000

static int poll_interval = POLL_MIN;

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
 * A worker that ends while it is busy might leave behind work that it has claimed, or was about to claim.
 * So another session must be woken.
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
		dgen_stop_waiting(DGEN_MY_PROCNO, now, &calls);
	else if (state == SLOT_CALLED)
		dgen_drop_baton(DGEN_MY_PROCNO);
	dgen_slot->state = SLOT_NONE;

	if (state == SLOT_CALLED && dgen_slot->called_for != ANY_TYPE)
		dgen_call_one(dgen_slot->called_for, dgen_slot->called_lane, now, &calls);

	/* Sessions that are about to wait also check again: this one might have left work to its next claim. */
	if (state == SLOT_CALLED || state == SLOT_BUSY)
	{
		dgen_announce_buckets(dgen_slot->buckets);
		dgen_call_in_place_of(dgen_slot, now, &calls);
	}
	dgen_unlock_and_call(&calls);
}

/* Registers as waiting. False: work was announced since the last claim began. */
static bool
begin_wait(void)
{
	Calls calls = {0};
	bool waits;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	waits = dgen_slot->state == SLOT_BUSY;
	if (waits)
		dgen_start_waiting(DGEN_MY_PROCNO, GetCurrentTimestamp());
	LWLockRelease(&dgen_database->lock);
	if (!waits)
		return false;

	/* A later announcement finds this session in the list; an earlier one has changed a generation. */
	pg_memory_barrier();
	if (!dgen_generations_changed())
		return true;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state == SLOT_WAITING)
		dgen_stop_waiting(DGEN_MY_PROCNO, GetCurrentTimestamp(), &calls);
	dgen_unlock_and_call(&calls);
	return false;
}

/*
 * Stops waiting. If a baton came at the last moment, this session keeps it if it will claim soon;
 * otherwise the next one gets it.
 */
static WaitResult
end_wait(WaitResult result)
{
	Calls calls = {0};
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	if (dgen_slot->state == SLOT_WAITING)
		dgen_stop_waiting(DGEN_MY_PROCNO, now, &calls);
	else if (dgen_slot->state == SLOT_CALLED && result == WAIT_TIMED_OUT)
		result = WAIT_READY;
	else if (dgen_slot->state == SLOT_CALLED && result == WAIT_INTERRUPTED)
	{
		dgen_drop_baton(DGEN_MY_PROCNO);
		dgen_call_one(dgen_slot->called_for, dgen_slot->called_lane, now, &calls);
		dgen_call_in_place_of(dgen_slot, now, &calls);
	}
	dgen_unlock_and_call(&calls);
	return result;
}

/* Calls one worker for each type that has turns again. Returns when the next type has. */
static TimestampTz
call_for_rates(TimestampTz now, Calls *calls)
{
	int32 types[64];
	TimestampTz next;
	int count = dgen_rates_ring(now, types, lengthof(types), &next);

	for (int i = 0; i < count; i++)
	{
		dgen_wakeup_announce(types[i]);
		dgen_call_one(types[i], LANE_ANY, now, calls);
	}
	if (dgen_private_rates_ring(now))
	{
		for (int bucket = 0; bucket < BUCKETS; bucket++)
			dgen_wakeup_announce(bucket);
		dgen_call_everybody(-1, now, calls);
	}
	return Min(next, dgen_rate_due());
}

/* Does the watch's duties. Returns until when it can sleep. The watch itself might get a baton here. */
static TimestampTz
watch(TimestampTz now, Calls *calls)
{
	TimestampTz until = dgen_pass_late_batons(now, calls);
	TimestampTz due = dgen_next_due();
	TimestampTz rate_due = dgen_rate_due();

	if (rate_due <= now)
		until = Min(until, call_for_rates(now, calls));
	else
		until = Min(until, rate_due);
	if (dgen_look_overdue(now, 0))
	{
		dgen_look_begins(now);
		dgen_call_everybody(-1, now, calls);
	}
	else if (due <= now)
	{
		/* Any worker can handle an alarm, also the watch itself. */
		dgen_call_one(ANY_TYPE, LANE_ANY, now, calls);
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
			/* Another session might have become the watch just now. */
			if (database->watch == DGEN_MY_PROCNO)
				database->watch_until = until;
		}
	}
	dgen_unlock_and_call(&calls);
	return until;
}

/* Without shared memory: checks periodically, and less often while it finds nothing. */
static WaitResult
poll_for_work(TimestampTz deadline)
{
	static bool told = false;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = now + poll_interval * INT64CONST(1000);
	bool timed_out = deadline != 0 && deadline < until;

	if (!told)
		ereport(NOTICE, (errmsg("no shared memory for wakeups; dgen polls for messages instead"),
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

/* The server can hold back statistics of the session's last work for a second; sends them during the wait. */
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

/* A worker without types is not woken for work. */
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
	/* Statistics are not sent inside a transaction, which the wait has if PL/pgSQL called it. */
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

void
dgen_session_busy(bool busy)
{
	if (busy)
		dgen_wait_found_work();
	if (dgen_slot == NULL || dgen_slot->busy == busy)
		return;
	dgen_slot->since = GetCurrentTimestamp();
	dgen_slot->busy = busy;
}

void
dgen_session_count_turns(int turns)
{
	if (turns > 0)
		dgen_wait_found_work();
	if (dgen_slot != NULL)
		dgen_slot->turns += turns;
}
