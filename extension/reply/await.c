/*
 * Waits for replies in a transaction: dgen.await_reply and dgen.await_replies. Also collects answers for
 * ask.c.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "actor/in_hand.h"
#include "base/base.h"
#include "base/blame.h"
#include "base/delay.h"
#include "base/errors.h"
#include "base/rights.h"
#include "reply/answer.h"
#include "reply/reply.h"
#include "send/request.h"
#include "sleep/reply_wait.h"
#include "table/columns.h"
#include "table/table.h"
#include "write/writer.h"

PG_FUNCTION_INFO_V1(dgen_await_reply);
PG_FUNCTION_INFO_V1(dgen_await_replies);

TimestampTz
dgen_deadline_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return DT_NOEND;
	return dgen_time_after(PG_GETARG_INTERVAL_P(n), "timeout", DGEN_TIMEOUT_HINT);
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

/* Removes the row unless it is kept. */
static Deleted
take_row(Request *request)
{
	Relation heap;
	Deleted deleted;

	if (DatumGetBool(request->values[REQUEST_KEEP]))
		return DELETED_NOW;
	heap = dgen_table_open(TABLE_REQUEST, RowExclusiveLock);
	deleted = dgen_try_delete_row(heap, &request->tid);
	table_close(heap, NoLock);
	return deleted;
}

static void
take_answer(Request *request, Answer *answer)
{
	Reply reply;

	dgen_kept_reply(request, &reply);
	answer->given = answer->done = true;
	answer->failed = reply.error != NULL;
	if (!answer->failed)
	{
		answer->reply = reply.reply;
		return;
	}
	answer->error = pstrdup(reply.error);
	answer->sqlstate = dgen_sqlstate_of(reply.sqlstate);
	answer->hint = reply.hint == NULL ? NULL : pstrdup(reply.hint);
}

static void
refuse_unknown(int64 id, Answer *answer)
{
	refuse(answer, DGEN_ERR_UNKNOWN_REQUEST,
		   psprintf("request " INT64_FORMAT " does not exist", id),
		   "It was never sent, or its reply was collected already or has expired.");
}

/* False: another session has written the row since it was found. */
static bool
look_once(int64 id, Answer *answer)
{
	Request request;

	CHECK_FOR_INTERRUPTS();
	dgen_table_lock(TABLE_REQUEST, RowExclusiveLock); /* the answer will be removed */
	if (dgen_reply_wait_is_of_former() || !dgen_find_request(id, &request))
	{
		refuse_unknown(id, answer);
		return true;
	}
	if (!has_privs_of_role(dgen_calling_role(),
						   DatumGetObjectId(request.values[REQUEST_REQUESTER])))
	{
		refuse(answer, ERRCODE_INSUFFICIENT_PRIVILEGE,
			   psprintf("request " INT64_FORMAT " was sent by another role", id),
			   "Only the role that asked can read the reply.");
		return true;
	}
	if (request.status == REQUEST_PENDING)
	{
		if (request.own)
			refuse(
				answer, DGEN_ERR_SAME_TRANSACTION,
				psprintf("request " INT64_FORMAT " was sent in this transaction", id),
				"Commit first: nobody can see the request before. dgen.ask does all in one statement.");
		return true;
	}
	switch (take_row(&request))
	{
		case DELETED_NOW:
			take_answer(&request, answer);
			return true;
		case DELETED_BY_US:
			refuse_unknown(id, answer);
			return true;
		case DELETED_BY_OTHER:
			break;
	}
	return false;
}

/*
 * If another session has written the row in between, it has committed, so the next snapshot shows its
 * result. Rows that this command itself has taken stay visible to it; those need no further check.
 */
void
dgen_collect_answer(int64 id, Answer *answer)
{
	do
	{
		CHECK_FOR_INTERRUPTS();
		memset(answer, 0, sizeof(*answer));
	} while (!look_once(id, answer));
}

/*
 * A handler's error can have any SQLSTATE, also one that this function or the server itself raises. These
 * fields let a driver distinguish the answer to a request from such errors.
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

/* Explains what the request waits for, as far as the role can know that. */
static char *
reason_for_timeout(int64 id, bool unreplicated)
{
	char *reason = dgen_explain_pending(id);

	if (!unreplicated)
		return reason;
	return psprintf("The request is committed on this server alone: its commit waits for a "
					"synchronous standby, and synchronous_standby_names is \"%s\".%s%s",
					SyncRepStandbyNames, reason != NULL ? " " : "", reason != NULL ? reason : "");
}

static void
raise_timeout(int64 id, const char *reason)
{
	ereport(
		ERROR,
		(errcode(DGEN_ERR_REPLY_TIMEOUT),
		 errmsg("no reply to request " INT64_FORMAT " before the timeout", id),
		 reason != NULL ? errdetail("%s", reason) : 0,
		 errhint(
			 "The request is still open. To wait again, run SELECT dgen.await_reply(" INT64_FORMAT
			 ").",
			 id)));
}

void
dgen_raise_timeout(int64 id, bool unreplicated)
{
	raise_timeout(id, reason_for_timeout(id, unreplicated));
}

/* Registers before it checks, so a reply that commits after the check finds the waiter registered. */
static void
await(int64 id, TimestampTz deadline, Answer *answer)
{
	ReplyWait wait;

	dgen_refuse_in_handler("dgen.await_reply",
						   "Use dgen.request with reply_to => ctx; the reply comes as a message.");
	CommandCounterIncrement(); /* this statement itself might have sent the request */
	dgen_reply_wait_begin(&wait, &id, 1);
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
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("request must not be null"),
						errhint("Give the id that dgen.request returned.")));
	return PG_GETARG_INT64(0);
}

/* A caller that only checks calls often, and the reason costs a hundred times as much as the check. */
static bool
only_looks(FunctionCallInfo fcinfo)
{
	return !PG_ARGISNULL(1) && dgen_interval_us(PG_GETARG_INTERVAL_P(1)) == 0;
}

Datum
dgen_await_reply(PG_FUNCTION_ARGS)
{
	int64 id = request_argument(fcinfo);
	Answer answer;

	dgen_refuse_read_only(fcinfo);
	await(id, dgen_deadline_argument(fcinfo, 1), &answer);
	if (!answer.done)
		raise_timeout(id, only_looks(fcinfo) ? NULL : reason_for_timeout(id, false));
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
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("requests must not be null"),
				 errhint("Give an array of the ids that dgen.request returned.")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &nulls, count);
	ids = palloc(*count * sizeof(int64) + 1);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("element %d of requests must not be null", i + 1),
							errhint("Give an array of the ids that dgen.request returned.")));
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

/* Requests that are awaited together, and their answers. */
typedef struct Awaited
{
	const int64 *ids; /* as given */
	int given;
	int64 *sorted; /* without duplicates: an answer can be taken only once */
	int count;
	Answer *answers; /* in the order of `sorted` */
} Awaited;

static int
compare_ids(const void *a, const void *b)
{
	const int64 left = *(const int64 *) a;
	const int64 right = *(const int64 *) b;

	return (left > right) - (left < right);
}

/* Sorts in the order of the index, without duplicates. */
int
dgen_sort_ids(int64 *ids, int count)
{
	int kept = 0;

	qsort(ids, count, sizeof(int64), compare_ids);
	for (int i = 0; i < count; i++)
		if (i == 0 || ids[i] != ids[kept - 1])
			ids[kept++] = ids[i];
	return kept;
}

static void
begin_awaiting(Awaited *awaited, const int64 *ids, int count)
{
	awaited->ids = ids;
	awaited->given = count;
	awaited->sorted = palloc(count * sizeof(int64) + 1);
	memcpy(awaited->sorted, ids, count * sizeof(int64));
	awaited->count = dgen_sort_ids(awaited->sorted, count);
	awaited->answers = palloc0(awaited->count * sizeof(Answer) + 1);
}

/* Collects the answers that exist. Returns how many are missing. */
static int
collect_all(Awaited *awaited)
{
	int missing = 0;

	for (int i = 0; i < awaited->count; i++)
	{
		if (awaited->answers[i].done)
			continue;
		dgen_collect_answer(awaited->sorted[i], &awaited->answers[i]);
		if (!awaited->answers[i].done)
			missing++;
	}
	return missing;
}

/* Returns one row for each given id; equal ids get equal answers. */
static void
put_answers(ReturnSetInfo *result, const Awaited *awaited)
{
	for (int i = 0; i < awaited->given; i++)
	{
		const int64 *place =
			bsearch(&awaited->ids[i], awaited->sorted, awaited->count, sizeof(int64), compare_ids);
		Answer *answer = &awaited->answers[place - awaited->sorted];

		if (!answer->done)
			refuse(answer, DGEN_ERR_REPLY_TIMEOUT,
				   psprintf("no reply to request " INT64_FORMAT " before the timeout",
							awaited->ids[i]),
				   "The request is still open and can be awaited again.");
		dgen_check_answer(answer);
		put_answer(result, awaited->ids[i], answer);
	}
}

Datum
dgen_await_replies(PG_FUNCTION_ARGS)
{
	TimestampTz deadline = dgen_deadline_argument(fcinfo, 1);
	Awaited awaited;
	ReplyWait wait;
	int count;
	int64 *ids = dgen_requests_argument(fcinfo, &count);

	dgen_refuse_read_only(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	dgen_refuse_in_handler("dgen.await_replies",
						   "Use dgen.request with reply_to => ctx; the replies come as messages.");
	begin_awaiting(&awaited, ids, count);
	CommandCounterIncrement(); /* as above */
	dgen_reply_wait_begin(&wait, awaited.sorted, awaited.count);
	PG_TRY();
	{
		while (collect_all(&awaited) > 0 && dgen_reply_wait(deadline, false))
			;
		(void) collect_all(&awaited);
	}
	PG_FINALLY();
	{
		dgen_reply_wait_end();
	}
	PG_END_TRY();
	put_answers((ReturnSetInfo *) fcinfo->resultinfo, &awaited);
	return (Datum) 0;
}
