/*
 * The snapshot of a statement. Needs a transaction.
 */
#ifndef DGEN_TABLE_SNAPSHOT_H
#define DGEN_TABLE_SNAPSHOT_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "table/table.h"

/*
 * For a function that must see the table as the rest of its statement does. Returns the statement's
 * snapshot, or a newer one if an ALTER TABLE has committed in between. Locks the table; the caller
 * unregisters the snapshot.
 */
extern Snapshot dgen_statement_snapshot(DgenTable table);

#endif /* DGEN_TABLE_SNAPSHOT_H */
