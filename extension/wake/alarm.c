/*
 * Alarms: when something in this database is due that no commit will announce, and when to check for work
 * that was not announced at all. And charges: turns that ended with their session.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "actor/worker_session.h"
#include "base/base.h"
#include "shared/charge.h"
#include "shared/database.h"
#include "shared/shared.h"
#include "wake/alarm.h"
#include "wake/call.h"
#include "wake/hints.h"
#include "wake/wake.h"

/* ---- the next thing that is due ---- */

TimestampTz
dgen_next_due(void)
{
	return (TimestampTz) pg_atomic_read_u64(&dgen_database->next_due);
}

bool
dgen_alarm_due(TimestampTz now)
{
	return !dgen_shared_attach() || now >= dgen_next_due();
}

/* The alarm rings at `when`, at the latest. */
void
dgen_alarm_merge(TimestampTz when)
{
	uint64 current = pg_atomic_read_u64(&dgen_database->next_due);

	while (when < (TimestampTz) current)
		if (pg_atomic_compare_exchange_u64(&dgen_database->next_due, &current, (uint64) when))
		{
			dgen_alert_watch(when);
			return;
		}
}

void
dgen_alarm_retry(int32 type_id, TimestampTz when)
{
	pg_atomic_fetch_or_u64(&dgen_database->retries, UINT64CONST(1) << bucket_of(type_id));
	dgen_alarm_merge(when);
}

/* ---- sessions that check only their own types ---- */

void
dgen_tell_dues(uint64 buckets)
{
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		if (buckets & (UINT64CONST(1) << bucket))
			pg_atomic_fetch_add_u32(&dgen_database->dues[bucket], 1);
}

uint64
dgen_dues_told(const WorkerSession *session)
{
	uint64 told;
	bool all = session->ntypes > BUCKETS;

	if (!dgen_shared_attach())
		return 0;
	told = pg_atomic_read_u32(&dgen_database->looks);
	for (int i = 0; i < (all ? BUCKETS : session->ntypes); i++)
		told += pg_atomic_read_u32(
			&dgen_database->dues[all ? i : bucket_of(session->types[i].type_id)]);
	/* A session that announced before this has committed before the check takes its snapshot. */
	pg_memory_barrier();
	return told;
}

void
dgen_due_later(DueLook *look, int32 type_id, TimestampTz when)
{
	look->next = Min(look->next, when);
	if (look->session == NULL)
		dgen_wakeup_due(type_id, when);
}

/* ---- the safety net ---- */

bool
dgen_look_overdue(TimestampTz now, int64 grace)
{
	TimestampTz last = (TimestampTz) pg_atomic_read_u64(&dgen_database->last_look);

	/* If the last check is in the future, the clock was set back. */
	return now < last || now >= last + dgen_safety_net_interval * INT64CONST(1000000) + grace;
}

/* At most one interval from now, even if the clock was set back. */
TimestampTz
dgen_next_look(TimestampTz now)
{
	TimestampTz last = (TimestampTz) pg_atomic_read_u64(&dgen_database->last_look);

	return Min(now, last) + dgen_safety_net_interval * INT64CONST(1000000);
}

/* The alarm rings, too: a prepared transaction might have sent with a delay (H10). */
void
dgen_look_begins(TimestampTz now)
{
	pg_atomic_write_u64(&dgen_database->last_look, (uint64) now);
	pg_atomic_write_u64(&dgen_database->next_due, (uint64) ALARM_UNKNOWN);
	pg_atomic_fetch_add_u32(&dgen_database->looks, 1);
	dgen_hints_ask_all();
}

/* ---- charges ---- */

/*
 * A signal handler writes charges, perhaps while the same process is in this code. So there are no locks:
 * a process gets a place at once, or the place is in use.
 */
void
dgen_charge(const Charge *charge)
{
	Database *database = dgen_database;

	if (database == NULL)
		return;
	for (int i = 0; i < MAX_CHARGES; i++)
	{
		ChargeEntry *entry = &database->charges[i];
		uint32 expected = CHARGE_FREE;

		if (!pg_atomic_compare_exchange_u32(&entry->state, &expected, CHARGE_WRITING))
			continue;
		entry->charge = *charge;
		pg_write_barrier();
		pg_atomic_write_u32(&entry->state, CHARGE_READY);
		pg_atomic_fetch_add_u32(&database->ncharges, 1);
		return;
	}
}

bool
dgen_has_charges(void)
{
	return dgen_database != NULL && pg_atomic_read_u32(&dgen_database->ncharges) > 0;
}

int
dgen_take_charges(const WorkerSession *session, Charge *charges, int max)
{
	Database *database = dgen_database;
	int count = 0;

	if (!dgen_has_charges())
		return 0;
	for (int i = 0; i < MAX_CHARGES && count < max; i++)
	{
		ChargeEntry *entry = &database->charges[i];
		uint32 expected = CHARGE_READY;

		/* Checks the type first, so that other sessions find charges that are not for this one. */
		if (pg_atomic_read_u32(&entry->state) != CHARGE_READY ||
			!dgen_session_has(session, entry->charge.type_id))
			continue;
		if (!pg_atomic_compare_exchange_u32(&entry->state, &expected, CHARGE_READING))
			continue;
		if (!dgen_session_has(session, entry->charge.type_id))
		{
			pg_atomic_write_u32(&entry->state, CHARGE_READY);
			continue;
		}
		charges[count++] = entry->charge;
		pg_atomic_fetch_sub_u32(&database->ncharges, 1);
		pg_memory_barrier();
		pg_atomic_write_u32(&entry->state, CHARGE_FREE);
	}
	return count;
}
