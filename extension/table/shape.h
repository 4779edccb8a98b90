/*
 * The shape of dgen's relations: what the C code relies on, since it goes past the server's
 * executor. shapes.c has it as data, shape.c compares it with what is there.
 */
#ifndef DGEN_TABLE_SHAPE_H
#define DGEN_TABLE_SHAPE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "utils/relcache.h"

#include "table/table.h"
#include "version/version.h"

#define MAX_INDEXES 3       /* of a table that are scanned */
#define MAX_INDEX_COLUMNS 4 /* of those */

typedef struct ColumnShape
{
	const char *name;
	Oid type;
	Oid collation; /* InvalidOid: the one of the type */
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

/* ---- shape.c: they raise DGEN_ERR_CHANGED, and say how to get back ---- */

extern void dgen_check_table(DgenTable table, Relation heap);
/* Of a table that is checked: is it there, and can it be scanned? */
extern void dgen_check_index(DgenTable table, int index, Relation relation);
/* What the catalog says, whatever the caches know. */
extern bool dgen_index_is_valid_now(DgenTable table, int index);
DGEN_NORETURN extern void dgen_refuse_missing_index(DgenTable table, int index);
/* An index that this transaction's snapshots must not use yet: see pg_index.indcheckxmin. */
extern void dgen_check_index_horizon(Relation index);

/* What a write has to do besides the row and its index entries. */
typedef struct WriteNeeds
{
	bool executor;  /* triggers or constraints */
	bool functions; /* of other owners, which are called: by those, or by an index */
} WriteNeeds;

extern WriteNeeds dgen_write_needs(Relation heap);

extern void dgen_check_row_type(const TableShape *type, TupleDesc desc);

/* ---- shape.c: rows ---- */

/*
 * A row of the columns that the code knows. There can be more behind them, which were added and
 * dropped again: NULL in a row that is formed, left out of one that is read.
 */
extern HeapTuple dgen_row_form(TupleDesc desc, Datum *values, bool *nulls, int ncolumns);
extern void dgen_row_deform(HeapTuple row, TupleDesc desc, Datum *values, bool *nulls,
							int ncolumns);

#endif /* DGEN_TABLE_SHAPE_H */
