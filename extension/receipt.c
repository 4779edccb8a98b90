/*
 * What became of a batch whose COMMIT was sent and whose answer never came? The worker
 * leaves a receipt in the transaction of the batch, and asks for it later, in another session.
 *
 * The transaction's id would not do: after a crash it may be given to another transaction, if
 * nothing that it wrote had been flushed. And the lost session may live on for a while, with
 * the COMMIT still on its way. So asking also decides: a batch without a receipt by then gets none
 * any more.
 *
 *     no row ──receipt(1)──> batch 1 ──receipt(2)──> batch 2 ──settle──> closed
 *        └─────────────────────────settle───────────────────────────────────^
 *
 * Rows are by role, so that nobody can close those of others.
 */
#include "dgen_ext.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "session.h"

PG_FUNCTION_INFO_V1(dgen_receipt);
PG_FUNCTION_INFO_V1(dgen_settle);

/* Operators are qualified: this runs with the worker's search_path. A row waits for who writes it. */
static const char *const write_sql =
	"INSERT INTO dgen.receipt AS r (worker_id, role, batch, closed, written_at)"
	" VALUES ($1, $2, $3, false, pg_catalog.clock_timestamp())"
	" ON CONFLICT (worker_id, role)"
	" DO UPDATE SET batch = EXCLUDED.batch, written_at = EXCLUDED.written_at"
	" WHERE NOT r.closed AND r.batch OPERATOR(pg_catalog.<) EXCLUDED.batch";

static const char *const close_sql =
	"INSERT INTO dgen.receipt AS r (worker_id, role, batch, closed, written_at)"
	" VALUES ($1, $2, 0, true, pg_catalog.clock_timestamp())"
	" ON CONFLICT (worker_id, role) DO UPDATE SET closed = true"
	" RETURNING r.batch OPERATOR(pg_catalog.>=) $3";

/* Runs one of them as the owner of the table. The rows processed; *first: the first column of the first. */
static uint64
run(const char *sql, int64 worker_id, int64 batch, bool *first)
{
	Oid types[] = {INT8OID, REGROLEOID, INT8OID};
	Datum values[] = {Int64GetDatum(worker_id), ObjectIdGetDatum(GetUserId()),
					  Int64GetDatum(batch)};
	uint64 processed;
	Oid user;
	int context;
	bool isnull;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(dgen_table_owner(TABLE_RECEIPT), context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args(sql, lengthof(types), types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not write a receipt: %s", SPI_result_code_string(SPI_result));
	processed = SPI_processed;
	if (first != NULL && processed > 0)
		*first =
			DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return processed;
}

static int64
batch_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n) || PG_GETARG_INT64(n) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the number of the batch is NULL or less than 1"),
						errhint("Number the batches of a session from 1 on.")));
	return PG_GETARG_INT64(n);
}

Datum
dgen_receipt(PG_FUNCTION_ARGS)
{
	int64 batch = batch_argument(fcinfo, 0);
	int64 worker_id = dgen_worker_session()->id;

	dgen_refuse_in_handler("dgen.receipt", "Workers leave receipts outside of turns.");
	dgen_refuse_isolation("leaving a receipt");
	if (run(write_sql, worker_id, batch, NULL) == 0)
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
						errmsg("batch " INT64_FORMAT " of worker " INT64_FORMAT
							   " was given up, or has a receipt already",
							   batch, worker_id),
						errhint("Roll back and claim again: the messages are still there.")));
	PG_RETURN_VOID();
}

Datum
dgen_settle(PG_FUNCTION_ARGS)
{
	int64 batch = batch_argument(fcinfo, 1);
	bool committed = false;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("worker_id is NULL"),
				 errhint("Give the id that dgen.attach returned in the session that was lost.")));
	dgen_refuse_in_handler("dgen.settle", "Workers settle batches outside of turns.");
	dgen_refuse_isolation("settling a batch");
	(void) dgen_worker_session(); /* so that not everybody can fill the table */
	(void) run(close_sql, PG_GETARG_INT64(0), batch, &committed);
	PG_RETURN_BOOL(committed);
}
