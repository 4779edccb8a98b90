/*
 * Writing dgen's tables: row by row (writer.c), many rows at a time (rows.c), and through the
 * server's executor if a table needs it (statement.c). And numbers from its sequences (sequence.c).
 *
 * All of it needs a transaction, and raises 25006 if that is read-only. If a table has triggers or
 * constraints, whatever those raise is raised.
 */
#ifndef DGEN_TABLE_WRITER_H
#define DGEN_TABLE_WRITER_H

#include "postgres.h"

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "table/table.h"

/* ---- writer.c: row by row ---- */

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
 * For a row that nobody else can write, because its actor is owned: raises DGEN_ERR_NOT_OWNED if
 * somebody has. The primary key stays as it is; *tid is where the row is afterwards.
 */
extern void dgen_writer_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
/*
 * False, and nothing is written, if somebody else has written the row since it was found. Waits for
 * a transaction that is just writing it.
 */
extern bool dgen_writer_try_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
extern void dgen_writer_close(DgenWriter *writer);

/* The table is locked in RowExclusiveLock. False: the row was not there any more as it was found. */
extern bool dgen_delete_row(Relation heap, ItemPointer tid);
extern bool dgen_delete_row_nowait(Relation heap, ItemPointer tid); /* or somebody is writing it */

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

/* ---- rows.c: many rows at a time ---- */

#define DGEN_ROWS 100

/*
 * Starts zeroed but for its table. What the values of a row point to must stay until the rows are
 * flushed, which the caller does when count is DGEN_ROWS.
 */
typedef struct DgenRows
{
	DgenTable table;
	DgenWriter writer; /* open once there was a row */
	TupleTableSlot *slots[DGEN_ROWS];
	int nslots;
	int count;
} DgenRows;

extern TupleTableSlot *dgen_rows_next(
	DgenRows *rows); /* all NULL: the caller fills it, then adds */
extern void dgen_rows_add(DgenRows *rows);
extern void dgen_rows_flush(DgenRows *rows);
extern void dgen_rows_close(DgenRows *rows); /* does not flush */

/* ---- statement.c: through the executor, a statement for each row ---- */

/* The columns are those that the code knows. Raise DGEN_ERR_CHANGED if a trigger changes the row. */
extern void dgen_statement_insert(DgenTable table, Relation heap, Datum *values, bool *nulls,
								  ItemPointer tid);
/* False, and nothing is written, if somebody else has written the row since it was found. */
extern bool dgen_statement_update(DgenTable table, Relation heap, ItemPointer tid, Datum *values,
								  bool *nulls);
extern TM_Result dgen_statement_delete(Relation heap, ItemPointer tid, bool wait);

/* What dgen_become_owner has replaced. */
typedef struct Rights
{
	Oid user;
	int context;
	int nest_level;
} Rights;

/*
 * For a statement on one of dgen's tables: with the privileges of its owner and, if the statement
 * calls functions that somebody has added, with a search_path of dgen's own; and back. After an
 * error the end of the (sub)transaction brings them back.
 */
extern void dgen_become_owner(DgenTable table, Relation heap, Rights *before);
extern void dgen_become_again(const Rights *before);

/* ---- sequence.c: numbers ---- */

/* Raises DGEN_ERR_CHANGED if numbers would not be drawn one by one. */
extern int64 dgen_nextval(DgenTable sequence);

#endif /* DGEN_TABLE_WRITER_H */
