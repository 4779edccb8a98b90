/*
 * Reading dgen's tables: directly through the table and index access methods. One plan by
 * construction (I10), no search_path, no permission checks: the callers do them.
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
#define INDEX_BY_TIME \
	1 /* delayed_message (type_id, not_before), failed_attempt.retry_at, idempotency_key.expires_at, locked.retry_at */
#define INDEX_BY_EXPIRY 2 /* locked */

typedef struct DgenScan
{
	Relation heap;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot; /* the row dgen_scan_next found */
	Datum *values;        /* its columns, 0-based, deformed by dgen_scan_row */
	bool *nulls;
	int64 dead;      /* rows passed because nobody needs them but some old snapshot */
	int64 most_dead; /* dgen_scan_next goes no further after so many; 0: it does */
} DgenScan;

/* ---- table.c: reading and writing dgen's tables ------------------------- */

extern Oid dgen_table_oid(DgenTable table); /* raises if the extension is not installed here */
extern bool dgen_is_installed(void);
extern void dgen_tell_of_change(void); /* at commit */
/*
 * Raises DGEN_ERR_CHANGED if it is not as it was made; that is checked once after each change
 * (shape.c). So do scans, of their index.
 */
extern Relation dgen_table_open(DgenTable table, LOCKMODE lockmode);
extern Oid dgen_table_owner(DgenTable table);
/* Its triggers and constraints; the table is open, and so locked. */
extern bool dgen_table_needs_executor(DgenTable table, Relation heap);
/* Does a write call functions that somebody has added: of those, or of an index? */
extern bool dgen_table_calls_functions(DgenTable table, Relation heap);
/* Raises DGEN_ERR_CHANGED if a publication could not tell its subscribers of an UPDATE or DELETE. */
extern void dgen_check_published(Relation heap, CmdType command);
/*
 * A row of the columns that the code knows. There may be more behind them, which were added and
 * dropped again: NULL in what is formed, left out of what is read.
 */
extern HeapTuple dgen_row_form(TupleDesc desc, Datum *values, bool *nulls, int ncolumns);
extern void dgen_row_deform(HeapTuple row, TupleDesc desc, Datum *values, bool *nulls,
							int ncolumns);
/*
 * Held to the end of the transaction. It comes before the snapshot of what has to be found: an ALTER
 * TABLE that it waited for may have written all rows anew, and an older snapshot shows none of them.
 */
extern void dgen_table_lock(DgenTable table, LOCKMODE lockmode);
extern bool dgen_table_try_lock(DgenTable table, LOCKMODE lockmode); /* false: somebody has it */
/*
 * snapshot.c: the statement's, for who reads the table as the rest of the statement does; a newer one
 * if an ALTER TABLE has committed in between. The table is locked; to be unregistered.
 */
extern Snapshot dgen_statement_snapshot(DgenTable table);

/* An index scan of up to nkeys equality or range keys; the snapshot must stay active. */
extern void dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
							int nkeys);
/* For who has locked the table in this transaction. */
extern void dgen_scan_begin_locked(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
								   int nkeys);
extern void dgen_scan_seek(DgenScan *scan, ScanKey keys, int nkeys); /* may be called again */
extern bool dgen_scan_next(DgenScan *scan);
extern bool dgen_scan_only(DgenScan *scan); /* where the keys are all columns of a unique index */
extern void dgen_scan_row(DgenScan *scan);  /* deform the current row into values and nulls */
/* Rows of the range up to `most`, the last ones first; those behind so many dead ones are not counted. */
extern int dgen_scan_count_back(DgenScan *scan, int most, int most_dead);
extern void dgen_scan_end(DgenScan *scan);

/* Scan keys on index columns, 1-based. */
extern void dgen_key_int2(ScanKey key, int column, StrategyNumber strategy, int16 value);
extern void dgen_key_int4(ScanKey key, int column, StrategyNumber strategy, int32 value);
extern void dgen_key_int8(ScanKey key, int column, StrategyNumber strategy, int64 value);
extern void dgen_key_time(ScanKey key, int column, StrategyNumber strategy, TimestampTz value);
extern void dgen_key_text(ScanKey key, int column, const text *value);

/* ---- installed.c: whether the library, the installed SQL and a client fit together ---- */

extern char *dgen_installed_version(void);   /* NULL: not installed in this database */
extern char *dgen_installed_schema(void);    /* likewise */
extern bool dgen_is_exactly_installed(void); /* that of the library */
extern bool dgen_fits_installed(void);       /* or one with the same major and minor version */

/* Raises DGEN_ERR_UPDATING if one is installed that does not fit. */
extern void dgen_check_extension_version(void);
extern void dgen_check_extension_once(void); /* unless it was seen to fit */
extern void dgen_extension_changed(void);

/* Raises DGEN_ERR_UPDATING unless the library is at least of the version of the update script. */
extern void dgen_check_script_version(const char *version);

extern void dgen_check_library_version(const char *version); /* of libdgen; raises unless it fits */

#endif /* DGEN_TABLE_TABLE_H */
