/*
 * Marks: what a transaction did that others may wait for, kept in this backend until
 * the transaction has ended and its locks are gone, then acted upon (H9).
 *
 * The marks never raise. Where shared memory cannot be had they do nothing, and the
 * safety-net look of the workers finds what was not announced.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "dgen_ext.h"
#include "mailbox.h"
#include "shared.h"
#include "workers.h"

#define MAX_MARKED_TYPES 16   /* more: every type */
#define MAX_MARKED_BOXES 1024 /* more: their type is swept */
#define MAX_MARKED_REPLIES 32 /* more: every waiter for a reply looks */
#define FIRST_OWNED 64

typedef struct HeldLock
{
	int32 type_id;
	int64 mailbox;
	SubTransactionId subid;
	bool claimed;             /* for its messages */
	bool slot;                /* of the type, and not an actor's; its number is the mailbox */
	bool freed;               /* before the transaction's end */
	SubTransactionId drained; /* in which it was found that none are left; Invalid: some may be */
} HeldLock;

typedef struct MarkedBox
{
	int32 type_id;
	int64 mailbox;
} MarkedBox;

typedef struct Marks
{
	int nsent;
	int32 sent[MAX_MARKED_TYPES];
	bool sent_any;
	int nboxes;
	MarkedBox boxes[MAX_MARKED_BOXES];
	int nswept;
	int32 swept[MAX_MARKED_TYPES]; /* to be swept */
	bool sweep_any;
	int nleft;
	int32 left[MAX_MARKED_TYPES];
	int nlocked;
	int32 locked[MAX_MARKED_TYPES]; /* with a locked part to be run */
	int nreplied;
	int64 replied[MAX_MARKED_REPLIES];
	bool replied_any;
	TimestampTz due;              /* earliest; ALARM_NONE: none */
	SubTransactionId alarm_subid; /* took the alarm */
	bool orders;                  /* for in-database workers */
	bool start;                   /* and new ones are to be started */
} Marks;

static Marks marks = {.due = ALARM_NONE};
static bool marked = false; /* anything in marks or owned */

static HeldLock *owned = NULL; /* in TopMemoryContext */
static int nowned = 0;
static int owned_size = 0;
static bool owned_any = false; /* there was no memory to note a lock */

static SubTransactionId aborting = InvalidSubTransactionId;

/* What had been announced when the last claim began, by bucket. */
static uint64 seen[BUCKETS];
static bool seen_valid = false;
static bool has_claimed = false; /* in this transaction */

/* ---- marks ---- */

static void
add_type(int32 *types, int *count, bool *overflow, int32 type_id)
{
	for (int i = *count - 1; i >= 0; i--)
		if (types[i] == type_id)
			return;
	if (*count < MAX_MARKED_TYPES)
		types[(*count)++] = type_id;
	else if (overflow != NULL)
		*overflow = true;
}

/* The mailboxes of a transaction with so many of them that the type is swept. */
static bool
is_swept(int32 type_id)
{
	for (int i = 0; i < marks.nswept; i++)
		if (marks.swept[i] == type_id)
			return true;
	return marks.sweep_any;
}

static void
add_box(int32 type_id, int64 mailbox)
{
	if (marks.nboxes > 0 && marks.boxes[marks.nboxes - 1].mailbox == mailbox &&
		marks.boxes[marks.nboxes - 1].type_id == type_id)
		return;
	if (marks.nboxes < MAX_MARKED_BOXES)
		marks.boxes[marks.nboxes++] = (MarkedBox){type_id, mailbox};
	else
		add_type(marks.swept, &marks.nswept, &marks.sweep_any, type_id);
}

void
dgen_wakeup_sent(int32 type_id, int64 mailbox)
{
	if (!dgen_shared_attach())
		return;
	add_type(marks.sent, &marks.nsent, &marks.sent_any, type_id);
	if (!is_swept(type_id))
		add_box(type_id, mailbox);
	marked = true;
}

void
dgen_wakeup_somewhere(int32 type_id)
{
	if (!dgen_shared_attach())
		return;
	add_type(marks.sent, &marks.nsent, &marks.sent_any, type_id);
	if (!is_swept(type_id))
		add_type(marks.swept, &marks.nswept, &marks.sweep_any, type_id);
	marked = true;
}

void
dgen_wakeup_everywhere(void)
{
	if (!dgen_shared_attach())
		return;
	marks.sent_any = marks.sweep_any = true;
	marked = true;
}

void
dgen_wakeup_left(int32 type_id)
{
	if (!dgen_shared_attach())
		return;
	add_type(marks.left, &marks.nleft, NULL, type_id);
	marked = true;
}

void
dgen_wakeup_locked(int32 type_id)
{
	if (!dgen_shared_attach())
		return;
	add_type(marks.locked, &marks.nlocked, &marks.sent_any, type_id);
	marks.sweep_any |= marks.sent_any;
	marked = true;
}

void
dgen_wakeup_due(TimestampTz when)
{
	if (!dgen_shared_attach())
		return;
	marks.due = Min(marks.due, when);
	marked = true;
}

void
dgen_wakeup_replied(int64 request_id)
{
	if (!dgen_shared_attach())
		return;
	if (marks.nreplied < MAX_MARKED_REPLIES)
		marks.replied[marks.nreplied++] = request_id;
	else
		marks.replied_any = true;
	marked = true;
}

void
dgen_wakeup_orders(bool start)
{
	if (!dgen_shared_attach())
		return;
	marks.orders = true;
	marks.start |= start;
	marked = true;
}

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
note_lock(int32 type_id, int64 mailbox, bool slot)
{
	if (!dgen_shared_attach())
		return HELD_UNNOTED;
	marked = true;
	if (!grow_owned())
	{
		owned_any = true;
		return HELD_UNNOTED;
	}
	owned[nowned] = (HeldLock){
		.type_id = type_id,
		.mailbox = mailbox,
		.subid = GetCurrentSubTransactionId(),
		.slot = slot,
	};
	return nowned++;
}

int
dgen_wakeup_owned(int32 type_id, int64 mailbox)
{
	return note_lock(type_id, mailbox, false);
}

void
dgen_wakeup_took_slot(int32 type_id, int slot)
{
	(void) note_lock(type_id, slot, true);
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

void
dgen_alarm_taken(void)
{
	if (!dgen_shared_attach())
		return;
	pg_atomic_exchange_u64(&dgen_database->next_due, (uint64) ALARM_NONE);
	if (marks.alarm_subid == InvalidSubTransactionId)
		marks.alarm_subid = GetCurrentSubTransactionId();
	marked = true;
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

/* Whoever takes the alarm may serve other types. */
void
dgen_wakeup_retry(int32 type_id, TimestampTz when)
{
	if (!dgen_shared_attach())
		return;
	pg_atomic_fetch_or_u64(&dgen_database->retries, UINT64CONST(1) << bucket_of(type_id));
	dgen_wakeup_due(when);
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

void
dgen_wakeup_now(int32 type_id)
{
	if (!dgen_shared_attach())
		return;
	announce(bucket_of(type_id));
	dgen_call_for(type_id);
}

/* Whoever tried all slots of the type in vain waits for any of them. */
static bool
take_lock_miss(const HeldLock *lock)
{
	return take_miss(lock->type_id,
					 lock->slot ? DGEN_ANY_SLOT : dgen_lock_key(lock->type_id, lock->mailbox));
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
			announce(bucket_of(type_id));
			dgen_call_all(bucket_of(type_id));
		}
		return;
	}
}

/*
 * The locks from `first` on are free. A mark may stand for another lock with the
 * same bit, of any type in the bucket. So one worker of every such type is called:
 * whoever still fails to get its lock makes the mark again.
 */
static void
release_owned(int first, bool undone)
{
	/* What is left is there for the next claim, all of it, before anybody is called to it. */
	for (int i = first; i < nowned; i++)
		if (owned[i].claimed && (undone || owned[i].drained == InvalidSubTransactionId))
			dgen_hints_add(owned[i].type_id, owned[i].mailbox);

	/* The locks were released before the marks are read. */
	pg_memory_barrier();
	for (int i = first; i < nowned; i++)
	{
		int bucket = bucket_of(owned[i].type_id);
		bool missed = !owned[i].freed && take_lock_miss(&owned[i]);

		/* What was claimed and rolled back is work again, for this session too. */
		if (missed || (undone && (i == first || owned[i].type_id != owned[i - 1].type_id)))
			announce(bucket);
		if (missed)
			dgen_call_all(bucket);
		/* A session at its end will not come back to it (I7). */
		else if (undone && proc_exit_inprogress)
			dgen_call_for(owned[i].type_id);
	}
	nowned = first;
}

/* ---- the end of a transaction ---- */

static void
announce_all(void)
{
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		announce(bucket);
	dgen_call_all(-1);
}

/* At the end of sessions, too: never raises. */
void
dgen_wakeup_unheld(int32 type_id)
{
	if (dgen_database == NULL)
		return;
	dgen_locked_ask(type_id);
	announce(bucket_of(type_id));
	dgen_call_for(type_id);
}

/* Before anybody is called to what they tell of. */
static void
give_hints(void)
{
	for (int i = 0; i < marks.nboxes; i++)
		dgen_hints_add(marks.boxes[i].type_id, marks.boxes[i].mailbox);
	for (int i = 0; i < marks.nswept; i++)
		dgen_hints_ask(marks.swept[i]);
	if (marks.sweep_any)
		dgen_hints_ask_all();
}

void
dgen_wakeup_hint(void)
{
	if (marked && dgen_database != NULL)
		give_hints();
}

static void
act_on_commit(void)
{
	give_hints();
	if (marks.sent_any)
		announce_all();
	else
		for (int i = 0; i < marks.nsent; i++)
		{
			announce(bucket_of(marks.sent[i]));
			dgen_call_for(marks.sent[i]);
		}
	/* Also a reason for sessions that are about to wait, this one too, not to. */
	for (int i = 0; i < marks.nleft; i++)
	{
		announce(bucket_of(marks.left[i]));
		dgen_call_for(marks.left[i]);
	}

	for (int i = 0; i < marks.nlocked; i++)
		dgen_wakeup_unheld(marks.locked[i]);

	if (marks.replied_any)
		dgen_call_all_replies();
	else
		for (int i = 0; i < marks.nreplied; i++)
			dgen_call_reply(marks.replied[i]);

	if (marks.due != ALARM_NONE)
		dgen_alarm_merge(marks.due);
	if (marks.orders)
	{
		dgen_order_workers(dgen_database);
		dgen_poke_launcher();
	}
	if (marks.start)
		(void) dgen_register_starter(MyDatabaseId, 0);
}

static void
forget_marks(void)
{
	marks.nsent = marks.nleft = marks.nlocked = marks.nreplied = marks.nboxes = marks.nswept = 0;
	marks.sent_any = marks.replied_any = marks.sweep_any = false;
	marks.due = ALARM_NONE;
	marks.alarm_subid = InvalidSubTransactionId;
	marks.orders = marks.start = false;
	nowned = 0;
	owned_any = false;
	marked = false;
}

/* A claim ended between taking hints and owning what they tell of. */
static void
put_back_hints(void)
{
	if (!dgen_hints_in_hand())
		return;
	dgen_hints_put_back();
	announce_all();
}

static void
end_transaction(bool commit)
{
	put_back_hints();
	/* What was to be moved was not: the alarm rings again. */
	if (!commit && marks.alarm_subid != InvalidSubTransactionId)
		dgen_alarm_merge(ALARM_UNKNOWN);
	if (commit)
		act_on_commit();
	release_owned(0, !commit);
	if (owned_any)
	{
		dgen_hints_ask_all();
		announce_all();
	}
	forget_marks();
}

/* Marks of the subtransaction stay: they cost a look that finds nothing. */
static void
abort_subtransaction(SubTransactionId subid)
{
	int first = nowned;

	put_back_hints();
	for (int i = 0; i < nowned; i++)
		if (owned[i].drained >= subid)
			owned[i].drained = InvalidSubTransactionId;
	while (first > 0 && owned[first - 1].subid >= subid)
		first--;
	release_owned(first, true);

	if (marks.alarm_subid >= subid)
	{
		marks.alarm_subid = InvalidSubTransactionId;
		dgen_alarm_merge(ALARM_UNKNOWN);
	}
}

/*
 * Called for every resource owner of the transaction, inner ones first, once the
 * locks of all of them are gone; also for portals that end in between.
 */
static void
after_locks(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	/* A claim that is interrupted may have hints in its hand, and nothing marked. */
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || dgen_database == NULL ||
		!(marked || dgen_hints_in_hand()))
		return;
	if (isTopLevel)
		end_transaction(isCommit);
	else if (aborting != InvalidSubTransactionId)
		abort_subtransaction(aborting);
	aborting = InvalidSubTransactionId;
}

/* The locks of a subtransaction go right after this; ids of its own subtransactions are higher. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (marked || dgen_hints_in_hand())
		aborting = subid;
	if (has_claimed)
		dgen_generations_forget();
}

/*
 * A prepared transaction keeps its locks; nothing runs here when it commits, and what it
 * left is found by the safety-net look (H10).
 *
 * A claim that failed has taken its baton and may have found nothing yet: what the session was
 * called to is still there, so it does not sleep before it has claimed again.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (marked && event == XACT_EVENT_PREPARE)
		forget_marks();
	if (has_claimed && event == XACT_EVENT_ABORT)
		dgen_generations_forget();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		has_claimed = false;
}

void
dgen_wakeup_init(void)
{
	dgen_shared_init();
	RegisterResourceReleaseCallback(after_locks, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	RegisterXactCallback(at_transaction_end, NULL);
}

/* ---- claims ---- */

void
dgen_wakeup_claiming(void)
{
	TimestampTz now;

	if (!dgen_shared_attach() || dgen_slot == NULL)
		return;
	dgen_wait_taken();
	has_claimed = true;
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		if (dgen_slot->buckets & (UINT64CONST(1) << bucket))
			seen[bucket] = pg_atomic_read_u64(&dgen_database->generation[bucket]);
	seen_valid = true;

	/* Whoever announced before this has committed before the claim takes its snapshot. */
	pg_memory_barrier();

	/* The watch begins the looks; but where everybody is busy nobody is the watch. */
	now = GetCurrentTimestamp();
	if (dgen_look_overdue(now, BACKUP_TIME))
	{
		dgen_look_begins(now);
		dgen_call_all(-1);
	}
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
