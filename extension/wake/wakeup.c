/*
 * Marks: what a transaction did that others may wait for, kept in this backend until
 * the transaction has ended and its locks are gone, then acted upon (H9). What is to be done
 * about the locks themselves is in held_locks.c; what waits for no commit in announce.c.
 *
 * The marks never raise. Where shared memory cannot be had they do nothing, and the
 * safety-net look of the workers finds what was not announced.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "roster/register.h"
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
#define MAX_MARKED_REPLIES 32 /* more: every waiter for a reply looks */
#define MAX_MARKED_HOLDERS 16 /* more: their attempts go on until the next look */

typedef struct MarkedBox
{
	int32 type_id;
	int64 mailbox;
} MarkedBox;

/* A session whose attempt is over, if that commits. */
typedef struct MarkedHolder
{
	int64 fence;
	SubTransactionId subid; /* in which it was ended */
} MarkedHolder;

typedef struct Marks
{
	int nsent;
	int32 sent[MAX_MARKED_TYPES];
	bool sent_any;
	bool sent_claiming; /* by the turns of a worker, which claims again */
	int nboxes;
	MarkedBox boxes[MAX_MARKED_BOXES];
	int nswept;
	int32 swept[MAX_MARKED_TYPES]; /* to be swept */
	bool sweep_any;
	int nleft;
	int32 left[MAX_MARKED_TYPES];
	int nlocked;
	int32 locked[MAX_MARKED_TYPES]; /* with a locked part to be run */
	bool away;                      /* it begins what keeps this session for long */
	int nreplied;
	int64 replied[MAX_MARKED_REPLIES];
	bool replied_any;
	TimestampTz due;    /* earliest; ALARM_NONE: none */
	uint64 due_buckets; /* of the types for which something is */
	int nholders;
	MarkedHolder holders[MAX_MARKED_HOLDERS];
	SubTransactionId alarm_subid; /* took the alarm */
	bool orders;                  /* for in-database workers */
	bool start;                   /* and new ones are to be started */
} Marks;

static Marks marks = {.due = ALARM_NONE};
static bool marked = false; /* anything in marks */

static SubTransactionId aborting = InvalidSubTransactionId;
static bool prepared = false; /* this is how the transaction ends */

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

/* If it is undone, the attempt continues. */
void
dgen_wakeup_end_holder(int64 fence)
{
	if (!dgen_shared_attach() || !dgen_wakeup_may_end_holder())
		return;
	marks.holders[marks.nholders++] = (MarkedHolder){fence, GetCurrentSubTransactionId()};
	marked = true;
}

/* Those that were marked since the subtransaction began are at the end. */
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
dgen_wakeup_orders(bool start)
{
	if (!dgen_shared_attach())
		return;
	marks.orders = true;
	marks.start |= start;
	marked = true;
}

/* The session that takes the alarm might serve other types. */
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

/* Due messages were not moved: a session that has skipped them in the meantime checks again. */
static void
ring(void)
{
	dgen_tell_dues(PG_UINT64_MAX);
	dgen_alarm_merge(ALARM_UNKNOWN);
}

/* Before a session is woken for what they tell of. */
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
 * What a batch has sent to one actor its own worker claims next. Another one would only race it
 * to that, and take its processor from the session that runs the turn.
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
		/* With the sweep a look for locked parts was asked for. Who comes for those sweeps, too. */
		for (int i = 0; i < marks.nswept; i++)
			dgen_wakeup_part(marks.swept[i]);
		for (int i = 0; i < marks.nsent; i++)
			dgen_wakeup_now(marks.sent[i]);
	}
}

static void
act_on_commit(void)
{
	give_hints();
	call_for_sent();
	if (marks.away)
		dgen_call_others();
	/* Also a reason for sessions that are about to wait, this one too, not to. */
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
	/* A session that wants workers later than this sees what has been committed. */
	if (marks.start && dgen_database->desired > 0)
		dgen_want_starter(dgen_database);
	dgen_complete_workers();
}

/*
 * Its locks are another's now, and what it did is not to be seen: who ends it tells of that
 * (prepared.c), and is left a note of sessions to be ended. But a claim has also taken calls and alarms
 * for what it has left to others, which may not wait for that.
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
	marks.orders = marks.start = false;
	marked = false;
}

/* A claim ended between taking hints and owning what they tell of. */
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

/* Other marks of the subtransaction stay: they cost a look that finds nothing. */
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

/* A claim that is interrupted may have hints in its hand, and nothing marked. */
static bool
has_to_act(void)
{
	return marked || dgen_held_any() || dgen_hints_in_hand();
}

/*
 * Called for every resource owner of the transaction, inner ones first, once the
 * locks of all of them are gone; also for portals that end in between.
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

/* The locks of a subtransaction go right after this; ids of its own subtransactions are higher. */
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

/* Before after_locks, which is not told how the transaction ends. */
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
