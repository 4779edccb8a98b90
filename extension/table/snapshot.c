/*
 * The snapshot of a function that reads a table as the rest of its statement does. It is older than the
 * function's lock on the table, so an ALTER TABLE that rewrote the rows might have committed in between.
 * The statement's snapshot then shows none of them (see dgen_table_lock).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "table/snapshot.h"
#include "table/table.h"

/* True also after an ALTER TABLE that rewrote no rows, because the catalog does not distinguish the two. */
static bool
is_altered_since(Oid table, Snapshot snapshot)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	bool altered;

	if (!HeapTupleIsValid(tuple))
		return true;
	altered = XidInMVCCSnapshot(HeapTupleHeaderGetXmin(tuple->t_data), snapshot);
	ReleaseSysCache(tuple);
	return altered;
}

/* Rows that are newer than the rest of the statement are better than none, in every isolation level. */
Snapshot
dgen_statement_snapshot(DgenTable table)
{
	Snapshot snapshot = GetActiveSnapshot();

	dgen_table_lock(table, AccessShareLock);
	if (is_altered_since(dgen_table_oid(table), snapshot))
		snapshot = GetLatestSnapshot();
	return RegisterSnapshot(snapshot);
}
