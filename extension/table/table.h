/*
 * dgen's tables: their names for the code, opening and locking them.
 *
 * All functions need a transaction. The first use of a table after a change of it raises DGEN_ERR_CHANGED
 * if the table is not as dgen made it, and DGEN_ERR_UPDATING if the installed SQL does not fit the
 * library. Locks on tables are kept to the end of the transaction. The callers check privileges.
 */
#ifndef DGEN_TABLE_TABLE_H
#define DGEN_TABLE_TABLE_H

#include "postgres.h"

#include "nodes/nodes.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

typedef enum DgenTable
{
	TABLE_ACTOR_TYPE,
	TABLE_PRIVILEGE,
	TABLE_MESSAGE,
	TABLE_DELAYED_MESSAGE,
	TABLE_IDEMPOTENCY_KEY,
	TABLE_PAUSED,
	TABLE_FAILED_ATTEMPT,
	TABLE_ACTOR,
	TABLE_DEAD_LETTER,
	TABLE_REQUEST,
	TABLE_WORKER,
	TABLE_ADOPTION,
	TABLE_LOCK_SECRET,
	TABLE_RECEIPT,
	TABLE_LOCKED,
	TABLE_REQUEST_ASKER,
	SEQUENCE_MESSAGE,
	SEQUENCE_VERSION,
	SEQUENCE_WORKER,
	DGEN_TABLE_COUNT
} DgenTable;

extern bool dgen_is_installed(void);
extern Oid dgen_table_oid(DgenTable table); /* raises 42P01 if dgen is not installed here */
extern Oid dgen_table_owner(DgenTable table);

/*
 * Identifies the installed extension by the OID of its dgen.message. A recreated extension has another
 * OID, and its ids begin again. Raises 42P01 as dgen_table_oid does.
 */
extern Oid dgen_this_extension(void);

/*
 * Call it before you take the snapshot in which the rows must be found: the lock might have waited for an
 * ALTER TABLE that rewrote all rows, and an older snapshot shows none of them.
 */
extern void dgen_table_lock(DgenTable table, LOCKMODE lockmode);
extern bool dgen_table_try_lock(DgenTable table, LOCKMODE lockmode); /* false: it is locked */
extern Relation dgen_table_open(DgenTable table, LOCKMODE lockmode);
/* Opens the table with that OID, which this transaction has locked. */
extern Relation dgen_table_open_locked(DgenTable table, Oid oid);

/* Opens an index of a table that is locked, with AccessShareLock; raises if it is not as dgen made it. */
extern Relation dgen_open_index(DgenTable table, int index);

/* Does the open table have triggers or constraints that only the executor handles? */
extern bool dgen_table_needs_executor(DgenTable table, Relation heap);
/* Does a write call functions that users added, in triggers, constraints or indexes? */
extern bool dgen_table_calls_functions(DgenTable table, Relation heap);
/* Raises DGEN_ERR_CHANGED if a publication could not replicate the UPDATE or DELETE. */
extern void dgen_check_published(Relation heap, CmdType command);

/* After the commit every session checks the version of the extension and reads the actor types again. */
extern void dgen_tell_of_change(void);

#endif /* DGEN_TABLE_TABLE_H */
