/*
 * Writing dgen's tables row by row. Needs a transaction, and raises 25006 if that is read-only. If the
 * table has triggers or constraints, whatever those raise is raised.
 */
#ifndef DGEN_WRITE_WRITER_H
#define DGEN_WRITE_WRITER_H

#include "postgres.h"

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "table/table.h"

/* Holds a table open for several rows. */
typedef struct DgenWriter
{
	DgenTable table;
	Relation heap;
	ResultRelInfo *indexes; /* NULL: rows go through the executor */
	ItemPointerData tid;    /* of the row inserted last */
} DgenWriter;

/* Locks the table in RowExclusiveLock, to the end of the transaction. */
extern void dgen_writer_open(DgenWriter *writer, DgenTable table);
extern void dgen_writer_insert(DgenWriter *writer, Datum *values, bool *nulls);
extern void dgen_writer_insert_many(DgenWriter *writer, TupleTableSlot **slots, int count);

/*
 * For a row that no other transaction can write, because its actor is owned: raises DGEN_ERR_NOT_OWNED if
 * one has. The primary key stays as it is; *tid is where the row is afterwards.
 */
extern void dgen_writer_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
/*
 * False, and nothing is written, if another transaction has written the row since it was found. Waits for
 * a transaction that is just writing it.
 */
extern bool dgen_writer_try_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
extern void dgen_writer_close(DgenWriter *writer);

/* The table is locked in RowExclusiveLock. False: the row was not there any more as it was found. */
extern bool dgen_delete_row(Relation heap, ItemPointer tid);
extern bool dgen_delete_row_nowait(Relation heap, ItemPointer tid); /* or it is being written */

/*
 * For a caller that looks again: with a new snapshot, if another transaction has written the row
 * since it was found; not at all, if this very command has, whose snapshots go on showing the row.
 */
typedef enum Deleted
{
	DELETED_NOW,
	DELETED_BY_US,
	DELETED_BY_OTHER
} Deleted;

extern Deleted dgen_try_delete_row(Relation heap, ItemPointer tid);

#endif /* DGEN_WRITE_WRITER_H */
