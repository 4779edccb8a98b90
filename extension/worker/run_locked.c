/*
 * A locked part of an in-database handler: begun in one transaction, run and ended in another,
 * alone.
 *
 * The handler runs before the actor is owned, so that turns of a higher priority can run in the
 * meantime. The changes that it made to its copy of the state are applied to the state at the end.
 * It runs in a subtransaction: if it fails, the failure is recorded instead.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/worker_session.h"
#include "base/blame.h"
#include "base/errors.h"
#include "claim/part.h"
#include "claim/suspect.h"
#include "commit/commit.h"
#include "commit/failure.h"
#include "commit/locked.h"
#include "locked/locked.h"
#include "shared/charge.h"
#include "sleep/wait.h"
#include "turn/session_locks.h"
#include "turn/turn.h"
#include "wake/announce.h"
#include "wake/locked_look.h"
#include "worker/workers.h"

typedef struct RunPart
{
	MemoryContext context;
	Charge part;
	bool lost; /* the lock was ended: what it did is undone */
	bool failed;
	Failure failure;
} RunPart;

/* ---- beginning ---- */

static bool
is_asked(const WorkerSession *session)
{
	uint32 asked;

	for (int i = 0; i < session->ntypes; i++)
		if (dgen_part_is_wanted(&session->types[i], &asked))
			return true;
	return false;
}

/*
 * The messages that the last batch did not reach were for the next claim of this worker, which
 * might be far off now.
 */
static void
call_others(const WorkerSession *session)
{
	for (int i = 0; i < session->ntypes; i++)
		dgen_wakeup_now(session->types[i].type_id);
}

static bool
begin_part(WorkerSession *session, bool *announced)
{
	bool begun;

	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	*announced = dgen_wakeup_claiming();
	begun = dgen_part_begin(session);
	CommitTransactionCommand();
	return begun;
}

/* ---- running ---- */

static void
apply(Batch *given, Outcome *outcome)
{
	Batch *batch = dgen_part_own();
	BatchActor *actor;

	if (batch == NULL)
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED), errmsg("the lock of the actor has ended")));
	if (dgen_part_is_lost())
		dgen_part_raise_lost();
	actor = &batch->actors[0];
	if (outcome->state != NULL)
		outcome->state = dgen_merge_states(given->actors[0].state, outcome->state, actor->state);
	dgen_apply_outcome(batch, actor, outcome);
	dgen_commit_batch(batch);
}

/* False: its changes must be undone. */
static bool
run_handler(RunPart *run)
{
	Batch *given = dgen_part_look();
	Outcome outcome;

	if (given == NULL)
	{
		run->lost = true;
		return false;
	}
	run->part.type_id = given->actors[0].type->id;
	run->part.message_id = given->actors[0].messages[0].id;
	dgen_set_running_batch(given);
	dgen_run_turn(&given->actors[0], &given->actors[0].messages[0], false, &outcome);
	MemoryContextSwitchTo(run->context);
	if (outcome.kind == OUTCOME_FAIL || outcome.kind == OUTCOME_RETRY)
	{
		run->failed = true;
		dgen_failure_of_outcome(&run->failure, &outcome);
		return false;
	}
	dgen_session_locks_check(given->actors[0].type);
	apply(given, &outcome);
	return true;
}

static void
take_error(RunPart *run)
{
	ErrorData *error;

	MemoryContextSwitchTo(run->context);
	error = CopyErrorData();
	FlushErrorState();
	run->failed = true;
	dgen_failure_of_error(&run->failure, error);
	run->failure.retry = dgen_is_blameless(error);
	if (error->sqlerrcode == DGEN_ERR_CHANGED)
		dgen_log_changed(error);
}

static void
try_handler(RunPart *run)
{
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run->context);
	PG_TRY();
	{
		if (run_handler(run))
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		take_error(run);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	CurrentResourceOwner = owner;
	dgen_set_running_batch(NULL);
	if (run->failed)
		dgen_session_locks_release();
}

static void
record(RunPart *run)
{
	Batch *batch = dgen_part_own();

	if (batch != NULL)
		(void) dgen_record_failure(&batch->actors[0], &batch->actors[0].messages[0], &run->failure);
}

bool
dgen_run_locked(WorkerSession *session, bool *announced)
{
	RunPart run = {0};

	dgen_part_abandon(); /* whose end has failed */
	if (!is_asked(session) || !begin_part(session, announced))
		return false;

	call_others(session);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	run.context =
		AllocSetContextCreate(TopTransactionContext, "dgen locked part", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run.context);
	dgen_session_busy(true);
	dgen_part_hold_on();
	try_handler(&run);
	dgen_absolve_part(&run.part);
	if (run.failed)
		record(&run);
	if (run.lost)
		dgen_part_forget();
	dgen_session_count_turns(1);
	dgen_session_busy(false);
	MemoryContextSwitchTo(TopTransactionContext);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}
