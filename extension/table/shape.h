/*
 * The shape of dgen's relations, which the C code relies on because it bypasses the server's executor.
 * shapes.c has it as data; shape.c compares it with the catalog.
 */
#ifndef DGEN_TABLE_SHAPE_H
#define DGEN_TABLE_SHAPE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "utils/relcache.h"

#include "table/table.h"
#include "version/version.h"

#define MAX_INDEXES 3       /* of a table that dgen scans */
#define MAX_INDEX_COLUMNS 4 /* of those */

typedef struct ColumnShape
{
	const char *name;
	Oid type;
	Oid collation; /* InvalidOid: that of the type */
	bool not_null;
} ColumnShape;

typedef struct IndexShape
{
	const char *name; /* NULL: there is none */
	bool unique;
	bool primary;
	int columns[MAX_INDEX_COLUMNS]; /* of the table, from 1 on; negative: DESC; 0: no more */
} IndexShape;

typedef struct TableShape
{
	const char *name;
	const ColumnShape *columns; /* NULL: a sequence */
	int ncolumns;
	IndexShape indexes[MAX_INDEXES];
} TableShape;

extern const TableShape dgen_shapes[DGEN_TABLE_COUNT];

/* Of dgen.context and dgen.outcome, which are row types. */
extern const TableShape dgen_context_shape;
extern const TableShape dgen_outcome_shape;

/* ---- shape.c: the functions raise DGEN_ERR_CHANGED; the hint says how to restore the shape ---- */

extern void dgen_check_table(DgenTable table, Relation heap);
/* For an index of a table that is checked: does it exist, and can dgen scan it? */
extern void dgen_check_index(DgenTable table, int index, Relation relation);
/* Reads the catalog, not the caches. */
extern bool dgen_index_is_valid_now(DgenTable table, int index);
DGEN_NORETURN extern void dgen_refuse_missing_index(DgenTable table, int index);
/* Refuses an index that snapshots of this transaction must not use yet (pg_index.indcheckxmin). */
extern void dgen_check_index_horizon(Relation index);

/* What a write must do besides the row and its index entries. */
typedef struct WriteNeeds
{
	bool executor;  /* triggers or constraints */
	bool functions; /* it calls functions of other owners: triggers, constraints or an index do */
} WriteNeeds;

extern WriteNeeds dgen_write_needs(Relation heap);

extern void dgen_check_row_type(const TableShape *type, TupleDesc desc);

/* ---- shape.c: rows ---- */

/*
 * A row of the columns that the code knows. Columns that were added and dropped again can follow:
 * dgen_row_form sets them to NULL, and dgen_row_deform leaves them out.
 */
extern HeapTuple dgen_row_form(TupleDesc desc, Datum *values, bool *nulls, int ncolumns);
extern void dgen_row_deform(HeapTuple row, TupleDesc desc, Datum *values, bool *nulls,
							int ncolumns);

#endif /* DGEN_TABLE_SHAPE_H */
