/*
 * The locks of actors and slots that this transaction holds. If other sessions failed to get one, they
 * left a mark in shared memory, and are woken when the lock is free (H9). Messages that a claim has left
 * in its mailboxes are then work for any session again.
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
	uint64 miss; /* what others note if they miss it: its key, or DGEN_ANY_SLOT */
	SubTransactionId subid;
	bool claimed;             /* by a claim, for its messages */
	bool slot;                /* a slot of the type, whose number is in mailbox */
	bool freed;               /* released before the end of the transaction */
	SubTransactionId drained; /* that found no messages left; Invalid: there might be some */
	bool handled_within;      /* messages found before were handled in that subtransaction */
} HeldLock;

static HeldLock *owned = NULL; /* in TopMemoryContext */
static int nowned = 0;
static int owned_size = 0;
static bool owned_any = false; /* a lock was not noted for lack of memory */

/* ---- what is held ---- */

/* Makes room for one more; false: out of memory. */
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

/* If ROLLBACK TO a savepoint after the claim undoes this, the messages are back, and the lock stays. */
void
dgen_wakeup_handled(int held)
{
	SubTransactionId here = GetCurrentSubTransactionId();

	if (held < 0 || owned[held].drained == InvalidSubTransactionId || owned[held].drained == here)
		return;
	owned[held].drained = here;
	owned[held].handled_within = true;
}

/* Returns the number of a slot that this transaction has noted; -1: none. */
int
dgen_wakeup_slot(int32 type_id)
{
	for (int i = nowned - 1; i >= 0; i--)
		if (owned[i].slot && !owned[i].freed && owned[i].type_id == type_id)
			return (int) owned[i].mailbox;
	return -1;
}

/* ---- locks that others failed to get ---- */

static uint32
miss_bit(int32 type_id, uint64 lock)
{
	return bucket_of(type_id) * MISS_BITS + (uint32) ((lock ^ (lock >> 32)) % MISS_BITS);
}

void
dgen_wakeup_missed(int32 type_id, uint64 lock)
{
	uint32 bit = miss_bit(type_id, lock);

	/* A full barrier: the mark is visible before the lock is tried again. */
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

/* ---- released locks ---- */

/* A session that got no slot waits for any slot of the type. */
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
 * The locks from `first` on are free. A mark can stand for another lock with the same bit, of any type in
 * the bucket. So one worker of each such type is woken; a session that still fails to get its lock makes
 * the mark again.
 */
static void
release_owned(int first, bool undone)
{
	/* All messages that are left become hints before a session is woken for them. */
	for (int i = first; i < nowned; i++)
		if (owned[i].claimed && (undone || owned[i].drained == InvalidSubTransactionId))
			dgen_hints_add(owned[i].type_id, owned[i].mailbox);

	/* The locks were released before the marks are read. */
	pg_memory_barrier();
	for (int i = first; i < nowned; i++)
	{
		bool missed = !owned[i].freed && take_lock_miss(&owned[i]);

		/* Messages of a claim that was rolled back are work again, also for this session. */
		if (missed || (undone && (i == first || owned[i].type_id != owned[i - 1].type_id)))
			dgen_wakeup_announce(owned[i].type_id);
		if (missed)
			dgen_call_all(bucket_of(owned[i].type_id));
		/* A session that ends will not claim them again (I7). */
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
