/*
 * Failed attempts that another session has left to be counted (dgen_charge). The next claim for the
 * type records them, or a session in a transaction that ends immediately. The transaction of a
 * claim might be rolled back: its batch might also have a turn that ends its worker. Then the
 * records are undone with it, and the charges are put back for the next claim:
 *
 *     charge ──taken──> recorded ──COMMIT──> counted
 *       ^                  │
 *       └───── rolled back ┘
 *
 * Otherwise several such messages, each recorded by a claim that another one of them ends, would
 * never count an attempt. If recording a charge raises an error, the charge is discarded, because
 * all claims would fail with it. It is kept if the error has another cause: the claim was canceled,
 * its session was ended, or another session was in its way.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/ipc.h"

#include "actor/worker_session.h"
#include "shared/charge.h"
#include "table/table.h"
#include "upkeep/upkeep.h"
#include "wake/alarm.h"

/* Recorded by one transaction, at most. */
#define MOST_TAKEN 64

typedef struct Taken
{
	Charge charge;
	SubTransactionId subid; /* in which it was recorded */
} Taken;

static Taken taken[MOST_TAKEN];
static int ntaken = 0;
static int recording = -1; /* the one of them that is being recorded */

/* Also at the end of the session: never raises. Those before it were recorded before it began. */
static void
put_back(SubTransactionId subid)
{
	int kept = 0;

	while (kept < ntaken && taken[kept].subid < subid)
		kept++;
	for (int i = kept; i < ntaken; i++)
		if (i != recording || proc_exit_inprogress)
			dgen_charge(&taken[i].charge);
	ntaken = kept;
	recording = -1;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		put_back(InvalidSubTransactionId);
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		ntaken = 0;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && ntaken > 0)
		put_back(subid);
}

static void
register_callbacks(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
	}
	registered = true;
}

/* The last one of those that are recorded now replaces one that could not be recorded. */
static void
forget(int index)
{
	taken[index] = taken[--ntaken];
}

static bool
is_due_to_others(int sqlstate)
{
	return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		   ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_OPERATOR_INTERVENTION ||
		   ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_T_R_DEADLOCK_DETECTED);
}

/* One that is not dropped after an error is put back when the transaction is. */
static bool
record(int index)
{
	volatile bool recorded = false;

	recording = index;
	PG_TRY();
	{
		recorded = dgen_record_charge(&taken[index].charge);
	}
	PG_CATCH();
	{
		if (is_due_to_others(geterrcode()))
			recording = -1;
		PG_RE_THROW();
	}
	PG_END_TRY();
	recording = -1;
	return recorded;
}

/* A worker whose turn took it along could not record the attempt itself. */
void
dgen_record_charges(const WorkerSession *session)
{
	Charge charges[8];
	int first = ntaken;
	int count;

	if (!dgen_has_charges())
		return;
	/* First: those of an extension that is dropped in the meantime are forgotten with it. */
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	count = dgen_take_charges(session, charges, Min(lengthof(charges), MOST_TAKEN - ntaken));
	register_callbacks();
	for (int i = 0; i < count; i++)
		taken[ntaken++] = (Taken){charges[i], GetCurrentSubTransactionId()};
	for (int i = ntaken - 1; i >= first; i--)
		if (!record(i))
		{
			dgen_charge(&taken[i].charge); /* its attempt still counts */
			forget(i);
		}
}
