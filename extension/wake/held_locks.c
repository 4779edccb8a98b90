/*
 * The locks that this transaction holds, of actors and of slots. Others may have tried them in
 * vain, and have left a mark in shared memory: they are called when the locks are free (H9).
 * What a claim has left in its mailboxes then is work again, for any session.
 */
#include "postgres.h"

#include "access/xact.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "shared/database.h"
#include "shared/shared.h"
#include "wake/announce.h"
#include "wake/call.h"
#include "wake/held_locks.h"
#include "wake/hints.h"
#include "wake/wake.h"

#define FIRST_OWNED 64

typedef struct HeldLock
{
	int32 type_id;
	int64 mailbox;
	uint64 miss; /* what others note that try it in vain: its key, or DGEN_ANY_SLOT */
	SubTransactionId subid;
	bool claimed;             /* for its messages */
	bool slot;                /* of the type, and not an actor's; its number is the mailbox */
	bool freed;               /* before the transaction's end */
	SubTransactionId drained; /* in which it was found that none are left; Invalid: some may be */
	bool handled_within;      /* those that were found were handled in that subtransaction, later */
} HeldLock;

static HeldLock *owned = NULL; /* in TopMemoryContext */
static int nowned = 0;
static int owned_size = 0;
static bool owned_any = false; /* there was no memory to note a lock */

/* ---- what is held ---- */

/* Room for one more; false if there is no memory. */
static bool
grow_owned(void)
{
	int size = owned_size == 0 ? FIRST_OWNED : owned_size * 2;
	HeldLock *larger;

	if (nowned < owned_size)
		return true;
	larger =
		MemoryContextAllocExtended(TopMemoryContext, size * sizeof(HeldLock), MCXT_ALLOC_NO_OOM);
	if (larger == NULL)
		return false;
	if (owned != NULL)
	{
		memcpy(larger, owned, nowned * sizeof(HeldLock));
		pfree(owned);
	}
	owned = larger;
	owned_size = size;
	return true;
}

static int
note_lock(int32 type_id, int64 mailbox, uint64 miss, bool slot)
{
	if (!dgen_shared_attach())
		return HELD_UNNOTED;
	if (!grow_owned())
	{
		owned_any = true;
		return HELD_UNNOTED;
	}
	owned[nowned] = (HeldLock){
		.type_id = type_id,
		.mailbox = mailbox,
		.miss = miss,
		.subid = GetCurrentSubTransactionId(),
		.slot = slot,
	};
	return nowned++;
}

int
dgen_wakeup_owned(int32 type_id, int64 mailbox, uint64 lock)
{
	return note_lock(type_id, mailbox, lock, false);
}

void
dgen_wakeup_took_slot(int32 type_id, int slot)
{
	(void) note_lock(type_id, slot, DGEN_ANY_SLOT, true);
}

void
dgen_wakeup_claimed(int held)
{
	if (held >= 0)
		owned[held].claimed = true;
}

void
dgen_wakeup_drained(int held)
{
	if (held >= 0)
		owned[held].drained = GetCurrentSubTransactionId();
}

void
dgen_wakeup_undrained(int held)
{
	if (held >= 0)
		owned[held].drained = InvalidSubTransactionId;
}

/*
 * If that is undone, by ROLLBACK TO a savepoint that is younger than the claim, the messages are
 * back, and the lock stays.
 */
void
dgen_wakeup_handled(int held)
{
	SubTransactionId here = GetCurrentSubTransactionId();

	if (held < 0 || owned[held].drained == InvalidSubTransactionId || owned[held].drained == here)
		return;
	owned[held].drained = here;
	owned[held].handled_within = true;
}

/* The number of a slot that this transaction has noted; -1: there is none. */
int
dgen_wakeup_slot(int32 type_id)
{
	for (int i = nowned - 1; i >= 0; i--)
		if (owned[i].slot && !owned[i].freed && owned[i].type_id == type_id)
			return (int) owned[i].mailbox;
	return -1;
}

/* ---- locks that others tried in vain ---- */

static uint32
miss_bit(int32 type_id, uint64 lock)
{
	return bucket_of(type_id) * MISS_BITS + (uint32) ((lock ^ (lock >> 32)) % MISS_BITS);
}

void
dgen_wakeup_missed(int32 type_id, uint64 lock)
{
	uint32 bit = miss_bit(type_id, lock);

	/* A full barrier: the mark is there before the lock is tried again. */
	if (dgen_shared_attach())
		pg_atomic_fetch_or_u32(&dgen_database->missed[bit / 32], ((uint32) 1) << (bit % 32));
}

static bool
take_miss(int32 type_id, uint64 lock)
{
	uint32 bit = miss_bit(type_id, lock);
	uint32 mask = ((uint32) 1) << (bit % 32);
	pg_atomic_uint32 *word = &dgen_database->missed[bit / 32];

	if ((pg_atomic_read_u32(word) & mask) == 0)
		return false;
	return (pg_atomic_fetch_and_u32(word, ~mask) & mask) != 0;
}

/* ---- locks that are free ---- */

/* A session that got no slot of the type waits for any of them. */
static bool
take_lock_miss(const HeldLock *lock)
{
	return take_miss(lock->type_id, lock->miss);
}

void
dgen_wakeup_freed_slot(int32 type_id, int slot)
{
	pg_memory_barrier(); /* as below */
	for (int i = nowned - 1; i >= 0; i--)
	{
		HeldLock *lock = &owned[i];

		if (!lock->slot || lock->freed || lock->type_id != type_id || lock->mailbox != slot)
			continue;
		lock->freed = true;
		if (take_lock_miss(lock))
		{
			dgen_wakeup_announce(type_id);
			dgen_call_all(bucket_of(type_id));
		}
		return;
	}
}

/*
 * The locks from `first` on are free. A mark may stand for another lock with the
 * same bit, of any type in the bucket. So one worker of every such type is called:
 * a session that still fails to get its lock makes the mark again.
 */
static void
release_owned(int first, bool undone)
{
	/* What is left is there for the next claim, all of it, before a session is woken for it. */
	for (int i = first; i < nowned; i++)
		if (owned[i].claimed && (undone || owned[i].drained == InvalidSubTransactionId))
			dgen_hints_add(owned[i].type_id, owned[i].mailbox);

	/* The locks were released before the marks are read. */
	pg_memory_barrier();
	for (int i = first; i < nowned; i++)
	{
		bool missed = !owned[i].freed && take_lock_miss(&owned[i]);

		/* What was claimed and rolled back is work again, for this session too. */
		if (missed || (undone && (i == first || owned[i].type_id != owned[i - 1].type_id)))
			dgen_wakeup_announce(owned[i].type_id);
		if (missed)
			dgen_call_all(bucket_of(owned[i].type_id));
		/* A session at its end will not come back to it (I7). */
		else if (undone && proc_exit_inprogress)
			dgen_call_for(owned[i].type_id);
	}
	nowned = first;
}

/* ---- the end of a transaction ---- */

bool
dgen_held_any(void)
{
	return nowned > 0 || owned_any;
}

void
dgen_held_forget(void)
{
	nowned = 0;
	owned_any = false;
}

void
dgen_held_released(bool undone)
{
	release_owned(0, undone);
	if (owned_any)
	{
		dgen_hints_ask_all();
		dgen_announce_all();
	}
	owned_any = false;
}

void
dgen_held_undone(SubTransactionId subid)
{
	int first = nowned;

	for (int i = 0; i < nowned; i++)
	{
		if (owned[i].drained < subid)
			continue;
		owned[i].drained = InvalidSubTransactionId;
		if (owned[i].handled_within)
			dgen_wakeup_left(owned[i].type_id);
	}
	while (first > 0 && owned[first - 1].subid >= subid)
		first--;
	release_owned(first, true);
}
