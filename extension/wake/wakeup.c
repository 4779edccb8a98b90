/*
 * Marks: what a transaction did that others might wait for. This backend keeps them until the transaction
 * has ended and its locks are released, and then acts upon them (H9). held_locks.c handles the locks
 * themselves; announce.c announces work without waiting for a commit.
 *
 * The marks never raise. Without shared memory they do nothing, and the safety-net check of the workers
 * finds work that was not announced.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "roster/register.h"
#include "roster/roster.h"
#include "shared/database.h"
#include "shared/shared.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/call.h"
#include "wake/held_locks.h"
#include "wake/hints.h"
#include "wake/locked_look.h"
#include "wake/wake.h"

#define MAX_MARKED_TYPES 16   /* more: every type */
#define MAX_MARKED_BOXES 1024 /* more: their type is swept */
#define MAX_MARKED_REPLIES 32 /* more: all waiters for replies check */
#define MAX_MARKED_OWNERS 16  /* more: a starter checks all */
#define MAX_MARKED_HOLDERS 16 /* more: attempts continue until their next check */

typedef struct MarkedBox
{
	int32 type_id;
	int64 mailbox;
} MarkedBox;

/* A session whose attempt is over if the transaction commits. */
typedef struct MarkedHolder
{
	int64 fence;
	SubTransactionId subid; /* that ended it */
} MarkedHolder;

typedef struct Marks
{
	int nsent;
	int32 sent[MAX_MARKED_TYPES];
	bool sent_any;
	bool sent_claiming; /* by turns of a worker, which claims again */
	int nboxes;
	MarkedBox boxes[MAX_MARKED_BOXES];
	int nswept;
	int32 swept[MAX_MARKED_TYPES]; /* types to sweep */
	bool sweep_any;
	int nleft;
	int32 left[MAX_MARKED_TYPES];
	int nlocked;
	int32 locked[MAX_MARKED_TYPES]; /* types with a locked part to run */
	bool away;                      /* this session will be busy for long */
	int nreplied;
	int64 replied[MAX_MARKED_REPLIES];
	bool replied_any;
	TimestampTz due;    /* earliest; ALARM_NONE: none */
	uint64 due_buckets; /* of the types for which something is due */
	int nholders;
	MarkedHolder holders[MAX_MARKED_HOLDERS];
	SubTransactionId alarm_subid; /* has taken the alarm */
	bool orders;                  /* in-database workers must read their orders */
	int nowners;
	Oid owners[MAX_MARKED_OWNERS]; /* need workers */
	bool owners_any;
} Marks;

static Marks marks = {.due = ALARM_NONE};
static bool marked = false; /* marks is not empty */

static SubTransactionId aborting = InvalidSubTransactionId;
static bool prepared = false; /* the transaction ends with PREPARE */

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

/* Has the transaction sent to so many mailboxes that the type is swept? */
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
	marks.sent_claiming |= dgen_is_claiming();
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
dgen_wakeup_all_replies(void)
{
	if (!dgen_shared_attach())
		return;
	marks.replied_any = marked = true;
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
dgen_wakeup_others(void)
{
	if (!dgen_shared_attach())
		return;
	marks.away = true;
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
dgen_wakeup_due(int32 type_id, TimestampTz when)
{
	if (!dgen_shared_attach())
		return;
	marks.due = Min(marks.due, when);
	marks.due_buckets |= type_id == ANY_TYPE ? PG_UINT64_MAX : UINT64CONST(1) << bucket_of(type_id);
	marked = true;
}

bool
dgen_wakeup_may_end_holder(void)
{
	return marks.nholders < MAX_MARKED_HOLDERS;
}

/* If this is rolled back, the attempt continues. */
void
dgen_wakeup_end_holder(int64 fence)
{
	if (!dgen_shared_attach() || !dgen_wakeup_may_end_holder())
		return;
	marks.holders[marks.nholders++] = (MarkedHolder){fence, GetCurrentSubTransactionId()};
	marked = true;
}

/* The holders that were marked since the subtransaction began are at the end. */
static void
spare_holders(SubTransactionId subid)
{
	while (marks.nholders > 0 && marks.holders[marks.nholders - 1].subid >= subid)
		marks.nholders--;
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
dgen_wakeup_orders(void)
{
	if (!dgen_shared_attach())
		return;
	marks.orders = marked = true;
}

void
dgen_wakeup_owner(Oid owner)
{
	if (!dgen_shared_attach())
		return;
	for (int i = 0; i < marks.nowners; i++)
		if (marks.owners[i] == owner)
			return;
	if (marks.nowners < MAX_MARKED_OWNERS)
		marks.owners[marks.nowners++] = owner;
	else
		marks.owners_any = true;
	marked = true;
}

/* The session that takes the alarm might handle other types. */
void
dgen_wakeup_retry(int32 type_id, TimestampTz when)
{
	if (!dgen_shared_attach())
		return;
	pg_atomic_fetch_or_u64(&dgen_database->retries, UINT64CONST(1) << bucket_of(type_id));
	dgen_wakeup_due(type_id, when);
}

void
dgen_alarm_taken(void)
{
	if (!dgen_shared_attach())
		return;
	pg_atomic_exchange_u64(&dgen_database->next_due, (uint64) ALARM_NONE);
	dgen_alarm_left();
}

void
dgen_alarm_left(void)
{
	if (!dgen_shared_attach())
		return;
	if (marks.alarm_subid == InvalidSubTransactionId)
		marks.alarm_subid = GetCurrentSubTransactionId();
	marked = true;
}

/* ---- the end of a transaction ---- */

/* Due messages were not moved: sessions that have skipped them in the meantime check again. */
static void
ring(void)
{
	dgen_tell_dues(PG_UINT64_MAX);
	dgen_alarm_merge(ALARM_UNKNOWN);
}

/* Gives the hints before a session is woken for them. */
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

/*
 * Messages that a batch has sent to one actor are claimed next by the same worker. Another worker would
 * only compete for them, and take the processor from the session that runs the turn.
 */
static bool
is_for_own_claim(void)
{
	return marks.sent_claiming && !marks.sent_any && marks.nsent == 1 && marks.nboxes == 1 &&
		   marks.nswept == 0 && !marks.sweep_any && marks.nleft == 0 &&
		   dgen_call_self(marks.sent[0]);
}

static void
call_for_sent(void)
{
	if (is_for_own_claim())
		return;
	if (marks.sent_any)
		dgen_announce_all();
	else
	{
		/* dgen_hints_ask has also requested a check for locked parts. A session woken for those also sweeps. */
		for (int i = 0; i < marks.nswept; i++)
			dgen_wakeup_part(marks.swept[i]);
		for (int i = 0; i < marks.nsent; i++)
			dgen_wakeup_now(marks.sent[i]);
	}
}

/* An owner that had its workers during the statement might lack some now. */
static bool
lacks_workers(void)
{
	bool lacks = marks.owners_any;

	for (int i = 0; i < marks.nowners && !lacks; i++)
		lacks = !dgen_has_all_workers(marks.owners[i]);
	return lacks;
}

static void
act_on_commit(void)
{
	give_hints();
	call_for_sent();
	if (marks.away)
		dgen_call_others();
	/* Sessions that are about to wait, also this one, do not wait then. */
	for (int i = 0; i < marks.nleft; i++)
		dgen_wakeup_now(marks.left[i]);

	for (int i = 0; i < marks.nlocked; i++)
		dgen_wakeup_unheld(marks.locked[i]);

	if (marks.replied_any)
		dgen_call_all_replies();
	else
		for (int i = 0; i < marks.nreplied; i++)
			dgen_call_reply(marks.replied[i]);

	if (marks.due != ALARM_NONE)
	{
		dgen_tell_dues(marks.due_buckets);
		dgen_alarm_merge(marks.due);
	}
	for (int i = 0; i < marks.nholders; i++)
		dgen_part_end_holder(marks.holders[i].fence);
	if (marks.orders)
	{
		dgen_order_workers(dgen_database);
		dgen_poke_launcher();
	}
	/* A session that starts workers later than this sees what was committed. After the orders: dgen_may_end. */
	if (dgen_database->desired > 0 && lacks_workers())
		dgen_want_starter(dgen_database);
	dgen_complete_workers();
}

/*
 * A prepared transaction keeps its locks, and its changes are not visible yet. The session that ends it
 * announces them (prepared.c), and needs a note of the sessions to end. But a claim has also taken batons
 * and alarms for work that it left to others, and these must not wait for that.
 */
static void
act_on_prepare(void)
{
	for (int i = 0; i < marks.nleft; i++)
		dgen_wakeup_now(marks.left[i]);
	if (marks.alarm_subid != InvalidSubTransactionId)
		ring();
	if (marks.due != ALARM_NONE)
		dgen_alarm_merge(marks.due);
	for (int i = 0; i < marks.nholders; i++)
		dgen_prepared_ends_holder(marks.holders[i].fence);
}

static void
forget_marks(void)
{
	marks.nsent = marks.nleft = marks.nlocked = marks.nreplied = marks.nboxes = marks.nswept = 0;
	marks.sent_any = marks.sent_claiming = marks.replied_any = marks.sweep_any = false;
	marks.away = false;
	marks.due = ALARM_NONE;
	marks.due_buckets = 0;
	marks.nholders = 0;
	marks.alarm_subid = InvalidSubTransactionId;
	marks.orders = marks.owners_any = false;
	marks.nowners = 0;
	marked = false;
}

/* A claim ended after it took hints, and before it owned their mailboxes. */
static void
put_back_hints(void)
{
	if (!dgen_hints_in_hand())
		return;
	dgen_hints_put_back();
	dgen_announce_all();
}

static void
end_transaction(bool commit)
{
	put_back_hints();
	if (!commit && marks.alarm_subid != InvalidSubTransactionId)
		ring();
	if (prepared)
		act_on_prepare();
	else if (commit)
		act_on_commit();
	if (prepared)
		dgen_held_forget();
	else
		dgen_held_released(!commit);
	forget_marks();
}

/* Other marks of the subtransaction stay: they cost a check that finds nothing. */
static void
abort_subtransaction(SubTransactionId subid)
{
	put_back_hints();
	dgen_held_undone(subid);
	spare_holders(subid);

	if (marks.alarm_subid >= subid)
	{
		marks.alarm_subid = InvalidSubTransactionId;
		ring();
	}
}

/* An interrupted claim can have hints in its hand without marks. */
static bool
has_to_act(void)
{
	return marked || dgen_held_any() || dgen_hints_in_hand();
}

/*
 * Called for each resource owner of the transaction, inner ones first, after the locks of all of them are
 * released; also for portals that end in between.
 */
static void
after_locks(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || dgen_database == NULL || !has_to_act())
		return;
	if (isTopLevel)
		end_transaction(isCommit);
	else if (aborting != InvalidSubTransactionId)
		abort_subtransaction(aborting);
	aborting = InvalidSubTransactionId;
}

/* The locks of a subtransaction are released right after this. Its own subtransactions have higher ids. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (has_to_act())
		aborting = subid;
	dgen_claim_undone();
}

/* Called before after_locks, which does not learn how the transaction ends. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	prepared = event == XACT_EVENT_PREPARE;
	if (event == XACT_EVENT_ABORT)
		dgen_claim_undone();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		dgen_claim_over();
}

void
dgen_wakeup_init(void)
{
	dgen_shared_init();
	RegisterResourceReleaseCallback(after_locks, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	RegisterXactCallback(at_transaction_end, NULL);
}
