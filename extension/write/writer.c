/*
 * Writes dgen's tables through the access methods (see table.c): rows, and their entries in all indexes,
 * also in those that users added. A table with triggers or constraints is written through the executor
 * instead, row by row (statement.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "table/shape.h"
#include "table/table.h"
#include "version/access.h"
#include "write/statement.h"
#include "write/writer.h"

void
dgen_writer_open(DgenWriter *writer, DgenTable table)
{
	PreventCommandIfReadOnly("a change of dgen's tables");
	writer->table = table;
	writer->heap = dgen_table_open(table, RowExclusiveLock);
	writer->indexes =
		dgen_table_needs_executor(table, writer->heap) ? NULL : CatalogOpenIndexes(writer->heap);
}

static void
insert_formed(const DgenWriter *writer, int n, TupleTableSlot *slot, EState *estate, bool is_update)
{
	Relation index = writer->indexes->ri_IndexRelationDescs[n];
	IndexInfo *info = writer->indexes->ri_IndexRelationInfo[n];
	bool same_key = is_update && index->rd_index->indisprimary;
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];

	/* A new version of a row keeps its primary key, which no other row can have. */
	FormIndexDatum(info, slot, estate, values, nulls);
	index_insert(index, values, nulls, &slot->tts_tid, writer->heap,
				 index->rd_index->indisunique && !same_key ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
				 same_key, info);
}

/* For an added index that has expressions or a predicate. */
static void
insert_evaluated(const DgenWriter *writer, int n, TupleTableSlot *slot, bool is_update)
{
	IndexInfo *info = writer->indexes->ri_IndexRelationInfo[n];
	EState *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);

	context->ecxt_scantuple = slot;
	if (ExecQual(ExecPrepareQual(info->ii_Predicate, estate), context))
		insert_formed(writer, n, slot, estate, is_update);
	info->ii_ExpressionsState = NIL; /* freed with the estate */
	FreeExecutorState(estate);
}

/* dgen's own indexes have only columns, and need no executor. */
static void
insert_entry(const DgenWriter *writer, int n, TupleTableSlot *slot, bool is_update)
{
	IndexInfo *info = writer->indexes->ri_IndexRelationInfo[n];

	if (!info->ii_ReadyForInserts)
		return; /* CREATE INDEX CONCURRENTLY will build it */
	if (info->ii_Expressions == NIL && info->ii_Predicate == NIL)
		insert_formed(writer, n, slot, NULL, is_update);
	else
		insert_evaluated(writer, n, slot, is_update);
}

static void
insert_entries(const DgenWriter *writer, TupleTableSlot *slot, IndexEntries entries, bool is_update)
{
	if (entries == ENTRIES_NONE)
		return;
	for (int i = 0; i < writer->indexes->ri_NumIndices; i++)
		if (entries == ENTRIES_ALL || DGEN_IS_SUMMARIZING(writer->indexes->ri_IndexRelationInfo[i]))
			insert_entry(writer, i, slot, is_update);
}

static void
insert_entries_of(const DgenWriter *writer, HeapTuple tuple, IndexEntries entries, bool is_update)
{
	TupleTableSlot *slot;

	if (entries == ENTRIES_NONE)
		return;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(writer->heap), &TTSOpsHeapTuple);
	insert_entries(writer, ExecStoreHeapTuple(tuple, slot, false), entries, is_update);
	ExecDropSingleTupleTableSlot(slot);
}

static HeapTuple
form_row(const DgenWriter *writer, Datum *values, bool *nulls)
{
	return dgen_row_form(RelationGetDescr(writer->heap), values, nulls,
						 dgen_shapes[writer->table].ncolumns);
}

/*
 * Values that are stored out of line need an active snapshot when they are read or deleted: without one,
 * VACUUM might remove their parts. Some callers have none. True: the caller must pop one.
 */
static bool
have_snapshot(void)
{
	if (ActiveSnapshotSet())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

static void
release_snapshot(bool pushed)
{
	if (pushed)
		PopActiveSnapshot();
}

void
dgen_writer_insert(DgenWriter *writer, Datum *values, bool *nulls)
{
	HeapTuple tuple;
	bool pushed;

	if (writer->indexes == NULL)
	{
		dgen_statement_insert(writer->table, writer->heap, values, nulls, &writer->tid);
		return;
	}
	pushed = have_snapshot();
	tuple = form_row(writer, values, nulls);
	simple_heap_insert(writer->heap, tuple);
	insert_entries_of(writer, tuple, ENTRIES_ALL, false);
	release_snapshot(pushed);
	writer->tid = tuple->t_self;
	heap_freetuple(tuple);
}

/*
 * CatalogTuplesMultiInsert cannot be used: for index entries it reads the place of a row from the tuple
 * as it was before toasting.
 */
void
dgen_writer_insert_many(DgenWriter *writer, TupleTableSlot **slots, int count)
{
	bool pushed;

	if (writer->indexes == NULL)
	{
		for (int i = 0; i < count; i++)
			dgen_statement_insert(writer->table, writer->heap, slots[i]->tts_values,
								  slots[i]->tts_isnull, &writer->tid);
		return;
	}
	pushed = have_snapshot();
	heap_multi_insert(writer->heap, slots, count, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < count; i++)
		insert_entries(writer, slots[i], ENTRIES_ALL, false);
	release_snapshot(pushed);
}

bool
dgen_writer_try_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls)
{
	HeapTuple tuple;
	TM_FailureData failure;
	IndexEntries entries;
	TM_Result result;
	bool pushed;

	dgen_check_published(writer->heap, CMD_UPDATE);
	if (writer->indexes == NULL)
		return dgen_statement_update(writer->table, writer->heap, tid, values, nulls);
	pushed = have_snapshot();
	tuple = form_row(writer, values, nulls);
	result =
		dgen_heap_update(writer->heap, tid, tuple, GetCurrentCommandId(true), &failure, &entries);
	if (result == TM_Ok)
	{
		insert_entries_of(writer, tuple, entries, true);
		*tid = tuple->t_self;
	}
	release_snapshot(pushed);
	heap_freetuple(tuple);
	return result == TM_Ok;
}

void
dgen_writer_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls)
{
	if (!dgen_writer_try_update(writer, tid, values, nulls))
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
						errmsg("a row of table \"%s\" changed while it was owned",
							   RelationGetRelationName(writer->heap)),
						errhint("Write to dgen's tables only through dgen's functions.")));
}

void
dgen_writer_close(DgenWriter *writer)
{
	if (writer->indexes != NULL)
		CatalogCloseIndexes(writer->indexes);
	table_close(writer->heap, NoLock);
}

static TM_Result
delete_row(Relation heap, ItemPointer tid, bool wait)
{
	TM_FailureData failure;
	TM_Result result;
	bool pushed;

	Assert(CheckRelationLockedByMe(heap, RowExclusiveLock, true));
	PreventCommandIfReadOnly("a change of dgen's tables");
	dgen_check_published(heap, CMD_DELETE);
	if (heap->trigdesc != NULL)
		return dgen_statement_delete(heap, tid, wait);
	pushed = have_snapshot();
	result = dgen_table_tuple_delete(heap, tid, GetCurrentCommandId(true), GetActiveSnapshot(),
									 wait, &failure);
	release_snapshot(pushed);
	return result;
}

bool
dgen_delete_row(Relation heap, ItemPointer tid)
{
	return delete_row(heap, tid, true) == TM_Ok;
}

bool
dgen_delete_row_nowait(Relation heap, ItemPointer tid)
{
	return delete_row(heap, tid, false) == TM_Ok;
}

Deleted
dgen_try_delete_row(Relation heap, ItemPointer tid)
{
	TM_Result result = delete_row(heap, tid, true);

	return result == TM_Ok             ? DELETED_NOW
		   : result == TM_SelfModified ? DELETED_BY_US
									   : DELETED_BY_OTHER;
}
