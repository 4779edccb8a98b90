/*
 * Hints: mailboxes that are known to have messages, so that a claim goes straight to them. The cost of a
 * claim depends on what it finds, not on the number of mailboxes or of dead rows that a snapshot keeps in
 * their index.
 *
 *     send ──commit──> hint ──take──> owned ──end──> drained: forgotten
 *                        ^  ^                  └───> else: a hint again (held_locks.c)
 *     index ──sweep──────┘  └── owned by another session
 *
 * For each message that can be handled, one of these holds: its mailbox has a hint, a transaction has
 * taken the hint and owns the mailbox, or a requested sweep will find it. So nothing is lost if there is
 * no room for a hint: the type is swept. The safety-net check requests sweeps for messages that were not
 * announced (H10).
 *
 * A sweep scans the index from where the last one stopped, in slices, each by one session. The mailboxes
 * that it finds become hints, and claims take them from here, so two sessions do not compete for actors.
 * After a slice with only dead rows the sweep rests, to leave the processor to sessions that work; an
 * alarm lets it continue.
 *
 * Affinity: the session that took a mailbox last keeps its actor's state. Others leave the hint to it
 * while they find other work and it is busy, so that it will claim again soon. Sometimes they take the
 * hint nevertheless, because it might be busy for long.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

#include "shared/hint_set.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "version/process.h"
#include "wake/alarm.h"
#include "wake/hints.h"
#include "wake/locked_look.h"

#define WORDS lengthof(((HintSet *) 0)->used)

/* Once in so many times a session takes hints without regard to affinity. */
#define FAIR_TAKES 16

/* Hints that the claim in progress has taken for mailboxes that it does not own yet. */
static struct
{
	int32 type_id;
	int count;
	int64 mailboxes[HINT_SLOTS];
} hand;

/* ---- places of one set; the caller holds its lock ---- */

static uint16
this_session(void)
{
	return dgen_slot == NULL ? NO_OWNER : (uint16) (DGEN_MY_PROCNO + 1);
}

/* Will the session with that slot claim again soon? The slot can belong to another session by now. */
static bool
will_come(uint16 owner)
{
	const Slot *slot;

	if (owner == NO_OWNER || owner > dgen_shared->nslots)
		return false;
	slot = slot_at(owner - 1);
	return slot->worker_id != 0 && slot->database == MyDatabaseId && slot->state == SLOT_BUSY &&
		   slot->part <= 0; /* no locked part, which can take long */
}

/* Takes up to max hints in the order of their places, from where the last call stopped. */
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

/* ---- functions for other files ---- */

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

/* Also called at the end of transactions, so it never raises. */
void
dgen_hints_put_back(void)
{
	while (hand.count > 0)
		dgen_hints_add(hand.type_id, hand.mailboxes[--hand.count]);
}

/* An alarm that rang for something else has cleared the one of a resting sweep, so it is set again. */
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

/* Also called at the end of transactions, so it never raises. A type without a set will be swept. */
void
dgen_hints_add(int32 type_id, int64 mailbox)
{
	HintSet *set = dgen_shared_attach() ? dgen_hint_set_lock_shared(type_id) : NULL;

	if (set == NULL)
		return;
	if (!dgen_hint_set_put(set, mailbox))
		set->asked++;
	LWLockRelease(&set->lock);
}

void
dgen_hints_ask(int32 type_id)
{
	HintSet *set = dgen_shared_attach() ? dgen_hint_set_lock_shared(type_id) : NULL;

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
