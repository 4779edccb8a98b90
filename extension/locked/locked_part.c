/*
 * Locked parts: which one the session runs, its beginning under a new fence, and its end by a
 * transaction that owns the actor and finds this fence in its row (claim/part.c).
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "claim/part.h"
#include "claim/read_batch.h"
#include "commit/failure.h"
#include "commit/locked.h"
#include "locked/locked.h"
#include "own/own.h"
#include "shared/shared.h"
#include "sleep/attached.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "wake/held_locks.h"
#include "wake/locked_look.h"
#include "wake/wake.h"
#include "write/sequence.h"

/* The maximum number of parts that a check tries to own. */
#define MOST_CANDIDATES 16

/* An in-database worker cancels its handler itself: this is for one that cannot, us. */
#define EXPIRY_GRACE_US INT64CONST(5000000)

/* ---- looking for one ---- */

typedef struct Candidate
{
	int64 mailbox;
	int64 fence;
	bool begun;
} Candidate;

typedef struct Look
{
	const ActorType *type;
	bool left; /* there is one, or was, that this session does not get */
	int count;
	Candidate candidates[MOST_CANDIDATES];
} Look;

/* A paused actor waits for dgen.resume, which requests a check. */
static bool
may_be_run(const DgenScan *scan, int index)
{
	if (index == INDEX_BY_EXPIRY && dgen_part_is_alive(DatumGetInt64(scan->values[LOCKED_FENCE])))
		return false;
	return !dgen_actor_is_paused(DatumGetInt32(scan->values[LOCKED_TYPE_ID]),
								 DatumGetInt64(scan->values[LOCKED_MAILBOX]),
								 DatumGetTextPP(scan->values[LOCKED_ACTOR_KEY]));
}

/*
 * By expires_at those that have begun come first, and have an end: whose session is gone?
 * By retry_at come those that wait, the oldest first. A look answers for its bucket, so
 * another type's that no worker runs makes it say that there are more.
 */
static void
collect(Look *look, int index, int column, TimestampTz before)
{
	DgenScan scan;
	ScanKeyData key;

	dgen_key_time(&key, 1, BTGreaterEqualStrategyNumber, DT_NOBEGIN);
	dgen_scan_begin(&scan, TABLE_LOCKED, index, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	while (look->count < MOST_CANDIDATES && dgen_scan_next(&scan))
	{
		CHECK_FOR_INTERRUPTS();
		dgen_scan_row(&scan);
		if (DatumGetTimestampTz(scan.values[column]) >= before)
			break;
		if (bucket_of(DatumGetInt32(scan.values[LOCKED_TYPE_ID])) != bucket_of(look->type->id) ||
			!may_be_run(&scan, index))
			continue;
		if (DatumGetInt32(scan.values[LOCKED_TYPE_ID]) != look->type->id)
			look->left = true;
		else
			look->candidates[look->count++] =
				(Candidate){DatumGetInt64(scan.values[LOCKED_MAILBOX]),
							DatumGetInt64(scan.values[LOCKED_FENCE]), index == INDEX_BY_EXPIRY};
	}
	look->left |= look->count == MOST_CANDIDATES;
	dgen_scan_end(&scan);
}

static bool
begin(const WorkerSession *session, const BatchActor *actor)
{
	int64 fence = dgen_nextval(SEQUENCE_VERSION);
	TimestampTz expires_at = GetCurrentTimestamp() + actor->type->lock_timeout_ms * 1000;

	if (session->in_database)
		expires_at += EXPIRY_GRACE_US;
	if (!dgen_part_take(actor, fence))
		return false;
	if (dgen_begin_locked(actor, fence, expires_at, session->name))
		return true;
	dgen_part_forget();
	return false;
}

static void
record_lost(Batch *batch)
{
	Failure failure = {
		.error = DGEN_LOCK_LOST_MESSAGE,
		.sqlstate = unpack_sql_state(DGEN_ERR_LOCK_LOST),
		.hint = DGEN_LOCK_LOST_HINT,
	};

	(void) dgen_record_failure(&batch->actors[0], &batch->actors[0].messages[0], &failure);
}

/* Another session might have been faster: then the fence has changed. */
static bool
try_candidate(const WorkerSession *session, Look *look, const Candidate *candidate)
{
	Batch *batch;
	bool begun;

	if (dgen_try_own(look->type->id, candidate->mailbox) == HELD_BY_ANOTHER)
	{
		look->left = true;
		return false;
	}
	batch = dgen_read_locked(look->type, candidate->mailbox, candidate->fence, NULL, READ_TRY);
	if (batch != NULL && candidate->begun && dgen_part_is_published(candidate->fence))
	{
		record_lost(batch);
		batch = NULL;
	}
	begun = batch != NULL && begin(session, &batch->actors[0]);
	look->left |= !begun;
	return begun;
}

static bool
look_for(const WorkerSession *session, Look *look)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	collect(look, INDEX_BY_EXPIRY, LOCKED_EXPIRES_AT, DT_NOEND);
	collect(look, INDEX_BY_TIME, LOCKED_RETRY_AT, GetCurrentTimestamp());
	PopActiveSnapshot();
	for (int i = 0; i < look->count; i++)
		if (try_candidate(session, look, &look->candidates[i]))
			return true;
	return false;
}

typedef enum Looked
{
	LOOKED_NOT,     /* no check was requested */
	LOOKED_REFUSED, /* one is kept for messages, this one */
	LOOKED_IN_VAIN,
	LOOKED_AND_BEGAN
} Looked;

static Looked
begin_one(const WorkerSession *session, const ActorType *type, uint32 asked)
{
	Look look = {.type = type};
	bool paused;

	dgen_part_register();
	if (!dgen_part_reserve(type->id))
		return LOOKED_REFUSED;
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	paused = dgen_type_is_paused(type->id);
	PopActiveSnapshot();
	if (!paused && look_for(session, &look))
	{
		dgen_wakeup_others();
		dgen_wakeup_left(type->id);
		return LOOKED_AND_BEGAN;
	}
	dgen_part_publish(0);
	if (!look.left)
		dgen_locked_answer(type->id, asked);
	return LOOKED_IN_VAIN;
}

static Looked
look_in_type(const WorkerSession *session, const WorkerType *worker_type)
{
	const ActorType *type;
	uint32 asked;

	if (!dgen_part_is_wanted(worker_type, &asked))
		return LOOKED_NOT;
	dgen_refuse_isolation("claiming a locked part");
	/* As for a batch: dgen.drop_actor_type waits for this lock, and not for rows in between. */
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	dgen_session_check(session);
	dgen_table_lock(TABLE_LOCKED, RowExclusiveLock);
	dgen_table_lock(TABLE_PAUSED, AccessShareLock);
	dgen_check_adopted();
	type = dgen_type_by_id(worker_type->type_id, true);
	if (type == NULL || !dgen_session_serves(session, type))
		return LOOKED_NOT;
	return begin_one(session, type, asked);
}

/* Of the types that it has yet to check. If it is refused, it can try again. */
static bool
look_in_types(WorkerSession *session, bool *again)
{
	bool refused = false;
	bool in_vain = false;

	for (int i = 0; i < session->ntypes; i++)
	{
		WorkerType *type = &session->types[(session->rotation + i) % session->ntypes];
		Looked looked = type->looked_at ? LOOKED_NOT : look_in_type(session, type);

		if (looked == LOOKED_AND_BEGAN)
			return true;
		type->looked_at = looked != LOOKED_REFUSED;
		refused |= looked == LOOKED_REFUSED;
		in_vain |= looked == LOOKED_IN_VAIN;
	}
	*again = refused && in_vain;
	return false;
}

/*
 * While a session checks for parts of one type, it counts as running one, for all its types.
 * Another session might have been kept for messages because of that, and sleep, while this one was
 * refused the parts that the other one left: it tries those again after a check that found nothing.
 */
bool
dgen_part_begin(WorkerSession *session)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	bool again = true;
	bool begun = false;

	for (int i = 0; i < session->ntypes; i++)
		session->types[i].looked_at = false;
	while (again && !begun)
		begun = look_in_types(session, &again);
	MemoryContextSwitchTo(old);
	return begun;
}

/* ---- running and ending it ---- */

Batch *
dgen_part_look(void)
{
	const LockedPart *part = dgen_part();
	const ActorType *type;

	dgen_table_lock(TABLE_LOCKED, AccessShareLock);
	type = part == NULL || dgen_part_is_of_former() ? NULL : dgen_type_by_id(part->type_id, true);
	return type == NULL ? NULL
						: dgen_read_locked(type, part->mailbox, part->fence, NULL, READ_LOOK);
}

Batch *
dgen_part_own(void)
{
	const LockedPart *part = dgen_part();
	const ActorType *type;
	Batch *batch = NULL;

	if (part == NULL)
		return NULL;
	if (!part->begun)
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
						errmsg("the claim of the locked part is not committed"),
						errhint("Commit the claim before you run or end the locked part.")));
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	dgen_session_check(dgen_worker_session());
	type = dgen_type_by_id(part->type_id, true);
	if (type != NULL)
	{
		dgen_own(type->id, part->mailbox);
		batch = dgen_read_locked(type, part->mailbox, part->fence, NULL, READ_WAIT);
	}
	if (batch == NULL)
		dgen_part_forget_because(NO_PART_LEFT);
	return batch;
}

void
dgen_part_fail(const Failure *failure)
{
	const LockedPart *part = dgen_part();
	const ActorType *type =
		part == NULL || dgen_part_is_of_former() ? NULL : dgen_type_by_id(part->type_id, true);

	if (type != NULL)
		(void) dgen_part_fail_attempt(type, part->mailbox, part->fence, failure);
}
