/*
 * Resolves the unknown outcome of a batch: its COMMIT was sent, but the answer was lost. The worker
 * leaves a commit receipt in the transaction of the batch, and asks for it later, in another
 * session.
 *
 * The transaction's id would not be enough: after a crash it can be given to another transaction,
 * if nothing that the first one wrote was flushed. And the lost session might live on for a while,
 * with the COMMIT still on its way. So asking also decides: a batch that has no receipt when it is
 * asked for can no longer get one.
 *
 *     no row ──receipt(1)──> batch 1 ──receipt(2)──> batch 2 ──settle──> closed
 *        └─────────────────────────settle───────────────────────────────────^
 *
 * Rows belong to roles, so that no role can close those of others.
 *
 * Each receipt is a new version of one row, and an old snapshot keeps them all. A session remembers
 * where it has put the last one, so it neither searches the others nor plans a query.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/in_hand.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "sleep/attached.h"
#include "table/columns.h"
#include "table/table.h"
#include "write/statement.h"
#include "write/writer.h"

PG_FUNCTION_INFO_V1(dgen_receipt);
PG_FUNCTION_INFO_V1(dgen_settle);

/*
 * Operators are qualified: this runs with the worker's search_path. A row waits for who writes it.
 */
static const char *const write_sql =
	"INSERT INTO dgen.receipt AS r (worker_id, role, batch, closed, written_at)"
	" VALUES ($1, $2, $3, false, pg_catalog.clock_timestamp())"
	" ON CONFLICT (worker_id, role)"
	" DO UPDATE SET batch = EXCLUDED.batch, written_at = EXCLUDED.written_at"
	" WHERE NOT r.closed AND r.batch OPERATOR(pg_catalog.<) EXCLUDED.batch"
	" RETURNING r.ctid";

static const char *const close_sql =
	"INSERT INTO dgen.receipt AS r (worker_id, role, batch, closed, written_at)"
	" VALUES ($1, $2, 0, true, pg_catalog.clock_timestamp())"
	" ON CONFLICT (worker_id, role) DO UPDATE SET closed = true"
	" RETURNING r.batch OPERATOR(pg_catalog.>=) $3";

/* Where this session's receipt is, and where it was before, in case of a rollback. */
static struct
{
	int64 worker_id;
	Oid role;
	ItemPointerData last;
	ItemPointerData before;
} own;

/* Is the row at this place the worker's, and can it store the receipt? It is in the slot then. */
static bool
may_write_at(Relation heap, ItemPointer tid, TupleTableSlot *slot, int64 batch)
{
	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumber(tid) >= RelationGetNumberOfBlocks(heap) ||
		!table_tuple_fetch_row_version(heap, tid, GetActiveSnapshot(), slot))
		return false;
	slot_getallattrs(slot);
	return DatumGetInt64(slot->tts_values[RECEIPT_WORKER_ID]) == own.worker_id &&
		   DatumGetObjectId(slot->tts_values[RECEIPT_ROLE]) == own.role &&
		   !DatumGetBool(slot->tts_values[RECEIPT_CLOSED]) &&
		   DatumGetInt64(slot->tts_values[RECEIPT_BATCH]) < batch;
}

static bool
write_at(DgenWriter *writer, ItemPointer tid, TupleTableSlot *slot, int64 batch)
{
	ItemPointerData place = *tid;

	if (!may_write_at(writer->heap, &place, slot, batch))
		return false;
	slot->tts_values[RECEIPT_BATCH] = Int64GetDatum(batch);
	slot->tts_values[RECEIPT_WRITTEN_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (!dgen_writer_try_update(writer, &place, slot->tts_values, slot->tts_isnull))
		return false;
	own.before = *tid;
	own.last = place;
	return true;
}

/* False if it is not where it was, or dgen.settle is asked just now. */
static bool
write_again(int64 worker_id, int64 batch)
{
	DgenWriter writer;
	TupleTableSlot *slot;
	bool written;

	if (own.worker_id != worker_id || own.role != GetUserId())
		return false;
	dgen_writer_open(&writer, TABLE_RECEIPT);
	slot = table_slot_create(writer.heap, NULL);
	written =
		write_at(&writer, &own.last, slot, batch) || write_at(&writer, &own.before, slot, batch);
	ExecDropSingleTupleTableSlot(slot);
	dgen_writer_close(&writer);
	return written;
}

/* Runs one of them as the owner of the table; the first column of its row. False: no row. */
static bool
run(const char *sql, int64 worker_id, int64 batch, void (*get)(Datum value, void *to), void *to)
{
	Oid types[] = {INT8OID, REGROLEOID, INT8OID};
	Datum values[] = {Int64GetDatum(worker_id), ObjectIdGetDatum(GetUserId()),
					  Int64GetDatum(batch)};
	Relation heap = dgen_table_open(TABLE_RECEIPT, RowExclusiveLock);
	bool found;
	bool isnull;
	Rights before;

	dgen_become_owner(TABLE_RECEIPT, heap, &before);
	SPI_connect();
	if (SPI_execute_with_args(sql, lengthof(types), types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not write a receipt: %s", SPI_result_code_string(SPI_result));
	found = SPI_processed > 0;
	if (found)
		get(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull), to);
	SPI_finish();
	dgen_become_again(&before);
	table_close(heap, NoLock);
	return found;
}

static void
get_place(Datum value, void *to)
{
	*(ItemPointer) to = *(ItemPointer) DatumGetPointer(value);
}

static void
get_bool(Datum value, void *to)
{
	*(bool *) to = DatumGetBool(value);
}

/* False if the batch was given up, or an equal or later one has a receipt. */
static bool
write_anywhere(int64 worker_id, int64 batch)
{
	ItemPointerData place;

	if (!run(write_sql, worker_id, batch, get_place, &place))
		return false;
	own.worker_id = worker_id;
	own.role = GetUserId();
	own.last = place;
	ItemPointerSetInvalid(&own.before);
	return true;
}

static int64
batch_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("batch number must not be null"),
				 errhint("Number the batches of a session from 1.")));
	if (PG_GETARG_INT64(n) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("batch number must be at least 1"),
						errhint("Number the batches of a session from 1.")));
	return PG_GETARG_INT64(n);
}

Datum
dgen_receipt(PG_FUNCTION_ARGS)
{
	int64 batch = batch_argument(fcinfo, 0);
	int64 worker_id;

	/* Before the check which worker has attached: another extension gives out the same ids. */
	dgen_table_lock(TABLE_RECEIPT, RowExclusiveLock);
	worker_id = dgen_worker_session_of_caller()->id;
	dgen_refuse_in_handler("dgen.receipt", "Write receipts outside of handlers.");
	dgen_refuse_isolation("dgen.receipt");
	if (!write_again(worker_id, batch) && !write_anywhere(worker_id, batch))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NOT_OWNED),
			 errmsg("batch " INT64_FORMAT " of worker " INT64_FORMAT " is already resolved", batch,
					worker_id),
			 errdetail(
				 "dgen.settle has given it up, or this or a later batch of the worker has a receipt."),
			 errhint("Roll back, claim again, and use the next number. No message is lost.")));
	PG_RETURN_VOID();
}

Datum
dgen_settle(PG_FUNCTION_ARGS)
{
	int64 batch = batch_argument(fcinfo, 1);
	bool committed = false;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("worker_id must not be null"),
				 errhint("Give the id that dgen.attach returned in the lost session.")));
	dgen_refuse_in_handler("dgen.settle", "Settle batches outside of handlers.");
	dgen_refuse_isolation("dgen.settle");
	dgen_table_lock(TABLE_RECEIPT, RowExclusiveLock);
	(void) dgen_worker_session_of_caller(); /* so that only workers can fill the table */
	(void) run(close_sql, PG_GETARG_INT64(0), batch, get_bool, &committed);
	PG_RETURN_BOOL(committed);
}
