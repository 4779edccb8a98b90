/*
 * The outcome of a handler: dgen.noreply, reply, fail, retry, destroy and lock make values of the
 * type dgen.outcome, and turn.c reads them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "base/delay.h"
#include "base/errors.h"
#include "send/request.h"
#include "table/shape.h"
#include "turn/turn.h"

PG_FUNCTION_INFO_V1(dgen_noreply);
PG_FUNCTION_INFO_V1(dgen_noreply_state);
PG_FUNCTION_INFO_V1(dgen_reply);
PG_FUNCTION_INFO_V1(dgen_reply_state);
PG_FUNCTION_INFO_V1(dgen_fail);
PG_FUNCTION_INFO_V1(dgen_retry);
PG_FUNCTION_INFO_V1(dgen_destroy);
PG_FUNCTION_INFO_V1(dgen_lock);
PG_FUNCTION_INFO_V1(dgen_lock_state);

typedef struct Row
{
	Datum values[OUTCOME_COLUMNS];
	bool nulls[OUTCOME_COLUMNS];
} Row;

static void
init(Row *row, const char *kind)
{
	memset(row->nulls, true, sizeof(row->nulls));
	row->values[OUTCOME_COLUMN_KIND] = CStringGetTextDatum(kind);
	row->nulls[OUTCOME_COLUMN_KIND] = false;
}

static void
put(Row *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
put_argument(Row *row, int column, FunctionCallInfo fcinfo, int n)
{
	if (!PG_ARGISNULL(n))
		put(row, column, PG_GETARG_DATUM(n));
}

/* A state that is NULL by mistake must not empty the actor. */
static void
put_state(Row *row, FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("state must not be null"),
				 errhint("To keep the state, leave the argument out. An empty state is '{}'.")));
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(n)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("state must be a JSON object"),
				 errhint("Put the value into a member, such as '{\"value\": 1}'.")));
	put(row, OUTCOME_COLUMN_STATE, PG_GETARG_DATUM(n));
}

static void
put_reply(Row *row, FunctionCallInfo fcinfo, int n)
{
	put(row, OUTCOME_COLUMN_REPLY, PG_ARGISNULL(n) ? dgen_json_null() : PG_GETARG_DATUM(n));
}

/* Once for each version of the type that this session sees. */
static void
check_type(TupleDesc desc)
{
	static uint64 checked = INVALID_TUPLEDESC_IDENTIFIER;
	const TypeCacheEntry *type = lookup_type_cache(desc->tdtypeid, TYPECACHE_TUPDESC);

	if (type->tupDesc_identifier == checked)
		return;
	dgen_check_row_type(&dgen_outcome_shape, desc);
	checked = type->tupDesc_identifier;
}

/* The row type is looked up once per expression. */
static Datum
result(FunctionCallInfo fcinfo, Row *row)
{
	TupleDesc desc = fcinfo->flinfo->fn_extra;

	if (desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "dgen.outcome is not a row type");
		check_type(desc);
		desc = BlessTupleDesc(CreateTupleDescCopy(desc));
		fcinfo->flinfo->fn_extra = desc;
		MemoryContextSwitchTo(old);
	}
	return HeapTupleGetDatum(dgen_row_form(desc, row->values, row->nulls, OUTCOME_COLUMNS));
}

Datum
dgen_noreply(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "noreply");
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_noreply_state(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "noreply");
	put_state(&row, fcinfo, 0);
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_reply(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "reply");
	put_reply(&row, fcinfo, 0);
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_reply_state(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "reply");
	put_reply(&row, fcinfo, 0);
	put_state(&row, fcinfo, 1);
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_fail(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "fail");
	put(&row, OUTCOME_COLUMN_ERROR,
		PG_ARGISNULL(0) ? CStringGetTextDatum("unspecified error") : PG_GETARG_DATUM(0));
	put(&row, OUTCOME_COLUMN_SQLSTATE,
		PG_ARGISNULL(1) ? CStringGetTextDatum(DGEN_FAIL_SQLSTATE) : PG_GETARG_DATUM(1));
	put_argument(&row, OUTCOME_COLUMN_HINT, fcinfo, 2);
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_retry(PG_FUNCTION_ARGS)
{
	Row row;

	if (!PG_ARGISNULL(0))
		dgen_check_interval(
			PG_GETARG_INTERVAL_P(0), "delay",
			"Give a delay of zero or more, up to 36525 days, or none for the type's backoff.");
	init(&row, "retry");
	put_argument(&row, OUTCOME_COLUMN_DELAY, fcinfo, 0);
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_destroy(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "destroy");
	put_argument(&row, OUTCOME_COLUMN_REPLY, fcinfo, 0);
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_lock(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "lock");
	PG_RETURN_DATUM(result(fcinfo, &row));
}

Datum
dgen_lock_state(PG_FUNCTION_ARGS)
{
	Row row;

	init(&row, "lock");
	put_state(&row, fcinfo, 0);
	PG_RETURN_DATUM(result(fcinfo, &row));
}
