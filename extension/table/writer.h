/*
 * Writing dgen's tables: rows one by one (writer.c), many at a time (rows.c), and through the
 * server's executor where a table needs it (statement.c).
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

/*
 * writer.c. A writer holds a table open for several rows. Where the table has triggers or
 * constraints, each row goes through the server's executor (statement.c), and whatever those
 * raise is raised. Update and delete are for
 * rows that nobody else can write (the actor is owned); dgen_delete_row says
 * whether the row was still there instead of raising. An update leaves the primary key as it
 * is, and its tid is the new one then.
 */
typedef struct DgenWriter
{
	DgenTable table;
	Relation heap;
	ResultRelInfo *indexes; /* NULL: rows go through the executor */
	ItemPointerData tid;    /* of the row inserted last */
} DgenWriter;

/*
 * For a statement on a table of dgen's: with the rights of its owner, and dgen's search_path, if
 * that calls functions of somebody else's; and with those before.
 */
typedef struct Rights
{
	Oid user;
	int context;
	int nest_level;
} Rights;

/*
 * For who looks again: with a new snapshot, if another transaction has written the row since it
 * was found; never, if this very command has, whose snapshots go on showing the row.
 */
typedef enum Deleted
{
	DELETED_NOW,
	DELETED_BY_US,
	DELETED_BY_OTHER
} Deleted;

/*
 * rows.c: rows on their way to a table; flush when count is DGEN_ROWS. Starts zeroed but
 * for its table. What a row's values refer to is the caller's until they are flushed.
 */
#define DGEN_ROWS 100

typedef struct DgenRows
{
	DgenTable table;
	DgenWriter writer; /* open once there was a row */
	TupleTableSlot *slots[DGEN_ROWS];
	int nslots;
	int count;
} DgenRows;

/* ---- writer.c: writing dgen's tables through the access methods, see table.c ---- */

extern void dgen_writer_open(DgenWriter *writer, DgenTable table);
extern void dgen_writer_insert(DgenWriter *writer, Datum *values, bool *nulls);
extern void dgen_writer_insert_many(DgenWriter *writer, TupleTableSlot **slots, int count);
extern void dgen_writer_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
/*
 * False, and nothing written, if the row is not as it was found: somebody else has written
 * it since. Who is doing so just now is waited for.
 */
extern bool dgen_writer_try_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
extern void dgen_writer_close(DgenWriter *writer);
extern bool dgen_delete_row(Relation heap, ItemPointer tid);
extern bool dgen_delete_row_nowait(Relation heap, ItemPointer tid);

extern Deleted dgen_try_delete_row(Relation heap, ItemPointer tid);

/* ---- statement.c: writing dgen's tables through the server's executor, a statement for ea ---- */

/*
 * statement.c: the same through the executor, as the owner of the table, like dgen's functions in
 * SQL. The columns are those that the code knows. False as above.
 */
extern void dgen_statement_insert(DgenTable table, Relation heap, Datum *values, bool *nulls,
								  ItemPointer tid);
extern bool dgen_statement_update(DgenTable table, Relation heap, ItemPointer tid, Datum *values,
								  bool *nulls);
extern TM_Result dgen_statement_delete(Relation heap, ItemPointer tid, bool wait);

extern void dgen_become_owner(DgenTable table, Relation heap, Rights *before);
extern void dgen_become_again(const Rights *before);

/* ---- sequence.c: numbers from dgen's sequences -------------------------- */

/* sequence.c. Raises DGEN_ERR_CHANGED if numbers would not be drawn one by one. */
extern int64 dgen_nextval(DgenTable sequence);

/* ---- rows.c: rows on their way to a table, put into it many at a time, which saves WAL an ---- */

extern TupleTableSlot *dgen_rows_next(DgenRows *rows); /* to be filled in; then add */
extern void dgen_rows_add(DgenRows *rows);
extern void dgen_rows_flush(DgenRows *rows);
extern void dgen_rows_close(DgenRows *rows);

#endif /* DGEN_TABLE_WRITER_H */
