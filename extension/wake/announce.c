/*
 * Announces that there is work of a type now. A session that is about to wait checks whether something
 * was announced since its last claim began. If so, it does not wait. A session that waits already is
 * woken (baton.c).
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

#include "shared/database.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/call.h"
#include "wake/locked_look.h"

/* What had been announced when the last claim began, by bucket. */
static uint64 seen[BUCKETS];
static bool seen_valid = false;
static bool has_claimed = false; /* in this transaction */

/* ---- announcing ---- */

static void
announce(int bucket)
{
	pg_atomic_fetch_add_u64(&dgen_database->generation[bucket], 1);
}

void
dgen_wakeup_announce(int32 type_id)
{
	announce(bucket_of(type_id));
}

void
dgen_announce_buckets(uint64 buckets)
{
	for (; buckets != 0; buckets &= buckets - 1)
		announce(pg_rightmost_one_pos64(buckets));
}

void
dgen_announce_all(void)
{
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		announce(bucket);
	dgen_call_all(-1);
}

/* Also called at the end of sessions, so it never raises. */
void
dgen_wakeup_unheld(int32 type_id)
{
	if (dgen_database == NULL)
		return;
	dgen_locked_ask(type_id);
	dgen_wakeup_part(type_id);
}

void
dgen_wakeup_part(int32 type_id)
{
	announce(bucket_of(type_id));
	dgen_call_for_part(type_id);
}

void
dgen_wakeup_now(int32 type_id)
{
	if (!dgen_shared_attach())
		return;
	announce(bucket_of(type_id));
	dgen_call_for(type_id);
}

void
dgen_wakeup_retries(void)
{
	uint64 buckets = dgen_shared_attach() ? pg_atomic_exchange_u64(&dgen_database->retries, 0) : 0;

	for (; buckets != 0; buckets &= buckets - 1)
	{
		int bucket = pg_rightmost_one_pos64(buckets);

		announce(bucket);
		dgen_call_all(bucket);
	}
}

/* ---- claims ---- */

bool
dgen_wakeup_claiming(void)
{
	TimestampTz now;
	bool announced;

	if (!dgen_shared_attach() || dgen_slot == NULL)
		return false;
	announced = dgen_wait_taken() || !seen_valid;
	has_claimed = true;
	for (int bucket = 0; bucket < BUCKETS; bucket++)
	{
		uint64 generation;

		if ((dgen_slot->buckets & (UINT64CONST(1) << bucket)) == 0)
			continue;
		generation = pg_atomic_read_u64(&dgen_database->generation[bucket]);
		announced |= seen[bucket] != generation;
		seen[bucket] = generation;
	}
	seen_valid = true;

	/* A session that announced before this has committed before the claim takes its snapshot. */
	pg_memory_barrier();

	/* The watch begins safety-net checks, but if all sessions are busy there is no watch. */
	now = GetCurrentTimestamp();
	if (dgen_look_overdue(now, BACKUP_TIME))
	{
		dgen_look_begins(now);
		dgen_call_all(-1);
	}
	return announced;
}

void
dgen_generations_forget(void)
{
	seen_valid = false;
}

bool
dgen_generations_changed(void)
{
	if (!seen_valid)
		return true;
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		if ((dgen_slot->buckets & (UINT64CONST(1) << bucket)) &&
			seen[bucket] != pg_atomic_read_u64(&dgen_database->generation[bucket]))
			return true;
	return false;
}

bool
dgen_is_claiming(void)
{
	return has_claimed;
}

/*
 * The claim has taken the session's baton and might have found nothing yet. The work for which the
 * session was woken is still there, so it must claim again before it sleeps.
 */
void
dgen_claim_undone(void)
{
	if (has_claimed)
		dgen_generations_forget();
}

void
dgen_claim_over(void)
{
	has_claimed = false;
}
