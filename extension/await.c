/*
 * Waiting for replies in a transaction: dgen.await_reply and dgen.await_replies. And what
 * a reply is, for ask.c.
 */
#include "answer.h"
#include "dgen_ext.h"
#include "table.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dgen_await_reply);
PG_FUNCTION_INFO_V1(dgen_await_replies);

TimestampTz
dgen_deadline_argument(FunctionCallInfo fcinfo, int n)
{
	static const Interval zero;

	if (PG_ARGISNULL(n))
		return DT_NOEND;
	if (DatumGetInt32(
			DirectFunctionCall2(interval_cmp, PG_GETARG_DATUM(n), IntervalPGetDatum(&zero))) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout is negative"),
						errhint("Give a timeout of zero or more; NULL waits for ever.")));
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()), PG_GETARG_DATUM(n)));
}

static char *
column_text(const Request *request, int column)
{
	return request->nulls[column] ? NULL : TextDatumGetCString(request->values[column]);
}

static void
refuse(Answer *answer, int sqlstate, const char *error, const char *hint)
{
	answer->done = true;
	answer->failed = true;
	answer->sqlstate = sqlstate;
	answer->error = pstrdup(error);
	answer->hint = pstrdup(hint);
}

/* True if the row was there to be taken; a kept one stays. */
static bool
take_row(Request *request)
{
	Relation heap;
	bool taken;

	if (DatumGetBool(request->values[REQUEST_KEEP]))
		return true;
	heap = dgen_table_open(TABLE_REQUEST, RowExclusiveLock);
	taken = dgen_delete_row(heap, &request->tid);
	table_close(heap, NoLock);
	return taken;
}

static void
take_answer(Request *request, Answer *answer)
{
	answer->given = true;
	switch (request->status)
	{
		case REQUEST_REPLIED:
			answer->done = true;
			answer->reply = request->values[REQUEST_REPLY];
			break;
		case REQUEST_CANCELLED:
			refuse(answer, DGEN_ERR_REQUEST_CANCELLED, "request was cancelled",
				   "It will not be answered.");
			break;
		default:
			answer->done = true;
			answer->failed = true;
			answer->error = column_text(request, REQUEST_ERROR);
			answer->sqlstate = dgen_sqlstate_of(column_text(request, REQUEST_SQLSTATE));
			answer->hint = column_text(request, REQUEST_HINT);
			break;
	}
}

void
dgen_collect_answer(int64 id, Answer *answer)
{
	Request request;

	memset(answer, 0, sizeof(*answer));
	CHECK_FOR_INTERRUPTS();
	if (!RecoveryInProgress())
		dgen_table_lock(TABLE_REQUEST, RowExclusiveLock); /* the answer is removed */
	if (!dgen_find_request(id, &request))
	{
		refuse(answer, DGEN_ERR_UNKNOWN_REQUEST,
			   psprintf("request " INT64_FORMAT " does not exist", id),
			   "It was never sent, or its reply was collected already or has expired.");
		return;
	}
	if (!has_privs_of_role(dgen_calling_role(),
						   DatumGetObjectId(request.values[REQUEST_REQUESTER])))
	{
		refuse(answer, ERRCODE_INSUFFICIENT_PRIVILEGE,
			   psprintf("request " INT64_FORMAT " was sent by another role", id),
			   "Only the role that asked can read the reply.");
		return;
	}
	if (request.status == REQUEST_PENDING)
	{
		if (request.own)
			refuse(
				answer, DGEN_ERR_SAME_TRANSACTION,
				psprintf("request " INT64_FORMAT " was sent in this same transaction", id),
				"Commit first: nobody can see the request before. dgen.ask does all in one statement.");
		return;
	}
	if (take_row(&request))
		take_answer(&request, answer);
	else
		dgen_collect_answer(id, answer); /* somebody else has just taken it */
}

/*
 * A handler's error has any SQLSTATE, also one that this function or the server itself
 * raises. A driver tells the answer to a request from them by these fields.
 */
static int
mark_as_answer(void)
{
	err_generic_string(PG_DIAG_SCHEMA_NAME, "dgen");
	return err_generic_string(PG_DIAG_DATATYPE_NAME, "reply");
}

void
dgen_raise_answer(const Answer *answer)
{
	ereport(ERROR, (errcode(answer->sqlstate), errmsg("%s", answer->error),
					answer->hint != NULL ? errhint("%s", answer->hint) : 0,
					answer->given ? mark_as_answer() : 0));
}

void
dgen_raise_timeout(int64 id)
{
	ereport(ERROR, (errcode(DGEN_ERR_REPLY_TIMEOUT),
					errmsg("no reply to request " INT64_FORMAT " in time", id),
					errhint("The request goes on: SELECT dgen.await_reply(" INT64_FORMAT
							") waits for it again.",
							id)));
}

/*
 * Registers before it looks: a reply that commits after the look finds the waiter
 * registered.
 */
static void
await(int64 id, TimestampTz deadline, Answer *answer)
{
	dgen_refuse_in_handler("waiting for a reply",
						   "Use dgen.request with reply_to => ctx; the reply comes as a message.");
	dgen_reply_wait_begin(&id, 1);
	PG_TRY();
	{
		bool in_time = true;

		for (;;)
		{
			dgen_collect_answer(id, answer);
			if (answer->done || !in_time)
				break;
			in_time = dgen_reply_wait(deadline, false);
		}
	}
	PG_FINALLY();
	{
		dgen_reply_wait_end();
	}
	PG_END_TRY();
}

static int64
request_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("request is NULL"),
						errhint("Give the id that dgen.request returned.")));
	return PG_GETARG_INT64(0);
}

Datum
dgen_await_reply(PG_FUNCTION_ARGS)
{
	int64 id = request_argument(fcinfo);
	Answer answer;

	await(id, dgen_deadline_argument(fcinfo, 1), &answer);
	if (!answer.done)
		dgen_raise_timeout(id);
	if (answer.failed)
		dgen_raise_answer(&answer);
	PG_RETURN_DATUM(answer.reply);
}

/* ---- many ---- */

int64 *
dgen_requests_argument(FunctionCallInfo fcinfo, int *count)
{
	Datum *elements;
	bool *nulls;
	int64 *ids;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("requests is NULL"),
						errhint("Give an array of what dgen.request returned.")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &nulls, count);
	ids = palloc(*count * sizeof(int64) + 1);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("element %d of requests is NULL", i + 1),
							errhint("Give an array of what dgen.request returned.")));
		ids[i] = DatumGetInt64(elements[i]);
	}
	return ids;
}

static void
put_answer(ReturnSetInfo *result, int64 id, const Answer *answer)
{
	Datum values[4] = {0};
	bool nulls[4] = {false, true, true, true};

	values[0] = Int64GetDatum(id);
	if (!answer->failed)
	{
		values[1] = answer->reply;
		nulls[1] = false;
	}
	else
	{
		values[2] = CStringGetTextDatum(answer->error);
		values[3] = CStringGetTextDatum(unpack_sql_state(answer->sqlstate));
		nulls[2] = nulls[3] = false;
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Collects what is there; the number still missing. */
static int
collect_all(int64 *ids, Answer *answers, int count)
{
	int missing = 0;

	for (int i = 0; i < count; i++)
	{
		if (answers[i].done)
			continue;
		dgen_collect_answer(ids[i], &answers[i]);
		if (!answers[i].done)
			missing++;
	}
	return missing;
}

Datum
dgen_await_replies(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz deadline = dgen_deadline_argument(fcinfo, 1);
	int count;
	int64 *ids = dgen_requests_argument(fcinfo, &count);
	Answer *answers = palloc0(count * sizeof(Answer) + 1);

	InitMaterializedSRF(fcinfo, 0);
	dgen_refuse_in_handler("waiting for replies",
						   "Use dgen.request with reply_to => ctx; the replies come as messages.");
	dgen_reply_wait_begin(ids, count);
	PG_TRY();
	{
		while (collect_all(ids, answers, count) > 0 && dgen_reply_wait(deadline, false))
			;
		(void) collect_all(ids, answers, count);
	}
	PG_FINALLY();
	{
		dgen_reply_wait_end();
	}
	PG_END_TRY();

	for (int i = 0; i < count; i++)
	{
		if (!answers[i].done)
			refuse(&answers[i], DGEN_ERR_REPLY_TIMEOUT,
				   psprintf("no reply to request " INT64_FORMAT " in time", ids[i]),
				   "The request goes on and can be awaited again.");
		dgen_check_answer(&answers[i]);
		put_answer(result, ids[i], &answers[i]);
	}
	return (Datum) 0;
}
