/*
 * Ends many requests at a time without a reply: canceled, or with an error. For dgen's functions in
 * PL/pgSQL.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "reply/reply.h"
#include "send/request.h"
#include "send/send_arrays.h"

PG_FUNCTION_INFO_V1(dgen_end_requests);
PG_FUNCTION_INFO_V1(dgen_end_askers);

/* Number of requests that share a writer and a memory context. */
#define END_TOGETHER 100

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static int
end_some(const Elements *requests, int from, const Reply *reply)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "dgen requests", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Answers answers = {0};
	int ended = 0;

	for (int i = from; i < Min(from + END_TOGETHER, requests->count); i++)
		if (dgen_has_element(requests, i) &&
			dgen_answers_add(&answers, DatumGetInt64(requests->values[i]), reply))
			ended++;
	dgen_answers_end(&answers);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return ended;
}

/* Without an error the requests are canceled. */
static Reply
error_argument(FunctionCallInfo fcinfo)
{
	Reply reply = {
		.error = text_argument(fcinfo, 1),
		.sqlstate = text_argument(fcinfo, 2),
		.hint = text_argument(fcinfo, 3),
	};

	if (reply.error == NULL)
		dgen_cancelled_reply(&reply);
	return reply;
}

Datum
dgen_end_requests(PG_FUNCTION_ARGS)
{
	Elements requests;
	int64 ended = 0;
	Reply reply = error_argument(fcinfo);

	dgen_get_elements(fcinfo, 0, INT8OID, &requests);
	for (int from = 0; from < requests.count; from += END_TOGETHER)
		ended += end_some(&requests, from, &reply);
	PG_RETURN_INT64(ended);
}

/* For a request that has no row. */
Datum
dgen_end_askers(PG_FUNCTION_ARGS)
{
	Reply reply = error_argument(fcinfo);

	dgen_tell_askers(PG_GETARG_INT64(0), &reply);
	PG_RETURN_VOID();
}
