/*
 * Collects rows and inserts many at a time, which saves WAL and page locks.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "write/rows.h"
#include "write/writer.h"

/* Opens the table for the first row. */
TupleTableSlot *
dgen_rows_next(DgenRows *rows)
{
	TupleTableSlot *slot;

	if (rows->nslots == 0)
		dgen_writer_open(&rows->writer, rows->table);
	if (rows->count == rows->nslots)
		rows->slots[rows->nslots++] =
			MakeSingleTupleTableSlot(RelationGetDescr(rows->writer.heap), &TTSOpsHeapTuple);
	slot = ExecClearTuple(rows->slots[rows->count]);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	return slot;
}

void
dgen_rows_add(DgenRows *rows)
{
	ExecStoreVirtualTuple(rows->slots[rows->count++]);
}

void
dgen_rows_flush(DgenRows *rows)
{
	if (rows->count > 0)
		dgen_writer_insert_many(&rows->writer, rows->slots, rows->count);
	rows->count = 0;
}

void
dgen_rows_close(DgenRows *rows)
{
	for (int i = 0; i < rows->nslots; i++)
		ExecDropSingleTupleTableSlot(rows->slots[i]);
	if (rows->nslots > 0)
		dgen_writer_close(&rows->writer);
}
