/*
 * Writing a table that has triggers or constraints: through the server's executor, a statement for
 * each row. Needs a transaction that can write.
 */
#ifndef DGEN_WRITE_STATEMENT_H
#define DGEN_WRITE_STATEMENT_H

#include "postgres.h"

#include "access/tableam.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "table/table.h"

/* The columns are those that the code knows. Raise DGEN_ERR_CHANGED if a trigger changes the row. */
extern void dgen_statement_insert(DgenTable table, Relation heap, Datum *values, bool *nulls,
								  ItemPointer tid);
/* False, and nothing is written, if another transaction has written the row since it was found. */
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
 * calls functions that were added, with a search_path of dgen's own; and back. After an
 * error the end of the (sub)transaction brings them back.
 */
extern void dgen_become_owner(DgenTable table, Relation heap, Rights *before);
extern void dgen_become_again(const Rights *before);

#endif /* DGEN_WRITE_STATEMENT_H */
