/*
 * Writes many rows of a table at a time. Raises what a writer raises.
 */
#ifndef DGEN_WRITE_ROWS_H
#define DGEN_WRITE_ROWS_H

#include "postgres.h"

#include "executor/tuptable.h"

#include "table/table.h"
#include "write/writer.h"

#define DGEN_ROWS 100

/*
 * Starts zeroed except for its table. The memory of by-reference values must stay valid until the rows
 * are flushed. The caller must flush when count is DGEN_ROWS.
 */
typedef struct DgenRows
{
	DgenTable table;
	DgenWriter writer; /* open from the first row on */
	TupleTableSlot *slots[DGEN_ROWS];
	int nslots;
	int count;
} DgenRows;

extern TupleTableSlot *dgen_rows_next(
	DgenRows *rows); /* all NULL: the caller fills it, then adds */
extern void dgen_rows_add(DgenRows *rows);
extern void dgen_rows_flush(DgenRows *rows);
extern void dgen_rows_close(DgenRows *rows); /* does not flush */

#endif /* DGEN_WRITE_ROWS_H */
