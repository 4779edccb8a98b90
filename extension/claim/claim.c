/*
 * Claiming: find actors with messages (hints.c, or a sweep: sweep.c), own them, and only then read
 * their messages (read_batch.c).
 *
 * This order keeps turns apart and messages in order. A read in the snapshot that found the actor
 * would show the state before the last owner's commit (H1). If message rows were locked before the
 * actor, another worker would skip a locked message and handle the next one (H11). No row is
 * filtered after its lock was taken (H2): every lock that succeeds is a mailbox of the batch.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/in_hand.h"
#include "actor/key.h"
#include "actor/worker_session.h"
#include "base/base.h"
#include "claim/claim.h"
#include "claim/read_batch.h"
#include "claim/suspect.h"
#include "claim/sweep.h"
#include "own/own.h"
#include "own/rate.h"
#include "own/slots.h"
#include "shared/charge.h"
#include "shared/memo.h"
#include "shared/slot.h"
#include "sleep/attached.h"
#include "table/table.h"
#include "wake/announce.h"
#include "wake/call.h"
#include "wake/held_locks.h"
#include "wake/hints.h"
#include "wake/wake.h"

/*
 * Slices for one type in one claim; and claims that find something without one until there is one.
 */
#define SWEEP_SLICES 4
#define SWEEP_CLAIMS 16

/* Judged turn time of a type not measured yet, us. */
#define UNKNOWN_TURN_US 500.0

/* Idle workers do not wait for the end of such a batch, us. */
#define LONG_BATCH_US 2000.0

/*
 * Weight of a new measurement in the moving average of turn times. One that is many times as
 * long counts as so many times: the machine had something else to do.
 */
#define TURN_WEIGHT 0.2
#define TURN_OUTLIER 16

/* How many batches stay small after the server ran out of locks for the writes of one. */
#define NARROW_BATCHES 100

/* ---- limits ---- */

static double
turn_time(const WorkerType *type)
{
	return type->turn_us > 0 ? type->turn_us : UNKNOWN_TURN_US;
}

static double
fastest_turn(const WorkerSession *session)
{
	double fastest = 0;

	for (int i = 0; i < session->ntypes && !dgen_is_of_actions(session->types[i].type_id); i++)
	{
		double us = turn_time(&session->types[i]);

		if (fastest == 0 || us < fastest)
			fastest = us;
	}
	return fastest;
}

/*
 * All workers together use at most a quarter of the lock table, so that others are not starved of
 * locks (I9).
 */
void
dgen_batch_limits(const WorkerSession *session, BatchLimits *limits)
{
	double room = dgen_batch_duration * 1000.0 / Max(fastest_turn(session), 1.0);
	int locks = max_locks_per_xact * MaxBackends / 4 / Max(dgen_live_workers(), 1);

	limits->messages = (int) Max(1.0, Min(room, (double) dgen_batch_messages));
	limits->actors = Max(1, Min(Min(dgen_batch_actors, locks), limits->messages));
	limits->bytes = (Size) dgen_batch_bytes * 1024;
}

void
dgen_narrow_batches(WorkerSession *session)
{
	session->narrow = Max(1, session->owned / 2);
	session->narrow_batches = NARROW_BATCHES;
}

double
dgen_elapsed_us(instr_time start)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MICROSEC(now);
}

void
dgen_measure_turns(WorkerSession *session, int32 type_id, double us)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		WorkerType *type = &session->types[i];

		if (type->type_id != type_id)
			continue;
		us = Max(us, 1.0);
		if (type->turn_us == 0)
			type->turn_us = us;
		type->turn_us += TURN_WEIGHT * (Min(us, TURN_OUTLIER * type->turn_us) - type->turn_us);
	}
}

/*
 * The next claim begins with the type behind this one, whose turn took the time of the batch:
 * others wait for one such turn, and not for one in each round of the types.
 */
void
dgen_begin_behind(WorkerSession *session, int32 type_id)
{
	for (int i = 0; i < session->ntypes; i++)
		if (session->types[i].type_id == type_id)
			session->rotation = (i + 1) % session->ntypes;
}

/* ---- own ---- */

typedef struct Discovery
{
	const ActorType *type;
	WorkerType *worker_type;
	Owned *owned;
	int first; /* of this type in owned */
	int limit; /* of owned */
	bool full; /* a mailbox was refused because of that */
	int messages;
	WorkerSession *session;
} Discovery;

static int
compare_mailboxes(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static bool
is_owned_already(const Discovery *discovery, int64 mailbox)
{
	for (int i = discovery->first; i < discovery->owned->count; i++)
		if (discovery->owned->mailboxes[i].mailbox == mailbox)
			return true;
	return false;
}

/*
 * Suspects are not mixed with others. The first of a batch decides; a suspect that comes
 * later is what the next claim begins with, so that it does not wait for the others forever.
 */
static bool
fits(Discovery *discovery, int64 mailbox)
{
	Owned *owned = discovery->owned;
	SuspicionLevel level = dgen_suspicion_of(discovery->type->id, mailbox).level;

	if (owned->count > 0 && level != owned->level)
	{
		owned->left = true; /* it is put back */
		if (level != SUSPICION_NONE)
		{
			discovery->session->suspect_type = discovery->type->id;
			discovery->session->suspect_mailbox = mailbox;
		}
		return false;
	}
	owned->level = level;
	return true;
}

static void
limit_level(Discovery *discovery)
{
	BatchLimits limits = {.actors = discovery->limit, .messages = discovery->limit};

	dgen_limit_suspects(discovery->owned->level, &limits);
	discovery->limit = limits.actors;
}

/*
 * An actor that this transaction owns for another reason, such as dgen.call, is left for the next
 * claim: its lock could be taken again, and its release would not announce it.
 */
static bool
try_own(Discovery *discovery, int64 mailbox)
{
	int32 type_id = discovery->type->id;
	OwnedMailbox *entry;
	int held;

	if (dgen_owns(type_id, mailbox))
	{
		if (is_owned_already(discovery, mailbox))
			return true;
		dgen_wakeup_missed(type_id, dgen_lock_key(type_id, mailbox));
		return false;
	}
	discovery->full |= discovery->owned->count >= discovery->limit;
	if (discovery->full || !fits(discovery, mailbox))
		return false;
	held = dgen_try_own(type_id, mailbox);
	if (held == HELD_BY_ANOTHER)
		return false;
	limit_level(discovery);
	if (dgen_is_of_actions(type_id))
		discovery->limit = 1; /* no message waits for the effects of an action */
	entry = &discovery->owned->mailboxes[discovery->owned->count++];
	entry->type = discovery->type;
	entry->worker_type = discovery->worker_type;
	entry->mailbox = mailbox;
	entry->held = held;
	entry->read = false;
	dgen_wakeup_claimed(held);
	return true;
}

static void
own_found(Discovery *discovery, int64 *found, int count)
{
	int kept = 0;

	qsort(found, count, sizeof(int64), compare_mailboxes); /* neighbours share pages of the index */
	for (int i = 0; i < count; i++)
		if (!try_own(discovery, found[i]))
			found[kept++] = found[i];
	dgen_hints_keep(count, kept);
}

/*
 * What is owned does not wait for a sweep, but now and then, so that the sweep does not wait
 * forever.
 */
static bool
may_sweep(const Owned *owned)
{
	static int claims = 0;

	if (owned->level != SUSPICION_NONE || owned->tired)
		return false;
	return owned->count == 0 || ++claims % SWEEP_CLAIMS == 0;
}

/* True if there is more than the limit allows, or a sweep is not at its end. */
static bool
own_type(Discovery *discovery, int limit)
{
	Owned *owned = discovery->owned;
	int32 type_id = discovery->type->id;
	int last = owned->count + limit;
	int slices = 0;

	discovery->first = owned->count;
	discovery->full = false;
	while (owned->count < Min(last, discovery->limit))
	{
		int64 *found;
		int most = Min(last, discovery->limit) - owned->count;
		int count = dgen_hints_take(type_id, most, owned->count == 0, &found);

		if (count > 0)
			own_found(discovery, found, count);
		else if (!may_sweep(owned) || ++slices > SWEEP_SLICES ||
				 !dgen_sweep(type_id, &owned->tired))
			break;
	}
	return discovery->full || dgen_hints_left(type_id);
}

static int
type_limit(const WorkerType *type)
{
	return (int) Max(1.0, Min(dgen_batch_duration * 1000.0 / turn_time(type), 100000.0));
}

/*
 * True as above. Hints that are kept are put back only at the end: otherwise they would be taken
 * again immediately.
 */
static bool
own_unlimited(Discovery *discovery)
{
	bool left = own_type(discovery, type_limit(discovery->worker_type));

	dgen_hints_put_back();
	return left;
}

/* What a claim can own. A slot is also a lock, so the limit is for twice as many locks. */
static int
wanted(const Discovery *discovery)
{
	const ActorType *type = discovery->type;
	int most = Min(type_limit(discovery->worker_type), dgen_hints_count(type->id));
	int workers = Max(dgen_live_workers(), 1);

	if (type->max_concurrency == 0)
		return most;
	most = Min(most, Max((discovery->limit - discovery->owned->count) / 2, 1));
	return Min(most, (int) (((int64) type->max_concurrency + workers - 1) / workers));
}

/*
 * For as many actors, one slot each, and messages of theirs as the limits allow. Fewer: who can is
 * called then.
 */
static int
take_allowance(Discovery *discovery, int actors)
{
	const ActorType *type = discovery->type;
	WorkerType *worker_type = discovery->worker_type;
	int slots;

	if (type->max_rate > 0)
	{
		int turns = Min(discovery->messages, type_limit(worker_type));

		worker_type->turns_left += dgen_take_turns(type, turns);
		actors = Min(actors, worker_type->turns_left);
	}
	if (type->max_concurrency == 0 || actors == 0)
		return actors;
	slots = dgen_take_slots(type, actors);
	if (slots == 0)
	{
		dgen_give_back_turns(type, worker_type->turns_left);
		worker_type->turns_left = 0;
	}
	return slots;
}

/*
 * First the allowance, then a hint: a session that gets no allowance must not have a hint in its
 * hand when the session that gets one looks for work. The hint is left to that session.
 */
static bool
own_limited(Discovery *discovery)
{
	const ActorType *type = discovery->type;
	Owned *owned = discovery->owned;
	int before = owned->count;
	int most = wanted(discovery);
	int allowed = most == 0 ? 0 : take_allowance(discovery, most);
	bool left;

	if (allowed == 0)
		return false;
	left = own_type(discovery, allowed);
	dgen_hints_put_back();
	if (type->max_concurrency > 0)
	{
		dgen_free_slots(type, allowed - (owned->count - before));
		discovery->limit -= owned->count - before;
	}
	if (left && type->max_rate > 0 && discovery->worker_type->turns_left < most)
	{
		discovery->worker_type->short_of_turns = true; /* seen to when they have been used */
		return false;
	}
	return left && allowed == most;
}

/* At least, by what its turns took so far. */
static bool
takes_long(const Discovery *discovery)
{
	return discovery->owned->count * turn_time(discovery->worker_type) >= LONG_BATCH_US;
}

/*
 * The end of a short batch is soon enough to wake an idle worker, but it might turn out not to
 * be short.
 */
static void
note_left(Discovery *discovery)
{
	int32 type_id = discovery->type->id;

	discovery->owned->left = true;
	dgen_wakeup_left(type_id);
	if (discovery->owned->count == 0)
		return;
	if (takes_long(discovery))
		dgen_wakeup_now(type_id);
	else
		dgen_wakeup_later(type_id);
}

static void
own_mailboxes_of(Discovery *discovery)
{
	dgen_hints_begin(discovery->type->id);
	if (discovery->type->limited ? own_limited(discovery) : own_unlimited(discovery))
		note_left(discovery);
}

/* One action, unless the batch has something else already: its effects outside can take long. */
static void
own_action(Discovery *discovery)
{
	const int32 type_id = discovery->type->id;
	bool left;

	if (discovery->owned->count > 0)
		left = dgen_hints_left(type_id);
	else
	{
		dgen_hints_begin(type_id);
		left = own_type(discovery, 1);
		dgen_hints_put_back();
	}
	if (left)
		note_left(discovery);
}

/* The batch is full without it. The next claim begins with another type. */
static void
leave_type(Discovery *discovery)
{
	discovery->owned->left = true; /* perhaps */
	if (dgen_hints_left(discovery->type->id))
		note_left(discovery);
}

/* False if its type is gone, or paused, or not this worker's any more. */
static bool
set_type(Discovery *discovery, WorkerType *worker_type)
{
	discovery->worker_type = worker_type;
	discovery->type = dgen_type_by_id(worker_type->type_id, true);
	if (discovery->type == NULL || !dgen_session_serves(discovery->session, discovery->type) ||
		dgen_type_is_paused(dgen_actors_type(discovery->type->id)))
		return false;
	discovery->owned->limited |= discovery->type->limited;
	return true;
}

static void
try_own_suspect(Discovery *discovery, int64 mailbox)
{
	const ActorType *type = discovery->type;

	if (type->limited && take_allowance(discovery, 1) == 0)
		return;
	if (!try_own(discovery, mailbox) && type->max_concurrency > 0)
		dgen_free_slots(type, 1);
}

/* The suspect that the claim before this one has put off. */
static void
own_suspect(Discovery *discovery)
{
	WorkerSession *session = discovery->session;

	for (int i = 0; i < session->ntypes && session->suspect_type != 0; i++)
		if (session->types[i].type_id == session->suspect_type &&
			set_type(discovery, &session->types[i]))
			try_own_suspect(discovery, session->suspect_mailbox);
	session->suspect_type = 0;
}

void
dgen_own_mailboxes(WorkerSession *session, const BatchLimits *limits, Owned *owned)
{
	Discovery discovery = {
		.owned = owned, .limit = limits->actors, .messages = limits->messages, .session = session};

	if (session->narrow_batches > 0)
	{
		session->narrow_batches--;
		discovery.limit = Min(discovery.limit, session->narrow);
	}
	dgen_refuse_isolation("claiming a batch");

	/*
	 * Before anything is read: dgen.drop_actor_type waits for this lock, and not for rows in
	 * between.
	 */
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	dgen_session_check(session);
	dgen_memos_begin();
	dgen_table_lock(TABLE_PAUSED, AccessShareLock);
	dgen_check_adopted();
	owned->count = 0;
	owned->left = owned->tired = owned->limited = false;
	owned->level = SUSPICION_NONE;
	owned->mailboxes = palloc(limits->actors * sizeof(OwnedMailbox));
	dgen_forget_turns(session);

	PushActiveSnapshot(GetTransactionSnapshot());
	own_suspect(&discovery);
	for (int i = 0; i < session->ntypes; i++)
	{
		if (!set_type(&discovery, &session->types[(session->rotation + i) % session->ntypes]))
			continue;
		if (owned->count >= discovery.limit)
			leave_type(&discovery);
		else if (dgen_is_of_actions(discovery.type->id))
			own_action(&discovery);
		else
			own_mailboxes_of(&discovery);
	}
	PopActiveSnapshot();
	session->owned = owned->count;
	if (session->ntypes > 0)
		session->rotation = (session->rotation + 1) % session->ntypes;
}
