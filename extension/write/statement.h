/*
 * Writes tables that have triggers or constraints through the server's executor, with a statement for
 * each row. Needs a transaction that can write.
 */
#ifndef DGEN_WRITE_STATEMENT_H
#define DGEN_WRITE_STATEMENT_H

#include "postgres.h"

#include "access/tableam.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "table/table.h"

/* The columns are those that the code knows. Both raise DGEN_ERR_CHANGED if a trigger changes the row. */
extern void dgen_statement_insert(DgenTable table, Relation heap, Datum *values, bool *nulls,
								  ItemPointer tid);
/* False, and nothing is written, if another transaction has written the row since it was found. */
extern bool dgen_statement_update(DgenTable table, Relation heap, ItemPointer tid, Datum *values,
								  bool *nulls);
extern TM_Result dgen_statement_delete(Relation heap, ItemPointer tid, bool wait);

/* What dgen_become_owner has replaced and dgen_become_again restores. */
typedef struct Rights
{
	Oid user;
	int context;
	int nest_level;
} Rights;

/*
 * For a statement on one of dgen's tables. Switches to the privileges of the table's owner and, if the
 * statement calls functions that users added, to a search_path of dgen's own. After an error the end of
 * the (sub)transaction restores both.
 */
extern void dgen_become_owner(DgenTable table, Relation heap, Rights *before);
extern void dgen_become_again(const Rights *before);

#endif /* DGEN_WRITE_STATEMENT_H */
