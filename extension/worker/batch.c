/*
 * A batch of an in-database worker: one transaction that claims, runs the handlers and commits.
 *
 * The actors' locks belong to the transaction. Everything else happens in one subtransaction. If a
 * turn fails, dgen rolls that back, and runs the turns one by one, each in a subtransaction of its
 * own. The failing ones are recorded, the others commit. Row locks are taken inside the
 * subtransaction that updates the rows, because a lock of the parent would make each update a
 * multixact.
 *
 * A batch that has run for dgen.batch_duration ends with the turn that runs, also when turns fail.
 * The next claim, which begins with another type, finds the messages that the batch did not reach.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/worker_session.h"
#include "base/base.h"
#include "base/blame.h"
#include "base/errors.h"
#include "claim/claim.h"
#include "claim/read_batch.h"
#include "claim/suspect.h"
#include "commit/commit.h"
#include "commit/failure.h"
#include "sleep/wait.h"
#include "turn/deferred.h"
#include "turn/session_locks.h"
#include "turn/turn.h"
#include "upkeep/upkeep.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "worker/workers.h"

/*
 * Subtransactions one by one per transaction: more than 64 that are open at a time would overflow
 * the snapshots of the whole server.
 */
#define SINGLE_TURNS 32

/*
 * Batches in a row in which nothing could be handled (paused, backing off), before the worker
 * waits. The next one continues where the last one stopped.
 */
#define EMPTY_BATCHES 100

/* Memory that a batch can use, as a multiple of dgen.batch_bytes, which limits what it reads. */
#define BATCH_MEMORY 4

typedef struct Run
{
	WorkerSession *session;
	BatchLimits limits;
	Owned owned;
	MemoryContext context;
	instr_time start;
	int turns;
	bool late; /* it has taken long; its start is moved for the turns one by one */

	/* The turn that runs, or ran last. */
	bool running;
	instr_time turn_start;
	int32 type_id;
	int64 mailbox;
	int64 message_id;

	/* What was undone, because a turn failed; what came of that one, unless it is run again. */
	const Batch *undone;
	int begun;      /* turns of it, the failed one included */
	int64 known_id; /* 0: it is */
	Failure known;
	ErrorData *known_error;
} Run;

/*
 * Has the batch run long enough, or have its turns made states and replies that fill the memory? Or
 * has one set modes of constraints, which the next would find? It commits what it has.
 */
static bool
is_enough(const Run *run)
{
	return dgen_modes_changed() || dgen_elapsed_us(run->start) >= dgen_batch_duration * 1000.0 ||
		   MemoryContextMemAllocated(run->context, true) >= BATCH_MEMORY * run->limits.bytes;
}

/* Also one that has raised: a type whose turns fail slowly gets small batches, too. */
static void
measure(Run *run)
{
	if (run->running)
		dgen_measure_turns(run->session, run->type_id, dgen_elapsed_us(run->turn_start));
	run->running = false;
}

static void
run_measured(Run *run, BatchActor *actor, Outcome *outcome)
{
	INSTR_TIME_SET_CURRENT(run->turn_start);
	run->begun++;
	run->running = true;
	run->type_id = actor->type->id;
	run->mailbox = actor->mailbox;
	run->message_id = actor->messages[actor->handled].id;
	dgen_run_turn(actor, &actor->messages[actor->handled], false, outcome);
	measure(run);
}

/* ---- all at once ---- */

/*
 * Once is enough of a turn that took long. It comes to the same when those before it have run
 * again; one that took as long as it may does so in any case.
 */
static bool
is_known(const Run *run, const ErrorData *error)
{
	if (error != NULL && error->sqlerrcode == DGEN_ERR_TURN_TIMEOUT)
		return true;
	return is_enough(run) && run->begun <= SINGLE_TURNS && !dgen_is_blameless(error);
}

static void
know_error(Run *run, ErrorData *error)
{
	if (!is_known(run, error))
		return;
	run->known_id = run->message_id;
	run->known_error = error;
	dgen_failure_of_error(&run->known, error);
}

static void
know_outcome(Run *run, const Outcome *outcome)
{
	if (!is_known(run, NULL))
		return;
	run->known_id = run->message_id;
	dgen_failure_of_outcome(&run->known, outcome);
}

/* False if a turn asked to be rolled back. */
static bool
run_actor(Run *run, Batch *batch, BatchActor *actor)
{
	while (actor->handled < actor->nmessages)
	{
		Outcome outcome;

		CHECK_FOR_INTERRUPTS();
		run_measured(run, actor, &outcome);
		if (outcome.kind == OUTCOME_FAIL || outcome.kind == OUTCOME_RETRY)
		{
			know_outcome(run, &outcome);
			return false;
		}
		dgen_apply_outcome(batch, actor, &outcome);
		if (actor->locks || is_enough(run))
			break;
	}
	return true;
}

static bool
run_all(Run *run)
{
	Batch *batch = dgen_read_batch(&run->owned, 0, run->owned.count, &run->limits);

	run->undone = batch; /* unless it commits */
	dgen_set_running_batch(batch);
	for (int i = 0; i < batch->nactors && (i == 0 || !is_enough(run)); i++)
	{
		if (!run_actor(run, batch, &batch->actors[i]))
			return false;
	}
	if (dgen_session_locks_left())
		return false; /* run alone, the turn shows itself */
	for (int i = 0; i < batch->nactors; i++)
		run->turns += batch->actors[i].handled;
	dgen_commit_batch(batch);
	for (int i = 0; batch->has_rate && i < batch->nactors; i++)
		dgen_unread_turns(run->session, batch->actors[i].type,
						  batch->actors[i].nmessages - batch->actors[i].handled);
	return true;
}

/* ---- one by one ---- */

/* The result of one attempt. */
typedef struct Attempt
{
	BatchActor *actor; /* NULL: the mailbox has nothing to handle */
	bool failed;
	Failure failure;
	ErrorData *error; /* if the handler raised one */
} Attempt;

static void
fail_with_error(Attempt *attempt, ErrorData *error)
{
	attempt->error = error;
	attempt->failed = true;
	dgen_failure_of_error(&attempt->failure, error);
}

static void
fail_with_outcome(Attempt *attempt, const Outcome *outcome)
{
	attempt->failed = true;
	dgen_failure_of_outcome(&attempt->failure, outcome);
}

static void
run_one(Run *run, int mailbox, Attempt *attempt)
{
	BatchLimits one = {.actors = 1, .messages = 1, .bytes = MaxAllocHugeSize};
	Batch *batch = dgen_read_batch(&run->owned, mailbox, 1, &one);
	Outcome outcome;

	if (batch->nactors == 0)
		return;
	dgen_set_running_batch(batch);
	attempt->actor = &batch->actors[0];
	if (attempt->actor->messages[0].id == run->known_id)
	{
		attempt->failed = true;
		attempt->failure = run->known;
		attempt->error = run->known_error;
		return;
	}
	run_measured(run, attempt->actor, &outcome);
	if (outcome.kind == OUTCOME_FAIL || outcome.kind == OUTCOME_RETRY)
		fail_with_outcome(attempt, &outcome);
	else
	{
		dgen_session_locks_check(attempt->actor->type);
		dgen_apply_outcome(batch, attempt->actor, &outcome);
		dgen_commit_batch(batch);
	}
}

/*
 * One message in a subtransaction. True if the mailbox might have another one to handle now.
 */
static bool
attempt_one(Run *run, int mailbox)
{
	Attempt *attempt = MemoryContextAllocZero(run->context, sizeof(Attempt));
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run->context);
	PG_TRY();
	{
		run_one(run, mailbox, attempt);
		MemoryContextSwitchTo(run->context);
		if (attempt->failed)
			RollbackAndReleaseCurrentSubTransaction();
		else
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(run->context);
		measure(run);
		fail_with_error(attempt, CopyErrorData());
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	CurrentResourceOwner = owner;
	dgen_set_running_batch(NULL);
	if (attempt->failed)
		dgen_session_locks_release();

	/* An error before the turn began: nothing is recorded, the worker backs off. */
	if (attempt->failed && attempt->actor == NULL)
		ReThrowError(attempt->error);
	if (attempt->actor == NULL)
		return false;
	run->turns++;
	if (!attempt->failed)
		return true;
	if (attempt->actor->messages[0].id != run->known_id)
		run->known_id = 0; /* not the one that failed before, but it might have been the cause */
	/*
	 * That counts as no attempt. But one actor alone can fill the disk, so the others continue.
	 */
	dgen_absolve(attempt->actor, 1);
	attempt->failure.retry |= dgen_is_blameless(attempt->error);
	if (attempt->error != NULL && attempt->error->sqlerrcode == DGEN_ERR_CHANGED)
		dgen_log_changed(attempt->error);
	return dgen_record_failure(attempt->actor, &attempt->actor->messages[0], &attempt->failure);
}

static void
run_mailbox(Run *run, int mailbox, int *left)
{
	do
	{
		CHECK_FOR_INTERRUPTS();
		(*left)--;
	} while (attempt_one(run, mailbox) && *left > 0 && !is_enough(run));
}

static bool
is_failed_mailbox(const Run *run, int mailbox)
{
	return run->owned.mailboxes[mailbox].mailbox == run->mailbox &&
		   run->owned.mailboxes[mailbox].type->id == run->type_id;
}

/* Turns of the mailbox that were undone. */
static int
undone_turns(const Run *run, int mailbox)
{
	int turns = is_failed_mailbox(run, mailbox) ? 1 : 0;

	for (int i = 0; i < run->undone->nactors; i++)
		if (run->undone->actors[i].mailbox == run->owned.mailboxes[mailbox].mailbox &&
			run->undone->actors[i].type->id == run->owned.mailboxes[mailbox].type->id)
			turns += run->undone->actors[i].handled;
	return turns;
}

/*
 * Those before the one that failed took no time. If one of them fails now, nothing is known of
 * that.
 */
static void
run_undone(Run *run)
{
	for (int i = 0; i < run->owned.count; i++)
	{
		for (int turns = undone_turns(run, i); turns > 0; turns--)
		{
			CHECK_FOR_INTERRUPTS();
			if (!attempt_one(run, i))
				break;
			if (dgen_modes_changed())
				return;
		}
		if (is_failed_mailbox(run, i))
			return;
	}
}

/* The one that failed first: left to the next batch, it would undo that as well. */
static void
run_failed(Run *run, int *left)
{
	for (int i = 0; i < run->owned.count; i++)
		if (is_failed_mailbox(run, i))
			run_mailbox(run, i, left);
}

/*
 * A batch that has taken long already ends with the turn that failed: the rest is for the
 * next claim, or for another worker's.
 */
static void
run_singly(Run *run)
{
	int left = SINGLE_TURNS;

	run->late = run->begun > 0 && is_enough(run);
	if (run->owned.limited)
		dgen_read_again(run->session);
	INSTR_TIME_SET_CURRENT(run->start); /* what was undone does not count */
	if (run->late && run->begun <= SINGLE_TURNS)
		run_undone(run);
	else if (run->late)
		run_failed(run, &left);
	else
		for (int i = 0; i < run->owned.count && left > 0 && (i == 0 || !is_enough(run)); i++)
			run_mailbox(run, i, &left);
}

/* ---- the batch ---- */

static bool
try_all(Run *run)
{
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run->context);
	PG_TRY();
	{
		done = run_all(run);
		MemoryContextSwitchTo(run->context);
		if (done)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(run->context);
		if (run->running)
			know_error(run, CopyErrorData());
		measure(run);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	CurrentResourceOwner = owner;
	dgen_set_running_batch(NULL);
	if (!done)
	{
		run->turns = 0;
		dgen_session_locks_release();
	}
	return done;
}

/*
 * Delayed messages that are due, in a transaction of their own: claimable immediately by every
 * worker.
 */
static void
move_due(void)
{
	bool more;

	do
	{
		StartTransactionCommand();
		more = dgen_move_due();
		CommitTransactionCommand();
		CHECK_FOR_INTERRUPTS();
	} while (more);
}

/* Of any type: the turns of a batch are not to hold their actors. */
static void
record_charges(void)
{
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	dgen_record_charges(NULL);
	CommitTransactionCommand();
}

static void
maintain(void)
{
	bool more;

	do
	{
		StartTransactionCommand();
		XactIsoLevel = XACT_READ_COMMITTED;
		more = dgen_maintain();
		CommitTransactionCommand();
		CHECK_FOR_INTERRUPTS();
	} while (more);
}

/* Is it worth while to claim again at once? */
static bool
more_to_do(const Run *run)
{
	static int empty_batches = 0;

	if (run->turns > 0)
		empty_batches = 0;
	else if (!run->owned.left || ++empty_batches >= EMPTY_BATCHES)
	{
		empty_batches = 0;
		return false;
	}
	return true;
}

bool
dgen_run_batch(WorkerSession *session)
{
	/*
	 * Not two locked parts in a row: this worker might be the only one for the messages of others.
	 */
	static bool part_last = false;
	Run run = {.session = session};
	bool announced = false;
	bool more;

	dgen_crash_conclude();
	if (dgen_alarm_due(GetCurrentTimestamp()))
		move_due();
	if (dgen_has_charges())
		record_charges();
	part_last = !part_last && dgen_run_locked(session, &announced);
	if (part_last)
		return true;

	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) dgen_wakeup_claiming();
	run.context = AllocSetContextCreate(TopTransactionContext, "dgen run", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run.context);
	INSTR_TIME_SET_CURRENT(run.start);
	dgen_batch_limits(session, &run.limits);
	dgen_own_mailboxes(session, &run.limits, &run.owned);
	dgen_limit_suspects(run.owned.level, &run.limits);
	if (run.owned.count > 0)
	{
		dgen_session_busy(true);
		/* What an action does outside is not rolled back: it is run once for each attempt. */
		if (dgen_is_of_actions(run.owned.mailboxes[0].type->id) || !try_all(&run))
			run_singly(&run);
		if (run.late || is_enough(&run))
			dgen_begin_behind(session, run.type_id);
		dgen_session_count_turns(run.turns);
		dgen_session_busy(false);
	}
	if (run.owned.limited)
		dgen_settle_turns(session, &run.owned);
	MemoryContextSwitchTo(TopTransactionContext);
	PopActiveSnapshot();
	CommitTransactionCommand();

	more = more_to_do(&run);
	if (dgen_maintenance_due(!more))
		maintain();
	/*
	 * The check notes what is announced, and searches for no messages: they would wait
	 * indefinitely.
	 */
	announced = false;
	if (!more)
		part_last = dgen_run_locked(session, &announced);
	return more || part_last || announced;
}
