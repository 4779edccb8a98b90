/*
 * Writes dgen's tables row by row. Needs a transaction, and raises 25006 if that is read-only. Triggers
 * and constraints of the table can raise any error.
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
	ResultRelInfo *indexes; /* NULL: the executor writes the rows */
	ItemPointerData tid;    /* of the row inserted last */
} DgenWriter;

/* Locks the table in RowExclusiveLock, to the end of the transaction. */
extern void dgen_writer_open(DgenWriter *writer, DgenTable table);
extern void dgen_writer_insert(DgenWriter *writer, Datum *values, bool *nulls);
extern void dgen_writer_insert_many(DgenWriter *writer, TupleTableSlot **slots, int count);

/*
 * For a row that no other transaction can write, because this one owns the actor; raises
 * DGEN_ERR_NOT_OWNED if one has. The primary key must not change. *tid is where the row is afterwards.
 */
extern void dgen_writer_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
/*
 * False, and nothing is written, if another transaction has written the row since it was found. Waits for
 * a transaction that is writing it.
 */
extern bool dgen_writer_try_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
extern void dgen_writer_close(DgenWriter *writer);

/* The table is locked in RowExclusiveLock. False: the row has changed or is gone since it was found. */
extern bool dgen_delete_row(Relation heap, ItemPointer tid);
extern bool dgen_delete_row_nowait(Relation heap, ItemPointer tid); /* or it is being written */

/*
 * Tells the caller whether to check again. If another transaction has written the row since it was found,
 * a new snapshot shows that. If this command has, its snapshots still show the row: do not check again.
 */
typedef enum Deleted
{
	DELETED_NOW,
	DELETED_BY_US,
	DELETED_BY_OTHER
} Deleted;

extern Deleted dgen_try_delete_row(Relation heap, ItemPointer tid);

#endif /* DGEN_WRITE_WRITER_H */
