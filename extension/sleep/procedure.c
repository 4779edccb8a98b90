/*
 * Procedures that wait commit the transaction of the CALL, sleep outside of any transaction, and begin
 * another one to return in. So a waiting session has no snapshot and no locks.
 *
 * A procedure that a PL/pgSQL procedure or DO block calls cannot be outside of transactions, because SPI
 * begins the next one immediately. That one has no snapshot and no locks either.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "replication/syncrep.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "shared/slot.h"
#include "sleep/procedure.h"
#include "sleep/sync_wait.h"
#include "version/process.h"

/*
 * From libpq/libpq.h, which cannot be included: it needs the headers of the
 * authentication libraries that the server was built with.
 */
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;
#define FeBeWaitSetSocketPos 0
#define FeBeWaitSetNEvents 3
extern void pq_startmsgread(void);
extern int pq_peekbyte(void);
extern void pq_endmsgread(void);

#define SYNC_BYTES 5 /* the message with which a client ends a section of a pipeline */

#define LONGEST_SLEEP INT64CONST(3600000000) /* us */

/* State of the procedure that runs now; procedures cannot be nested. */
static MemoryContext caller_context = NULL;
static bool in_spi = false;

/* ---- sleeping ---- */

static void
client_is_gone(void)
{
	ClientConnectionLost = true;
	InterruptPending = true;
}

/*
 * Also watches the client, because otherwise the backend of a killed client would continue to wait.
 * Returns whether there is input from the client, if `watched` includes that.
 */
static bool
sleep_with_client(long timeout, uint32 watched)
{
	WaitEvent events[FeBeWaitSetNEvents];
	bool readable = false;
	int count;

	/* The server also sets its events before each of its own waits. */
	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, watched, NULL);
	count = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events), dgen_wait_event());
	for (int i = 0; i < count; i++)
	{
		if (events[i].events & WL_POSTMASTER_DEATH)
			proc_exit(1);
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (events[i].events & WL_SOCKET_CLOSED)
			client_is_gone();
		if (events[i].events & WL_SOCKET_READABLE)
			readable = true;
	}
	return readable;
}

bool
dgen_sleep_for(TimestampTz until, bool for_input)
{
	TimestampTz now = GetCurrentTimestamp();
	long timeout;

	if (until != 0 && until <= now)
		return false;
	if (until == 0 || until - now > LONGEST_SLEEP)
		until = now + LONGEST_SLEEP;
	timeout = (until - now + 999) / 1000;

	if (MyProcPort != NULL && for_input)
		return sleep_with_client(timeout, WL_SOCKET_READABLE);
	if (MyProcPort != NULL && WaitEventSetCanReportClosed())
		return sleep_with_client(timeout, WL_SOCKET_CLOSED);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout,
					 dgen_wait_event());
	ResetLatch(MyLatch);
	return false;
}

void
dgen_sleep(TimestampTz until)
{
	(void) dgen_sleep_for(until, false);
}

/*
 * Has the client sent more than the statement that runs? The Sync after that statement does not count.
 * Only from 17 on can the server tell whether the buffer has more after the Sync. Later input is
 * detected, because the socket is readable although the buffer is not empty. So a client that has sent
 * more in one write should send another Sync.
 *
 * Input that is read stays in the server's buffer. With TLS the read might wait for the rest of a record
 * that the client is sending.
 */
bool
dgen_has_input(bool readable)
{
	bool buffered;
	int first;

	if (MyProcPort == NULL)
		return false;
	buffered = DGEN_BUFFERED_INPUT() > 0;
	if (buffered && readable)
		return true;
	if (!buffered && !readable)
		return false;
	pq_startmsgread();
	first = pq_peekbyte();
	pq_endmsgread();
	if (first == EOF)
		client_is_gone();
	return first != EOF && (first != 'S' || DGEN_BUFFERED_INPUT() > SYNC_BYTES);
}

/* ---- transactions ---- */

/* Raises also in a trigger that the commit of another procedure runs, because procedures are not nested. */
void
dgen_procedure_check(FunctionCallInfo fcinfo, const char *procedure)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic || IsSubTransaction())
		ereport(
			ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("%s cannot run inside a transaction block, a function or an exception block",
					procedure),
			 errdetail("The procedure commits before it waits."),
			 errhint("Use CALL %s(...) as a statement of its own.", procedure)));

	/* Must not also commit earlier commands of the same pipeline. */
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
	dgen_procedure_check(fcinfo, procedure);
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
		/* In a pipeline, commands after this CALL must not become part of its transaction. */
		MyXactFlags |= XACT_FLAGS_NEEDIMMEDIATECOMMIT;
	}
	in_spi = false;
	EnsurePortalSnapshotExists();
	MemoryContextSwitchTo(caller_context);
}

/* Does nothing under a procedure or DO block, because the transaction can have other statements. */
void
dgen_procedure_commit_lazily(void)
{
	if (!SPI_inside_nonatomic_context())
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

/* Afterwards the lazy commits of this session are as durable as others. */
bool
dgen_procedure_flush(TimestampTz deadline)
{
	int for_client = client_min_messages;

	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF || XLogRecPtrIsInvalid(XactLastCommitEnd))
		return true;
	XLogFlush(XactLastCommitEnd);

	/* Hides the server's WARNING that a user canceled the wait; the client gets an error instead. */
	client_min_messages = ERROR;
	HOLD_INTERRUPTS();
	dgen_sync_wait_begin(deadline);
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	RESUME_INTERRUPTS();
	client_min_messages = for_client;
	return !dgen_sync_wait_end();
}

/* An error needs a transaction to abort. */
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

bool
dgen_procedure_run(bool (*work)(void))
{
	bool result;

	if (!in_spi)
		StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = RecoveryInProgress(); /* ignores default_transaction_read_only */
	result = !XactReadOnly && work();
	if (in_spi)
		SPI_commit();
	else
		CommitTransactionCommand();
	return result;
}
