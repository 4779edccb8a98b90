/*
 * Which session sweeps which part of the mailboxes of a type, and when: in slices, one session at a
 * time. sweep.c scans.
 *
 *     due ──begin──> swept_now ──stop, rest, through: where the next one begins──> due, or swept
 *                        │
 *                        └──error, end of the session──> the same, from where it had come to
 *
 * A session holds no lightweight lock while it scans. The scan reads from disk and can take long,
 * and under such a lock neither the session nor those that wait for it could be canceled. Another
 * session that wants to sweep waits for the end of the slice, because there might be hints then.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "claim/sweep.h"
#include "shared/hint_set.h"
#include "shared/slot.h"
#include "wake/alarm.h"

/* For the slice of another session, us. A slice usually takes some ms. */
#define LONGEST_WAIT INT64CONST(200000)

/* The set that this session sweeps; NULL: none. */
static HintSet *mine = NULL;

/* The part of the ring that comes next. The set's lock is held, or it is private. */
static void
next_slice(HintSet *set, Sweep *sweep)
{
	if (!set->sweeping)
	{
		set->sweeping = true;
		set->wrapped = false;
		set->answers = set->asked;
		set->start = set->position.mailbox;
		set->position = (SweepPlace){.mailbox = set->start};
	}
	set->slice_at = GetCurrentTimestamp();
	sweep->set = set;
	sweep->from = set->position;
	sweep->to = set->wrapped ? set->start - 1 : PG_INT64_MAX;
}

static SweepBegun
begin_private(HintSet *set, Sweep *sweep)
{
	if (set->asked == set->swept)
		return SWEEP_NOT_NEEDED;
	next_slice(set, sweep);
	return SWEEP_BEGUN;
}

static bool
is_over(HintSet *set, uint32 slices)
{
	bool over;

	LWLockAcquire(&set->lock, LW_SHARED);
	over = !set->swept_now || set->slices != slices;
	LWLockRelease(&set->lock);
	return over;
}

/*
 * False if the slice takes long: its session might be stopped, or wait for a lock of a session that
 * waits for this one.
 */
static bool
wait_for_slice(HintSet *set, uint32 slices)
{
	TimestampTz until = GetCurrentTimestamp() + LONGEST_WAIT;
	bool over;

	ConditionVariablePrepareToSleep(&set->slice_over);
	while (!(over = is_over(set, slices)))
	{
		int64 us = until - GetCurrentTimestamp();

		if (us <= 0)
			break;
		(void) ConditionVariableTimedSleep(
			&set->slice_over, (long) (Min(us, LONGEST_WAIT) / 1000 + 1), dgen_wait_event());
	}
	(void) ConditionVariableCancelSleep();
	return over;
}

SweepBegun
dgen_sweep_begin(int32 type_id, Sweep *sweep)
{
	HintSet *set = dgen_hint_set_lock(type_id);
	SweepBegun begun = SWEEP_NOT_NEEDED;
	uint32 slices;

	if (dgen_is_private(set))
		return begin_private(set, sweep);
	slices = set->slices;
	if (dgen_sweep_is_due(set))
		begun = set->swept_now ? SWEEP_BY_ANOTHER : SWEEP_BEGUN;
	if (begun == SWEEP_BEGUN)
	{
		set->swept_now = true;
		mine = set;
		next_slice(set, sweep);
	}
	LWLockRelease(&set->lock);
	if (begun == SWEEP_BY_ANOTHER && !wait_for_slice(set, slices))
		return SWEEP_NOT_NEEDED;
	return begun;
}

bool
dgen_sweep_add(Sweep *sweep, int64 mailbox)
{
	HintSet *set = sweep->set;
	bool added;

	if (dgen_is_private(set))
		return dgen_hint_set_put(set, mailbox);
	LWLockAcquire(&set->lock, LW_EXCLUSIVE);
	added = dgen_hint_set_put(set, mailbox);
	LWLockRelease(&set->lock);
	return added;
}

static void
lock_swept(HintSet *set)
{
	if (!dgen_is_private(set))
		LWLockAcquire(&set->lock, LW_EXCLUSIVE);
}

static void
end_slice(HintSet *set)
{
	if (dgen_is_private(set))
		return;
	set->swept_now = false;
	set->slices++;
	mine = NULL;
	LWLockRelease(&set->lock);
	ConditionVariableBroadcast(&set->slice_over);
}

void
dgen_sweep_stop(Sweep *sweep, const SweepPlace *next)
{
	lock_swept(sweep->set);
	sweep->set->position = *next;
	end_slice(sweep->set);
}

void
dgen_sweep_rest(Sweep *sweep, const SweepPlace *next, int64 us)
{
	HintSet *set = sweep->set;
	TimestampTz until = GetCurrentTimestamp() + Min(us, SWEEP_LONGEST_REST);
	int32 type_id = set->type_id;

	lock_swept(set);
	if (!dgen_is_private(set))
		set->rest_until = until;
	set->position = *next;
	end_slice(set);
	if (!dgen_is_private(set))
		dgen_alarm_retry(type_id, until);
}

/*
 * At the end of the ring it continues at its beginning, unless it has been past all that there was
 * when it began.
 */
void
dgen_sweep_through(Sweep *sweep)
{
	HintSet *set = sweep->set;

	lock_swept(set);
	if (set->wrapped || set->start == PG_INT64_MIN)
	{
		set->sweeping = false;
		set->position = (SweepPlace){.mailbox = set->start};
		set->swept = set->answers;
		set->rest_until = 0;
	}
	else
	{
		set->wrapped = true;
		set->position = (SweepPlace){.mailbox = PG_INT64_MIN};
	}
	end_slice(set);
}

/* In the middle of a slice, which another session begins again. */
void
dgen_sweep_leave(void)
{
	if (mine == NULL)
		return;
	lock_swept(mine);
	end_slice(mine);
}
