/*
 * Procedures that wait: commit the transaction of the CALL, sleep outside of any
 * transaction, begin another one to return in. A session that waits so holds no
 * snapshot and no locks.
 *
 * Called by a PL/pgSQL procedure or DO block, it cannot be outside of transactions:
 * SPI begins the next one at once. That one has no snapshot and no locks either.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "dgen_ext.h"
#include "shared.h"

/*
 * From libpq/libpq.h, which cannot be included: it needs the headers of the
 * authentication libraries that the server was built with.
 */
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;
#define FeBeWaitSetSocketPos 0
#define FeBeWaitSetNEvents 3
extern void pq_startmsgread(void);
extern int pq_getbyte(void);
extern int pq_getmessage(StringInfo s, int maxlen);

#define LONGEST_SLEEP INT64CONST(3600000000) /* us */

PG_FUNCTION_INFO_V1(dgen_wait);

/* Of the procedure that runs now: they cannot be nested. */
static MemoryContext caller_context = NULL;
static bool in_spi = false;

/* ---- sleeping ---- */

/* The backend of a client that was killed would otherwise stay in the wait. */
static void
sleep_with_client(long timeout)
{
	WaitEvent events[FeBeWaitSetNEvents];
	int count;

	/* The server sets the events it wants before each of its own waits, too. */
	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED, NULL);
	count = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events), dgen_wait_event());
	for (int i = 0; i < count; i++)
	{
		if (events[i].events & WL_POSTMASTER_DEATH)
			proc_exit(1);
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (events[i].events & WL_SOCKET_CLOSED)
		{
			ClientConnectionLost = true;
			InterruptPending = true;
		}
	}
}

void
dgen_sleep(TimestampTz until)
{
	TimestampTz now = GetCurrentTimestamp();
	long timeout;

	if (until != 0 && until <= now)
		return;
	if (until == 0 || until - now > LONGEST_SLEEP)
		until = now + LONGEST_SLEEP;
	timeout = (until - now + 999) / 1000;

	if (MyProcPort != NULL && WaitEventSetCanReportClosed())
		sleep_with_client(timeout);
	else
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout,
						 dgen_wait_event());
		ResetLatch(MyLatch);
	}
}

/* ---- transactions ---- */

static void
check_context(FunctionCallInfo fcinfo, const char *procedure)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic || IsSubTransaction())
		ereport(
			ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("%s cannot run inside a transaction block, a function or an exception block",
					procedure),
			 errdetail("It commits before it waits."),
			 errhint("Use CALL %s(...) as a statement of its own.", procedure)));

	/* Commands of the same pipeline must not be committed by the way. */
	if (!SPI_inside_nonatomic_context())
		PreventInTransactionBlock(true, procedure);
}

void
dgen_procedure_commit_again(void)
{
	in_spi = SPI_inside_nonatomic_context();
	if (in_spi)
	{
		SPI_connect_ext(SPI_OPT_NONATOMIC);
		SPI_commit();
		return;
	}
	ForgetPortalSnapshots();
	CommitTransactionCommand();
}

void
dgen_procedure_commit(FunctionCallInfo fcinfo, const char *procedure)
{
	check_context(fcinfo, procedure);
	caller_context = CurrentMemoryContext;
	dgen_procedure_commit_again();
}

void
dgen_procedure_begin(void)
{
	if (in_spi)
		SPI_finish();
	else
	{
		StartTransactionCommand();
		/* In a pipeline, what follows this CALL must not become part of its transaction. */
		MyXactFlags |= XACT_FLAGS_NEEDIMMEDIATECOMMIT;
	}
	in_spi = false;
	EnsurePortalSnapshotExists();
	MemoryContextSwitchTo(caller_context);
}

/* An error needs a transaction that it aborts. */
void
dgen_process_interrupts(void)
{
	if (!InterruptPending)
		return;
	if (IsTransactionState())
	{
		CHECK_FOR_INTERRUPTS();
		return;
	}
	dgen_procedure_begin();
	CHECK_FOR_INTERRUPTS();
	dgen_procedure_commit_again();
}

/* ---- dgen.wait ---- */

/*
 * A waiting worker is idle, and so its session ends without a word in the log when its
 * client goes away, as an idle session does: PostgresMain would read the rest of what the
 * client sent in the same way. There is nobody to run it for, and all of it is here.
 */
static void
leave_with_client(void)
{
	StringInfoData message;
	int type;

	whereToSendOutput = DestNone;
	initStringInfo(&message);
	do
	{
		pq_startmsgread();
		type = pq_getbyte();
	} while (type != EOF && pq_getmessage(&message, MaxAllocSize - 1) != EOF && type != 'X');

	if (type != 'X')
	{
		pgStatSessionEndCause = DISCONNECT_CLIENT_EOF;
		ereport(DEBUG1, (errcode(ERRCODE_CONNECTION_DOES_NOT_EXIST),
						 errmsg_internal("client went away while it waited for work")));
	}
	proc_exit(0);
}

/* Work that was announced at the same moment goes to another worker, as this one leaves. */
static WaitResult
wait_with_client(TimestampTz deadline)
{
	WaitResult result = dgen_wait_for_work(deadline);

	if (ClientConnectionLost && !IsTransactionState())
		leave_with_client();
	return result;
}

/* When the wait is over; 0: never. */
static TimestampTz
deadline_of(FunctionCallInfo fcinfo)
{
	Interval *timeout;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline;

	if (PG_ARGISNULL(0))
		return 0;
	timeout = PG_GETARG_INTERVAL_P(0);
	deadline = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(timeout)));
	if (deadline < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout of dgen.wait is negative"),
				 errdetail("It is %s.", DatumGetCString(DirectFunctionCall1(
											interval_out, IntervalPGetDatum(timeout)))),
				 errhint("Give 0 to look without waiting, or NULL to wait without a limit.")));
	return deadline;
}

Datum
dgen_wait(PG_FUNCTION_ARGS)
{
	TimestampTz deadline = deadline_of(fcinfo);
	WaitResult result;
	TupleDesc desc;
	Datum ready;
	bool isnull = false;

	dgen_refuse_in_handler("dgen.wait", "A handler does not wait: its worker does, between turns.");
	(void) dgen_worker_session();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "dgen.wait was not called by CALL");
	desc = BlessTupleDesc(desc);

	dgen_procedure_commit(fcinfo, "dgen.wait");
	while ((result = wait_with_client(deadline)) == WAIT_INTERRUPTED || result == WAIT_POKED)
		dgen_process_interrupts();
	dgen_procedure_begin();

	ready = BoolGetDatum(result == WAIT_READY);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &ready, &isnull)));
}
