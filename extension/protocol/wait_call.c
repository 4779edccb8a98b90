/*
 * dgen.wait: the CALL in which a client with a worker sleeps until there is work.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "actor/in_hand.h"
#include "base/delay.h"
#include "sleep/attached.h"
#include "sleep/procedure.h"
#include "sleep/wait.h"
#include "upkeep/upkeep.h"

PG_FUNCTION_INFO_V1(dgen_wait);

/*
 * From libpq/libpq.h, which cannot be included: it needs the headers of the authentication
 * libraries that the server was built with.
 */
extern void pq_startmsgread(void);
extern int pq_getbyte(void);
extern int pq_getmessage(StringInfo s, int maxlen);

/*
 * A waiting worker is idle, and so its session ends without a word in the log when its
 * client goes away, as an idle session does: PostgresMain would read the rest of what the
 * client sent in the same way. There is no client to run it for, and all of it is here.
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
	if (PG_ARGISNULL(0))
		return 0;
	return dgen_time_after(
		PG_GETARG_INTERVAL_P(0), "timeout",
		"Give 0 to check once and return, up to 36525 days, or NULL to wait without limit.");
}

Datum
dgen_wait(PG_FUNCTION_ARGS)
{
	TimestampTz deadline = deadline_of(fcinfo);
	WaitResult result;
	TupleDesc desc;
	Datum ready;
	bool isnull = false;

	dgen_refuse_in_handler("dgen.wait", "Return from the handler. Its worker waits between turns.");
	(void) dgen_worker_session_of_caller();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "dgen.wait was not called by CALL");
	desc = BlessTupleDesc(desc);

	dgen_procedure_commit(fcinfo, "dgen.wait");
	dgen_wait_upkeep(true);
	while ((result = wait_with_client(deadline)) == WAIT_INTERRUPTED || result == WAIT_POKED)
		dgen_process_interrupts();
	if (result == WAIT_READY)
		dgen_wait_upkeep(false);
	dgen_procedure_begin();

	ready = BoolGetDatum(result == WAIT_READY);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &ready, &isnull)));
}
