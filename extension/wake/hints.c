/*
 * Hints: mailboxes that are known to have messages, so that a claim goes straight to
 * them. It costs as much as what it finds, however many mailboxes there are and
 * however many dead rows a snapshot keeps in their index.
 *
 *     send ──commit──> hint ──take──> owned ──end──> drained: forgotten
 *                        ^  ^                  └───> else: a hint again (held_locks.c)
 *     index ──sweep──────┘  └── owned by somebody else
 *
 * A message that can be handled is either in a mailbox with a hint, or in one that a
 * transaction has taken from here and owns, or a sweep has been asked for that will
 * come past it. So nothing is lost when there is no room for a hint: the type is swept
 * then, as it is for what nobody told (H10), which the safety-net look asks for.
 *
 * A sweep walks over the index from where the last one stopped, in slices, each by
 * one session. Whoever claims takes what it found from here, so two sessions do not
 * run into each other's actors. After a slice of nothing but dead rows it rests, so that
 * it takes no processor from those who work; an alarm lets it go on.
 *
 * Affinity: the session that took a mailbox last keeps its actor's state. Others leave it
 * the hint while they find something else and it is at work, so that it will come; but not
 * always, as it may be at work for long.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "dgen_ext.h"
#include "shared/hint_set.h"
#include "shared/shared.h"

#define WINDOW 16 /* slots in which a mailbox can be */
#define CACHED 64 /* places of sets that a session remembers */

/* Of so many times that a session takes hints it once takes them as they come. */
#define FAIR_TAKES 16

/* A sweep of which there was no slice for so long was left in the middle, us. */
#define ABANDONED INT64CONST(10000000)

#define NO_OWNER 0

#define WORDS lengthof(((HintSet *) 0)->used)

/* Without shared memory a session has sets of its own, and sweeps for each claim. */
static HintSet **private_sets = NULL;
static int nprivate = 0;

static struct
{
	int32 type_id;
	int index;
} places[CACHED];

/* Taken in the claim that is under way, and not owned; 0: none. */
static struct
{
	int32 type_id;
	int count;
	int64 mailboxes[HINT_SLOTS];
} hand;

/* ---- slots of one set; its lock is held ---- */

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

/* False if there is no room. The same mailbox is kept once, if possible where it was last time. */
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

static uint16
this_session(void)
{
	return dgen_slot == NULL ? NO_OWNER : (uint16) (DGEN_MY_PROCNO + 1);
}

/* Does the owner claim again soon? Another one may have got its number: then that one is asked. */
static bool
will_come(uint16 owner)
{
	const Slot *slot;

	if (owner == NO_OWNER || owner > dgen_shared->nslots)
		return false;
	slot = slot_at(owner - 1);
	return slot->worker_id != 0 && slot->database == MyDatabaseId && slot->state == SLOT_BUSY &&
		   slot->part <= 0; /* no locked part, which may take long */
}

/* Takes up to max, in the order of the slots, going on where the last one stopped. */
static int
take(HintSet *set, int64 *mailboxes, int max, bool any)
{
	uint16 me = this_session();
	int taken = 0;

	for (int i = 0; i <= WORDS && taken < max && set->count > 0; i++)
	{
		int word = set->cursor / 64;
		uint64 here = set->used[word] & (~UINT64CONST(0) << (set->cursor % 64));

		while (here != 0 && taken < max)
		{
			int bit = pg_rightmost_one_pos64(here);
			int slot = word * 64 + bit;

			here &= here - 1;
			set->cursor = slot + 1;
			if (!any && set->owners[slot] != me && will_come(set->owners[slot]))
				continue;
			mailboxes[taken++] = set->mailboxes[slot];
			set->owners[slot] = me;
			set->used[word] &= ~(UINT64CONST(1) << bit);
			set->count--;
		}
		if (here == 0)
			set->cursor = (word + 1) * 64;
		set->cursor %= HINT_SLOTS;
	}
	return taken;
}

/* ---- finding the set of a type ---- */

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

/* Its lock is held. */
static bool
is_in_sweep(const HintSet *set)
{
	return set->swept_now || (set->sweeping && GetCurrentTimestamp() - set->slice_at < ABANDONED);
}

/*
 * Another type's set, one that is not being swept: a sweep that has to begin anew each time
 * would never come to what is behind many dead rows. That type gets a new one when it is
 * next used.
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

/* The place of the type's set, made if there is none; -1: all are being swept. */
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

/* The type's set, locked; NULL: it has none. */
static HintSet *
lock_shared_set(int32 type_id)
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
	HintSet *set = dgen_shared_attach() ? lock_shared_set(type_id) : NULL;

	return set != NULL ? set : private_set(type_id);
}

/* ---- what others use ---- */

/* A claim begins. */
void
dgen_hints_begin(int32 type_id)
{
	HintSet *set = dgen_hint_set_lock(type_id);

	if (dgen_is_private(set) && set->asked == set->swept)
		set->asked++;
	dgen_hint_set_unlock(set);
}

int
dgen_hints_take(int32 type_id, int max, bool others, int64 **mailboxes)
{
	static int takes = 0;
	HintSet *set = dgen_hint_set_lock(type_id);
	bool any = ++takes % FAIR_TAKES == 0;
	int taken;

	*mailboxes = hand.mailboxes + hand.count;
	max = Min(max, HINT_SLOTS - hand.count);
	taken = take(set, *mailboxes, max, any);
	if (taken == 0 && others)
		taken = take(set, *mailboxes, max, true);
	hand.type_id = type_id;
	hand.count += taken;
	dgen_hint_set_unlock(set);
	return taken;
}

void
dgen_hints_keep(int taken, int kept)
{
	hand.count -= taken - kept;
}

bool
dgen_hints_in_hand(void)
{
	return hand.count > 0;
}

/* Called at the end of transactions, too: never raises. */
void
dgen_hints_put_back(void)
{
	while (hand.count > 0)
		dgen_hints_add(hand.type_id, hand.mailboxes[--hand.count]);
}

/* An alarm that rang for something else has taken that of a resting sweep along: it is set again. */
int
dgen_hints_count(int32 type_id)
{
	HintSet *set = dgen_hint_set_lock(type_id);
	int count = dgen_sweep_is_due(set) ? INT_MAX : set->count;
	TimestampTz rest_until = set->asked != set->swept ? set->rest_until : 0;

	dgen_hint_set_unlock(set);
	if (count != INT_MAX && rest_until != 0)
		dgen_alarm_retry(type_id, rest_until);
	return count;
}

bool
dgen_hints_left(int32 type_id)
{
	return dgen_hints_count(type_id) > 0;
}

/* Called at the end of transactions, too: never raises. A type without a set will be swept. */
void
dgen_hints_add(int32 type_id, int64 mailbox)
{
	HintSet *set = dgen_shared_attach() ? lock_shared_set(type_id) : NULL;

	if (set == NULL)
		return;
	if (!dgen_hint_set_put(set, mailbox))
		set->asked++;
	LWLockRelease(&set->lock);
}

void
dgen_hints_ask(int32 type_id)
{
	HintSet *set = dgen_shared_attach() ? lock_shared_set(type_id) : NULL;

	dgen_locked_ask(type_id);
	if (set == NULL)
		return;
	set->asked++;
	LWLockRelease(&set->lock);
}

void
dgen_hints_ask_all(void)
{
	dgen_locked_ask_all();
	for (int i = 0; i < HINT_SETS; i++)
	{
		HintSet *set = &dgen_shared->hints[i];

		LWLockAcquire(&set->lock, LW_EXCLUSIVE);
		if (set->database == MyDatabaseId)
			set->asked++;
		LWLockRelease(&set->lock);
	}
}

/* ---- shared memory ---- */

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
