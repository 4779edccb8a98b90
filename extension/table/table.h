/*
 * Opening, locking and reading dgen's tables, through the access methods of the server: one plan by
 * construction (I10), no search_path, and no checks of privileges, which are the callers' business.
 * And which version of dgen is installed here.
 *
 * All of it needs a transaction. The first use of a table after a change of it raises
 * DGEN_ERR_CHANGED if the table is not as dgen made it, and DGEN_ERR_UPDATING if the installed SQL
 * does not fit the library. Locks on tables are kept to the end of the transaction.
 */
#ifndef DGEN_TABLE_TABLE_H
#define DGEN_TABLE_TABLE_H

#include "postgres.h"

#include "access/genam.h"
#include "access/htup.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "nodes/nodes.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

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

/* Indexes of the tables; the primary key (or message_order) is 0. */
#define INDEX_PRIMARY 0
#define INDEX_BY_NAME 1  /* actor_type */
#define INDEX_BY_ACTOR 1 /* dead_letter */
/* delayed_message (type_id, not_before), failed_attempt, locked (retry_at), idempotency_key (expires_at) */
#define INDEX_BY_TIME 1
#define INDEX_BY_EXPIRY 2 /* locked */

typedef struct DgenScan
{
	Relation heap;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot; /* the row dgen_scan_next found */
	Datum *values;        /* its columns, 0-based, deformed by dgen_scan_row */
	bool *nulls;
	int64 dead;      /* rows passed that nobody needs but some old snapshot */
	int64 most_dead; /* dgen_scan_next stops after so many; 0: no limit */
} DgenScan;

/* ---- table.c: tables ---- */

extern bool dgen_is_installed(void);
extern Oid dgen_table_oid(DgenTable table); /* raises 42P01 if dgen is not installed here */
extern Oid dgen_table_owner(DgenTable table);

/*
 * Take a lock before the snapshot of what has to be found: an ALTER TABLE that the lock has waited
 * for may have written all rows anew, and an older snapshot shows none of them.
 */
extern void dgen_table_lock(DgenTable table, LOCKMODE lockmode);
extern bool dgen_table_try_lock(DgenTable table, LOCKMODE lockmode); /* false: somebody has it */
extern Relation dgen_table_open(DgenTable table, LOCKMODE lockmode);

/* Has the table, which is open, triggers or constraints that only the executor knows? */
extern bool dgen_table_needs_executor(DgenTable table, Relation heap);
/* Does a write call functions that somebody has added: in those, or in an index? */
extern bool dgen_table_calls_functions(DgenTable table, Relation heap);
/* Raises DGEN_ERR_CHANGED if a publication could not tell its subscribers of an UPDATE or DELETE. */
extern void dgen_check_published(Relation heap, CmdType command);

/* At commit every session checks the version of the extension again, and reads the actor types. */
extern void dgen_tell_of_change(void);

/* ---- table.c: scans of an index ---- */

/* Up to nkeys equality or range keys; the snapshot must stay active, or registered, to the end. */
extern void dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
							int nkeys);
/* The same, if this transaction has locked the table. */
extern void dgen_scan_begin_locked(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
								   int nkeys);
extern void dgen_scan_seek(DgenScan *scan, ScanKey keys, int nkeys); /* can be called again */
extern bool dgen_scan_next(DgenScan *scan);
extern bool dgen_scan_only(DgenScan *scan); /* if the keys are all columns of a unique index */
extern void dgen_scan_row(DgenScan *scan);  /* the current row into values and nulls */
/* Counts rows of the range from its end: at most `most`, and none behind most_dead dead ones. */
extern int dgen_scan_count_back(DgenScan *scan, int most, int most_dead);
extern void dgen_scan_end(DgenScan *scan);

/* Keys of a scan, by column of the index, 1-based. */
extern void dgen_key_int2(ScanKey key, int column, StrategyNumber strategy, int16 value);
extern void dgen_key_int4(ScanKey key, int column, StrategyNumber strategy, int32 value);
extern void dgen_key_int8(ScanKey key, int column, StrategyNumber strategy, int64 value);
extern void dgen_key_time(ScanKey key, int column, StrategyNumber strategy, TimestampTz value);
extern void dgen_key_text(ScanKey key, int column, const text *value);

/* ---- shape.c: rows ---- */

/*
 * A row of the columns that the code knows. There may be more behind them, which somebody added and
 * dropped again: NULL in a row that is formed, left out of one that is read.
 */
extern HeapTuple dgen_row_form(TupleDesc desc, Datum *values, bool *nulls, int ncolumns);
extern void dgen_row_deform(HeapTuple row, TupleDesc desc, Datum *values, bool *nulls,
							int ncolumns);

/* ---- snapshot.c: the snapshot of a statement ---- */

/*
 * For a function that reads the table as the rest of its statement does: the statement's snapshot,
 * or a newer one if an ALTER TABLE has committed in between. Locks the table; the caller unregisters
 * the snapshot.
 */
extern Snapshot dgen_statement_snapshot(DgenTable table);

/* ---- installed.c: do the library, the installed SQL and a client fit together? ---- */

extern char *dgen_installed_version(void);   /* NULL: not installed in this database */
extern char *dgen_installed_schema(void);    /* likewise */
extern bool dgen_is_exactly_installed(void); /* the version of the library */
extern bool dgen_fits_installed(void);       /* or one with the same major and minor version */

/* Raises DGEN_ERR_UPDATING if a version is installed that does not fit. */
extern void dgen_check_extension_version(void);
extern void dgen_check_extension_once(void); /* unless it was seen to fit since the last change */
extern void dgen_extension_changed(void);    /* never raises */

/* Raises DGEN_ERR_UPDATING if the library is older than the update script. */
extern void dgen_check_script_version(const char *version);

/* Of libdgen. Raises DGEN_ERR_UPDATING, DGEN_ERR_LIBRARY_VERSION or 22023 unless it fits. */
extern void dgen_check_library_version(const char *version);

#endif /* DGEN_TABLE_TABLE_H */
