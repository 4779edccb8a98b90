/*
 * Scans of an index. There is no planner in between, so neither statistics nor settings can change
 * how a hot path finds its rows (I10).
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "table/scan.h"
#include "table/table.h"
#include "version/access.h"

static void
begin_scan(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->index = dgen_open_index(table, index);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->scan = dgen_index_beginscan(scan->heap, scan->index, snapshot, nkeys);
	scan->values = scan->slot->tts_values;
	scan->nulls = scan->slot->tts_isnull;
	scan->dead = scan->most_dead = 0;
}

void
dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->heap = dgen_table_open(table, AccessShareLock);
	begin_scan(scan, table, index, snapshot, nkeys);
}

void
dgen_scan_begin_locked(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->heap = dgen_table_open_locked(table, dgen_table_oid(table));
	begin_scan(scan, table, index, snapshot, nkeys);
}

void
dgen_scan_seek(DgenScan *scan, ScanKey keys, int nkeys)
{
	Assert(nkeys == scan->scan->numberOfKeys);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

static bool
next_row(DgenScan *scan, ScanDirection direction)
{
	IndexScanDesc index = scan->scan;

	for (;;)
	{
		if (!index->xs_heap_continue && index_getnext_tid(index, direction) == NULL)
			return false;
		if (index_fetch_heap(index, scan->slot))
			return true;
		if (++scan->dead == scan->most_dead)
			return false;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Like index_getnext_slot, but counts dead rows. */
bool
dgen_scan_next(DgenScan *scan)
{
	return next_row(scan, ForwardScanDirection);
}

/*
 * Finds the only row that the keys of a unique index select. The index has its versions in the order of
 * their places: while a snapshot keeps all of them, the live one is near the end.
 */
bool
dgen_scan_only(DgenScan *scan)
{
	return next_row(scan, BackwardScanDirection);
}

int
dgen_scan_count_back(DgenScan *scan, int most, int most_dead)
{
	int count = 0;

	while (count < most && most_dead > 0 &&
		   index_getnext_tid(scan->scan, BackwardScanDirection) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (index_fetch_heap(scan->scan, scan->slot))
			count++;
		else
			most_dead--;
	}
	return count;
}

void
dgen_scan_row(DgenScan *scan)
{
	slot_getallattrs(scan->slot);
}

void
dgen_scan_end(DgenScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->heap, NoLock);
}

static void
make_key(ScanKey key, int column, StrategyNumber strategy, Oid type, RegProcedure procedure,
		 Oid collation, Datum value)
{
	ScanKeyEntryInitialize(key, 0, column, strategy, type, collation, procedure, value);
}

static RegProcedure
pick(StrategyNumber strategy, RegProcedure less, RegProcedure less_equal, RegProcedure equal,
	 RegProcedure greater_equal, RegProcedure greater)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return less;
		case BTLessEqualStrategyNumber:
			return less_equal;
		case BTEqualStrategyNumber:
			return equal;
		case BTGreaterEqualStrategyNumber:
			return greater_equal;
		default:
			return greater;
	}
}

void
dgen_key_int2(ScanKey key, int column, StrategyNumber strategy, int16 value)
{
	make_key(key, column, strategy, INT2OID,
			 pick(strategy, F_INT2LT, F_INT2LE, F_INT2EQ, F_INT2GE, F_INT2GT), InvalidOid,
			 Int16GetDatum(value));
}

void
dgen_key_int4(ScanKey key, int column, StrategyNumber strategy, int32 value)
{
	make_key(key, column, strategy, INT4OID,
			 pick(strategy, F_INT4LT, F_INT4LE, F_INT4EQ, F_INT4GE, F_INT4GT), InvalidOid,
			 Int32GetDatum(value));
}

void
dgen_key_int8(ScanKey key, int column, StrategyNumber strategy, int64 value)
{
	make_key(key, column, strategy, INT8OID,
			 pick(strategy, F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT), InvalidOid,
			 Int64GetDatum(value));
}

void
dgen_key_time(ScanKey key, int column, StrategyNumber strategy, TimestampTz value)
{
	make_key(key, column, strategy, TIMESTAMPTZOID,
			 pick(strategy, F_TIMESTAMPTZ_LT, F_TIMESTAMPTZ_LE, F_TIMESTAMPTZ_EQ, F_TIMESTAMPTZ_GE,
				  F_TIMESTAMPTZ_GT),
			 InvalidOid, TimestampTzGetDatum(value));
}

void
dgen_key_text(ScanKey key, int column, const text *value)
{
	make_key(key, column, BTEqualStrategyNumber, TEXTOID, F_TEXTEQ, C_COLLATION_OID,
			 PointerGetDatum(value));
}
