/*
 * The hints of one type: finds or creates its set, and stores hints in it. A caller that gets a set from
 * here holds its lock.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/hint_set.h"
#include "shared/layout.h"
#include "shared/shared.h"

#define WINDOW 16 /* places in which a mailbox can be */
#define CACHED 64 /* types whose set a session remembers */

/* A sweep without a slice for so long was abandoned, us. */
#define ABANDONED INT64CONST(10000000)

/* Without shared memory a session has private sets, and sweeps for each claim. */
static HintSet **private_sets = NULL;
static int nprivate = 0;

static struct
{
	int32 type_id;
	int index;
} places[CACHED];

static void
clear(HintSet *set, Oid database, int32 type_id)
{
	set->database = database;
	set->type_id = type_id;
	set->asked = 1;
	set->swept = 0;
	set->rest_until = 0;
	set->count = 0;
	set->cursor = 0;
	memset(set->used, 0, sizeof(set->used));
	memset(set->owners, NO_OWNER, sizeof(set->owners));
	set->sweeping = false;
	set->slice_at = 0;
	set->position = (SweepPlace){.mailbox = PG_INT64_MIN};
}

bool
dgen_hint_set_put(HintSet *set, int64 mailbox)
{
	int room = -1;

	for (int i = 0; i < WINDOW; i++)
	{
		int slot = (int) (((uint64) mailbox + i) % HINT_SLOTS);

		if ((set->used[slot / 64] & (UINT64CONST(1) << (slot % 64))) == 0)
			room = room < 0 || set->mailboxes[slot] == mailbox ? slot : room;
		else if (set->mailboxes[slot] == mailbox)
			return true;
	}
	if (room < 0)
		return false;
	if (set->mailboxes[room] != mailbox)
		set->owners[room] = NO_OWNER;
	set->used[room / 64] |= UINT64CONST(1) << (room % 64);
	set->mailboxes[room] = mailbox;
	set->count++;
	return true;
}

static HintSet *
private_set(int32 type_id)
{
	MemoryContext old;
	HintSet *set;

	for (int i = 0; i < nprivate; i++)
		if (private_sets[i]->type_id == type_id)
			return private_sets[i];
	old = MemoryContextSwitchTo(TopMemoryContext);
	set = palloc0(sizeof(HintSet));
	clear(set, InvalidOid, type_id);
	if (private_sets == NULL)
		private_sets = palloc(sizeof(HintSet *));
	else
		private_sets = repalloc(private_sets, (nprivate + 1) * sizeof(HintSet *));
	private_sets[nprivate++] = set;
	MemoryContextSwitchTo(old);
	return set;
}

void
dgen_hints_forget_private(void)
{
	for (int i = 0; i < nprivate; i++)
		clear(private_sets[i], InvalidOid, private_sets[i]->type_id);
}

/* The caller holds the set's lock. */
static bool
is_in_sweep(const HintSet *set)
{
	return set->swept_now || (set->sweeping && GetCurrentTimestamp() - set->slice_at < ABANDONED);
}

/*
 * Locks the set of another type that has no sweep in progress: a sweep that must always begin again would
 * never get past many dead rows. The other type gets a new set when it is used next.
 */
static HintSet *
lock_victim(void)
{
	for (int i = 0; i < HINT_SETS; i++)
	{
		HintSet *set = &dgen_shared->hints[dgen_shared->next_victim];

		dgen_shared->next_victim = (dgen_shared->next_victim + 1) % HINT_SETS;
		LWLockAcquire(&set->lock, LW_EXCLUSIVE);
		if (!is_in_sweep(set))
			return set;
		LWLockRelease(&set->lock);
	}
	return NULL;
}

/* Returns the place of the type's set, which it creates if necessary; -1: all sets have sweeps in progress. */
static int
assign(int32 type_id)
{
	HintSet *set = NULL;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < HINT_SETS; i++)
	{
		HintSet *other = &dgen_shared->hints[i];

		if (other->database == MyDatabaseId && other->type_id == type_id)
		{
			LWLockRelease(&dgen_shared->lock);
			return i;
		}
		if (other->database == InvalidOid && set == NULL)
			set = other;
	}
	if (set != NULL)
		LWLockAcquire(&set->lock, LW_EXCLUSIVE);
	else
		set = lock_victim();
	if (set != NULL)
	{
		clear(set, MyDatabaseId, type_id);
		LWLockRelease(&set->lock);
	}
	LWLockRelease(&dgen_shared->lock);
	return set == NULL ? -1 : (int) (set - dgen_shared->hints);
}

static bool
belongs(const HintSet *set, int32 type_id)
{
	return set->database == MyDatabaseId && set->type_id == type_id;
}

HintSet *
dgen_hint_set_lock_shared(int32 type_id)
{
	int place = (uint32) type_id % CACHED;

	for (int tries = 0; tries < 3; tries++)
	{
		if (places[place].type_id != type_id)
		{
			places[place].index = assign(type_id);
			places[place].type_id = places[place].index < 0 ? 0 : type_id;
		}
		if (places[place].index >= 0)
		{
			HintSet *set = &dgen_shared->hints[places[place].index];

			LWLockAcquire(&set->lock, LW_EXCLUSIVE);
			if (belongs(set, type_id))
				return set;
			LWLockRelease(&set->lock);
		}
		places[place].type_id = 0;
	}
	return NULL;
}

HintSet *
dgen_hint_set_lock(int32 type_id)
{
	HintSet *set = dgen_shared_attach() ? dgen_hint_set_lock_shared(type_id) : NULL;

	return set != NULL ? set : private_set(type_id);
}

void
dgen_hints_init(HintSet *set, int tranche)
{
	LWLockInitialize(&set->lock, tranche);
	ConditionVariableInit(&set->slice_over);
	clear(set, InvalidOid, 0);
}

void
dgen_hints_free_database(Oid oid)
{
	for (int i = 0; i < HINT_SETS; i++)
	{
		HintSet *set = &dgen_shared->hints[i];

		LWLockAcquire(&set->lock, LW_EXCLUSIVE);
		if (set->database == oid)
			clear(set, InvalidOid, 0);
		LWLockRelease(&set->lock);
	}
}

bool
dgen_sweep_is_due(const HintSet *set)
{
	TimestampTz rest;

	if (set->asked == set->swept || set->rest_until == 0)
		return set->asked != set->swept;
	rest = set->rest_until - GetCurrentTimestamp();
	return rest <= 0 || rest > SWEEP_LONGEST_REST;
}
