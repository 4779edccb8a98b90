/*
 * Due work: delayed messages join their mailboxes, actors continue after a backoff, locked parts
 * have exceeded their lock_timeout, or are run again.
 *
 * A row that is moved belongs to the transaction that moves it until that transaction ends. So no
 * session does this for the types of others in a transaction that a client can leave open, or in
 * which turns run:
 *
 *     for all types     in a transaction of its own that ends immediately: an in-database worker
 *                       before its batch, a client's in dgen.wait, before it sleeps and when woken
 *     for its own ones  a session in dgen.claim that finds nothing else, no more than the claim takes;
 *                       and in dgen.commit_turns, after which its transaction ends
 *
 * The alarm (alarm.c) belongs to the first: it is turned off, and set again for the next time. Work
 * for its own types leaves the alarm as it is, and the session remembers when it must check again.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/worker_session.h"
#include "base/base.h"
#include "locked/locked.h"
#include "shared/shared.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "upkeep/upkeep.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/hints.h"
#include "wake/wake.h"
#include "write/sequence.h"
#include "write/writer.h"

/* How many due messages one transaction moves, and how many backoffs it checks. */
#define MOVE_LIMIT 1000

/* Rows that another session is just moving or canceling are checked again after this, us. */
#define TAKEN_RETRY_US INT64CONST(200000)

/* After an error a session leaves what is due of its own types alone for this, us. */
#define FAILED_RETRY_US INT64CONST(1000000)

/* ---- delayed messages ---- */

/*
 * The new seq puts the message at the end of its mailbox, behind what was sent while it waited; its
 * id stays.
 */
static void
join_mailbox(DgenWriter *writer, DgenScan *scan)
{
	Datum values[DELAYED_COLUMNS];
	bool nulls[DELAYED_COLUMNS];

	memcpy(values, scan->values, sizeof(values));
	memcpy(nulls, scan->nulls, sizeof(nulls));
	if (nulls[MESSAGE_MESSAGE_ID])
	{
		values[MESSAGE_MESSAGE_ID] = values[MESSAGE_SEQ];
		nulls[MESSAGE_MESSAGE_ID] = false;
	}
	values[MESSAGE_SEQ] = Int64GetDatum(dgen_nextval(SEQUENCE_MESSAGE));
	dgen_writer_insert(writer, values, nulls);
	dgen_wakeup_sent(DatumGetInt32(values[MESSAGE_TYPE_ID]),
					 DatumGetInt64(values[MESSAGE_MAILBOX]));
}

/*
 * From where the scan stands, in the order of (type, time), up to the first that is not due. False:
 * there is none; else its type is *type_id.
 */
static bool
move_rows(DueLook *look, DgenWriter *writer, DgenScan *scan, int32 *type_id)
{
	while (look->moved < look->most && dgen_scan_next(scan))
	{
		TimestampTz due;

		dgen_scan_row(scan);
		due = DatumGetTimestampTz(scan->values[DELAYED_NOT_BEFORE]);
		*type_id = DatumGetInt32(scan->values[MESSAGE_TYPE_ID]);
		if (due > look->now)
		{
			dgen_due_later(look, *type_id, due);
			return true;
		}

		/*
		 * A session that deletes it at this moment moves or cancels it: leave it to that session,
		 * unless it rolls back.
		 */
		if (!dgen_delete_row_nowait(scan->heap, &scan->slot->tts_tid))
		{
			dgen_due_later(look, *type_id, look->now + TAKEN_RETRY_US);
			continue;
		}
		dgen_alarm_left();
		join_mailbox(writer, scan);
		look->moved++;
	}
	return false;
}

/* Past the rows of each type that are not due, however many they are. */
static void
move_all(DueLook *look, DgenWriter *writer, DgenScan *scan)
{
	int32 type_id = PG_INT32_MIN;
	ScanKeyData key;

	do
	{
		dgen_key_int4(&key, 1, BTGreaterStrategyNumber, type_id);
		dgen_scan_seek(scan, &key, 1);
	} while (move_rows(look, writer, scan, &type_id));
}

static void
move_own(DueLook *look, DgenWriter *writer, DgenScan *scan)
{
	for (int i = 0; i < look->session->ntypes && look->moved < look->most; i++)
	{
		int32 type_id = look->session->types[i].type_id;
		ScanKeyData key;

		dgen_key_int4(&key, 1, BTEqualStrategyNumber, type_id);
		dgen_scan_seek(scan, &key, 1);
		(void) move_rows(look, writer, scan, &type_id);
	}
}

static void
move_messages(DueLook *look)
{
	DgenWriter writer;
	DgenScan scan;

	dgen_writer_open(&writer, TABLE_MESSAGE);
	dgen_scan_begin(&scan, TABLE_DELAYED_MESSAGE, INDEX_BY_TIME, GetActiveSnapshot(), 1);
	if (look->session == NULL)
		move_all(look, &writer, &scan);
	else
		move_own(look, &writer, &scan);
	dgen_scan_end(&scan);
	dgen_writer_close(&writer);
	if (look->moved >= look->most)
		dgen_due_later(look, ANY_TYPE, look->now);
}

/* ---- back-offs ---- */

/* An actor whose back-off is over has work again, which no sender announces. */
static void
wake(DueLook *look, int32 type_id, int64 mailbox)
{
	if (look->session == NULL)
		dgen_wakeup_sent(type_id, mailbox);
	else if (dgen_session_has(look->session, type_id))
	{
		look->woken = true;
		dgen_hints_add(type_id, mailbox); /* for this very claim, or the next */
	}
}

static void
wake_all(const DueLook *look)
{
	if (look->session == NULL)
		dgen_wakeup_everywhere();
	else
		for (int i = 0; i < look->session->ntypes && dgen_shared_attach(); i++)
			dgen_hints_ask(look->session->types[i].type_id);
}

static void
wake_after_backoff(DueLook *look)
{
	DgenScan scan;
	ScanKeyData key;
	int woken = 0;

	dgen_key_time(&key, 1, BTGreaterEqualStrategyNumber, DT_NOBEGIN);
	dgen_scan_begin(&scan, TABLE_FAILED_ATTEMPT, INDEX_BY_TIME, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	while (dgen_scan_next(&scan))
	{
		int32 type_id;
		TimestampTz due;

		dgen_scan_row(&scan);
		due = DatumGetTimestampTz(scan.values[FAILED_RETRY_AT]);
		type_id = DatumGetInt32(scan.values[FAILED_TYPE_ID]);
		if (due > look->now)
		{
			dgen_due_later(look, type_id, due);
			break;
		}
		wake(look, type_id, DatumGetInt64(scan.values[FAILED_MAILBOX]));
		if (++woken == MOVE_LIMIT)
		{
			wake_all(look);
			break;
		}
	}
	dgen_scan_end(&scan);
}

/* ---- all of it ---- */

static void
run(DueLook *look)
{
	dgen_check_adopted();
	dgen_table_lock(TABLE_DELAYED_MESSAGE, RowExclusiveLock);
	dgen_table_lock(TABLE_FAILED_ATTEMPT, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	move_messages(look);
	wake_after_backoff(look);
	PopActiveSnapshot();
	CommandCounterIncrement();
	dgen_locked_due(look);
}

bool
dgen_move_due(void)
{
	DueLook look = {.now = GetCurrentTimestamp(), .most = MOVE_LIMIT, .next = DT_NOEND};

	dgen_alarm_taken();
	dgen_wakeup_retries();
	run(&look);
	return look.moved >= look.most;
}

/* ---- for its own types ---- */

/* What this session knows of them. */
static struct
{
	int64 worker_id;
	uint64 told;      /* dgen_dues_told, before its last check */
	TimestampTz next; /* nothing is due before, as far as was told then */
	TimestampTz looked_at;
	TimestampTz paused_until; /* its last check has raised an error */
} known;

static bool
is_anything_due(const WorkerSession *session, TimestampTz now, uint64 told)
{
	if (known.worker_id == session->id && now < known.paused_until && now >= known.looked_at)
		return false;
	return !dgen_shared_attach() || known.worker_id != session->id || known.told != told ||
		   now >= known.next || now < known.looked_at ||
		   now - known.looked_at >= dgen_safety_net_interval * INT64CONST(1000000);
}

/*
 * An operator can lock one of them for as long as a REINDEX takes, and the turns of this
 * transaction need none.
 */
static bool
try_lock_all(void)
{
	return dgen_table_try_lock(TABLE_DELAYED_MESSAGE, RowExclusiveLock) &&
		   dgen_table_try_lock(TABLE_FAILED_ATTEMPT, AccessShareLock) &&
		   dgen_table_try_lock(TABLE_LOCKED, RowExclusiveLock);
}

/* A cancel of the statement, or the end of the session, applies to all of it. */
static bool
is_about_due(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) !=
		   ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/*
 * In a subtransaction: what is due is of other actors, and the batch has done nothing to its error.
 * False: it was undone. Then dgen.wait, whose transaction does nothing else, raises that error.
 */
static bool
try_run(DueLook *look)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run(look);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_about_due(error))
			ReThrowError(error);
		ereport(LOG, (errcode(error->sqlerrcode),
					  errmsg("could not move due messages: %s", error->message)));
		FreeErrorData(error);
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

bool
dgen_move_own_due(const WorkerSession *session, int most)
{
	DueLook look = {.session = session,
					.now = GetCurrentTimestamp(),
					.most = Min(most, MOVE_LIMIT),
					.next = DT_NOEND};
	uint64 told = dgen_dues_told(session);
	bool done;

	if (!is_anything_due(session, look.now, told) || !try_lock_all())
		return false;
	known.worker_id = 0;
	done = try_run(&look);

	/* If it is rolled back, what was moved is delayed again: nothing is known then. */
	known.worker_id = done && (look.moved > 0 || look.ended) ? 0 : session->id;
	known.told = told;
	known.looked_at = look.now;
	known.paused_until = done ? 0 : look.now + FAILED_RETRY_US;
	known.next = done ? look.next : known.paused_until;
	return done && (look.moved > 0 || look.woken);
}
