/*
 * Tables and indexes, by version.
 */
#ifndef DGEN_VERSION_ACCESS_H
#define DGEN_VERSION_ACCESS_H

#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* PostgreSQL 18 added a parameter for instrumentation, 19 added flags. */
static inline IndexScanDesc
dgen_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0, 0);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* PostgreSQL 19 added flags. */
static inline TableScanDesc
dgen_table_beginscan(Relation heap, Snapshot snapshot)
{
#if PG_VERSION_NUM >= 190000
	return table_beginscan(heap, snapshot, 0, NULL, 0);
#else
	return table_beginscan(heap, snapshot, 0, NULL);
#endif
}

/* PostgreSQL 19 added options. */
static inline TM_Result
dgen_table_tuple_delete(Relation heap, ItemPointer tid, CommandId cid, Snapshot snapshot, bool wait,
						TM_FailureData *failure)
{
#if PG_VERSION_NUM >= 190000
	return table_tuple_delete(heap, tid, cid, 0, snapshot, InvalidSnapshot, wait, failure);
#else
	return table_tuple_delete(heap, tid, cid, snapshot, InvalidSnapshot, wait, failure, false);
#endif
}

/* The indexes that need an entry for a new version of a row. */
typedef enum IndexEntries
{
	ENTRIES_NONE,
	ENTRIES_SUMMARIZING, /* from 16 on: those that summarize blocks, such as BRIN */
	ENTRIES_ALL
} IndexEntries;

#if PG_VERSION_NUM >= 160000
#define DGEN_IS_SUMMARIZING(info) ((info)->ii_Summarizing)
#else
#define DGEN_IS_SUMMARIZING(info) false
#endif

static inline TM_Result
dgen_heap_update(Relation heap, ItemPointer tid, HeapTuple tuple, CommandId cid,
				 TM_FailureData *failure, IndexEntries *entries)
{
	LockTupleMode mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes update;

#if PG_VERSION_NUM >= 190000
	result = heap_update(heap, tid, tuple, cid, 0, InvalidSnapshot, true, failure, &mode, &update);
#else
	result = heap_update(heap, tid, tuple, cid, InvalidSnapshot, true, failure, &mode, &update);
#endif
	*entries = update == TU_All           ? ENTRIES_ALL
			   : update == TU_Summarizing ? ENTRIES_SUMMARIZING
										  : ENTRIES_NONE;
#else
	result = heap_update(heap, tid, tuple, cid, InvalidSnapshot, true, failure, &mode);
	*entries = HeapTupleIsHeapOnly(tuple) ? ENTRIES_NONE : ENTRIES_ALL;
#endif
	return result;
}

/* PostgreSQL 16 renamed the field. */
#if PG_VERSION_NUM >= 160000
#define DGEN_READ_RECENT_BUFFER(relation, block, buffer) \
	ReadRecentBuffer((relation)->rd_locator, MAIN_FORKNUM, block, buffer)
#else
#define DGEN_READ_RECENT_BUFFER(relation, block, buffer) \
	ReadRecentBuffer((relation)->rd_node, MAIN_FORKNUM, block, buffer)
#endif

#endif /* DGEN_VERSION_ACCESS_H */
