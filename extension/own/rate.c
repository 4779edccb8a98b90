/*
 * Limits the turns per second of all workers together (max_rate) with a token bucket per type in shared
 * memory.
 *
 *     time ──max_rate──> turns, at most those of a tenth of a second, at least one
 *                          │
 *     claim ──take─────────┤      for the messages that it can read
 *       └───give back──────┘      for those that it did not read, or whose turn was not run,
 *                                 as far as the bucket could have held them
 *
 * A claim takes turns before hints, like slots (slots.c). If it finds none, it notes in the bucket when
 * there will be one again, and the watch wakes a worker then (sleep/wait.c). So no session polls, and the
 * limit costs a short lock per claim, not per message.
 *
 * A full bucket holds no information, so another type can have its place. A type for which there is no
 * place, or a session without shared memory, has a private bucket in each session, with its share of the
 * rate.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "own/rate.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "wake/announce.h"
#include "wake/call.h"

#define WINDOW 16 /* places in which a type's bucket can be */
#define TAKEN 64  /* types for which a session knows when it took turns */

#define BURST 0.1       /* s whose unused turns are kept */
#define CHUNK 0.01      /* s whose turns a sleeper waits for, so that high rates wake seldom */
#define LONGEST 86400.0 /* s until a session checks at the latest */

PG_FUNCTION_INFO_V1(dgen_rate_is_spent);

/* ---- one bucket ---- */

static double
burst(double per_second)
{
	return Max(1.0, per_second * BURST);
}

/* A clock that was set back adds no turns, and one that was set forward at most a burst. */
static void
fill(Rate *rate, double per_second, TimestampTz now)
{
	double elapsed = Max(now - rate->filled_at, 0) / 1e6;

	rate->turns = Min(rate->turns + elapsed * per_second, burst(per_second));
	rate->filled_at = now;
	rate->per_second = per_second;
}

static TimestampTz
next_turn(const Rate *rate)
{
	double enough = Max(1.0, rate->per_second * CHUNK);
	double seconds = Min((enough - rate->turns) / rate->per_second, LONGEST);

	return rate->filled_at + (TimestampTz) ceil(seconds * 1e6);
}

static void
start(Rate *rate, Oid database, int32 type_id, double per_second, TimestampTz now)
{
	rate->database = database;
	rate->type_id = type_id;
	rate->per_second = per_second;
	rate->turns = burst(per_second);
	rate->returned = 0;
	rate->filled_at = now;
	rate->wake_at = ALARM_NONE;
}

/* ---- finding the bucket of a type ---- */

static Rate *private_rates = NULL; /* of this session */
static int nprivate = 0;

static bool
is_vacant(const Rate *rate, TimestampTz now)
{
	Rate filled = *rate;

	if (!OidIsValid(rate->database))
		return true;
	fill(&filled, rate->per_second, now);
	return rate->wake_at == ALARM_NONE && filled.turns >= burst(rate->per_second);
}

/* The caller holds rates_lock. NULL: the type has no bucket, and there is no place for one. */
static Rate *
find_shared(int32 type_id, double per_second, TimestampTz now)
{
	uint64 hash =
		(((uint64) MyDatabaseId << 32) | (uint32) type_id) * UINT64CONST(0x9e3779b97f4a7c15);
	Rate *vacant = NULL;

	for (int i = 0; i < WINDOW; i++)
	{
		Rate *rate = &dgen_shared->rates[((hash >> 32) + i) % RATES];

		if (rate->database == MyDatabaseId && rate->type_id == type_id)
			return rate;
		if (vacant == NULL && is_vacant(rate, now))
			vacant = rate;
	}
	if (vacant != NULL)
		start(vacant, MyDatabaseId, type_id, per_second, now);
	return vacant;
}

static Rate *
find_private(int32 type_id, double per_second, TimestampTz now)
{
	for (int i = 0; i < nprivate; i++)
		if (private_rates[i].type_id == type_id)
			return &private_rates[i];
	if (private_rates == NULL)
		private_rates = MemoryContextAlloc(TopMemoryContext, sizeof(Rate));
	else
		private_rates = repalloc(private_rates, (nprivate + 1) * sizeof(Rate));
	start(&private_rates[nprivate], InvalidOid, type_id, per_second, now);
	return &private_rates[nprivate++];
}

void
dgen_rates_forget_private(void)
{
	nprivate = 0;
}

static bool
is_private(const Rate *rate)
{
	return rate->database == InvalidOid;
}

/*
 * Returns the type's bucket, filled up to now, and locked. Reads the clock under the lock. If a session
 * read it before it waited for the lock, it would set filled_at back, and the next session would add
 * turns for the same time again.
 */
static Rate *
lock_rate(const ActorType *type)
{
	double per_second = type->max_rate;
	TimestampTz now;
	Rate *rate = NULL;

	if (dgen_shared_attach())
	{
		LWLockAcquire(&dgen_shared->rates_lock, LW_EXCLUSIVE);
		now = GetCurrentTimestamp();
		rate = find_shared(type->id, per_second, now);
		if (rate == NULL)
			LWLockRelease(&dgen_shared->rates_lock);
	}
	if (rate == NULL)
	{
		now = GetCurrentTimestamp();
		per_second /= Max(dgen_live_workers(), 1);
		rate = find_private(type->id, per_second, now);
	}
	fill(rate, per_second, now);
	return rate;
}

static void
unlock(const Rate *rate)
{
	if (!is_private(rate))
		LWLockRelease(&dgen_shared->rates_lock);
}

/* The watch wakes a worker when there are turns again; for a private bucket, workers of all types. */
static void
unlock_and_wait(Rate *rate)
{
	TimestampTz when = next_turn(rate);
	pg_atomic_uint64 *due;

	if (dgen_database == NULL)
		return; /* without shared memory sessions poll */
	if (is_private(rate))
		LWLockAcquire(&dgen_shared->rates_lock, LW_EXCLUSIVE);
	due = is_private(rate) ? &dgen_database->private_rate_due : &dgen_database->rate_due;
	rate->wake_at = Min(rate->wake_at, when);
	if (when < (TimestampTz) pg_atomic_read_u64(due))
		pg_atomic_write_u64(due, (uint64) when);
	LWLockRelease(&dgen_shared->rates_lock);
	dgen_alert_watch(when);
}

/* ---- claims ---- */

/* When this session last took turns of a type, and the bucket at that time. */
typedef struct Taken
{
	int32 type_id; /* 0: free */
	bool open;     /* dgen_turns_settled was not called yet */
	TimestampTz at;
	double level; /* turns after that */
	double returned;
} Taken;

static Taken taken_last[TAKEN];

static Taken *
place_of(int32 type_id)
{
	return &taken_last[(uint32) type_id % TAKEN];
}

void
dgen_turns_settled(int32 type_id)
{
	place_of(type_id)->open = false;
}

static void
note_taken(const Rate *rate, int32 type_id)
{
	Taken *taken = place_of(type_id);

	if (taken->open && taken->type_id == type_id)
		return; /* in the same claim: the earlier time is safe */
	*taken = (Taken){type_id, true, rate->filled_at, rate->turns, rate->returned};
}

/*
 * While the session had the turns, the bucket has filled up without them. Of the returned turns, those
 * that the bucket could not have held are lost. Otherwise twice a burst would be available at once.
 */
static double
refund(const Rate *rate, int32 type_id, double count)
{
	const Taken *taken = place_of(type_id);
	double filled;
	double highest;

	if (taken->type_id != type_id || rate->returned < taken->returned)
		return 0;
	filled = Max(rate->filled_at - taken->at, 0) / 1e6 * rate->per_second;
	highest = taken->level + filled + rate->returned - taken->returned + count;
	return Max(count - Min(filled, Max(highest - burst(rate->per_second), 0)), 0);
}

int
dgen_take_turns(const ActorType *type, int most)
{
	Rate *rate = lock_rate(type);
	int taken = (int) Min(floor(rate->turns), (double) most);

	rate->turns -= taken;
	if (taken > 0)
		note_taken(rate, type->id);
	if (taken == 0)
		unlock_and_wait(rate);
	else
		unlock(rate);
	return taken;
}

void
dgen_give_back_turns(const ActorType *type, int count)
{
	Rate *rate;
	double back;
	bool awaited;

	if (count == 0 || type->max_rate <= 0)
		return;
	rate = lock_rate(type);
	back = refund(rate, type->id, count);
	rate->turns = Min(rate->turns + back, burst(rate->per_second));
	rate->returned += back;
	awaited = rate->wake_at != ALARM_NONE && rate->turns >= 1;
	if (awaited)
		rate->wake_at = ALARM_NONE;
	unlock(rate);
	if (awaited)
		dgen_wakeup_now(type->id);
}

/* For a claim with more messages than turns: are there turns now? */
bool
dgen_has_turns(const ActorType *type)
{
	Rate *rate = lock_rate(type);
	bool has = rate->turns >= 1;

	if (has)
		unlock(rate);
	else
		unlock_and_wait(rate);
	return has;
}

/* ---- the watch; the lock of the database is held ---- */

TimestampTz
dgen_rate_due(void)
{
	return (TimestampTz) Min((int64) pg_atomic_read_u64(&dgen_database->rate_due),
							 (int64) pg_atomic_read_u64(&dgen_database->private_rate_due));
}

/* rate_due changes only under rates_lock, so that no time is lost. */
int
dgen_rates_ring(TimestampTz now, int32 *types, int most, TimestampTz *next)
{
	int count = 0;

	*next = ALARM_NONE;
	LWLockAcquire(&dgen_shared->rates_lock, LW_EXCLUSIVE);
	for (int i = 0; i < RATES; i++)
	{
		Rate *rate = &dgen_shared->rates[i];

		if (rate->database != MyDatabaseId)
			continue;
		if (rate->wake_at <= now && count < most)
		{
			rate->wake_at = ALARM_NONE;
			types[count++] = rate->type_id;
		}
		*next = Min(*next, rate->wake_at);
	}
	pg_atomic_write_u64(&dgen_database->rate_due, (uint64) *next);
	LWLockRelease(&dgen_shared->rates_lock);
	return count;
}

bool
dgen_private_rates_ring(TimestampTz now)
{
	bool rings;

	LWLockAcquire(&dgen_shared->rates_lock, LW_EXCLUSIVE);
	rings = (TimestampTz) pg_atomic_read_u64(&dgen_database->private_rate_due) <= now;
	if (rings)
		pg_atomic_write_u64(&dgen_database->private_rate_due, (uint64) ALARM_NONE);
	LWLockRelease(&dgen_shared->rates_lock);
	return rings;
}

/* ---- for dgen.explain_actor ---- */

Datum
dgen_rate_is_spent(PG_FUNCTION_ARGS)
{
	const ActorType *type = dgen_type_by_id(PG_GETARG_INT32(0), true);
	Rate *rate;
	bool spent;

	if (type == NULL || type->max_rate <= 0)
		PG_RETURN_BOOL(false);
	rate = lock_rate(type);
	spent = rate->turns < 1;
	unlock(rate);
	PG_RETURN_BOOL(spent);
}
