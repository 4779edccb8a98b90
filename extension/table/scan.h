/*
 * Scans of an index of one of dgen's tables, through the access methods of the server: one plan by
 * construction (I10), no search_path. Needs a transaction; raises what opening the table does.
 */
#ifndef DGEN_TABLE_SCAN_H
#define DGEN_TABLE_SCAN_H

#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "table/table.h"

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
	int64 dead;      /* rows skipped that only an old snapshot needs */
	int64 most_dead; /* dgen_scan_next stops after so many dead rows; 0: no limit */
} DgenScan;

/*
 * The scan takes up to nkeys equality or range keys. The snapshot must stay active or registered until
 * dgen_scan_end.
 */
extern void dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
							int nkeys);
/* The same for a table that this transaction has locked. */
extern void dgen_scan_begin_locked(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
								   int nkeys);
extern void dgen_scan_seek(DgenScan *scan, ScanKey keys, int nkeys); /* can be called again */
extern bool dgen_scan_next(DgenScan *scan);
extern bool dgen_scan_only(DgenScan *scan); /* for keys that are all columns of a unique index */
extern void dgen_scan_row(DgenScan *scan);  /* reads the current row into values and nulls */
/* Counts rows of the range from its end, at most `most`. Stops after most_dead dead rows. */
extern int dgen_scan_count_back(DgenScan *scan, int most, int most_dead);
extern void dgen_scan_end(DgenScan *scan);

/* Keys of a scan, by column of the index, 1-based. */
extern void dgen_key_int2(ScanKey key, int column, StrategyNumber strategy, int16 value);
extern void dgen_key_int4(ScanKey key, int column, StrategyNumber strategy, int32 value);
extern void dgen_key_int8(ScanKey key, int column, StrategyNumber strategy, int64 value);
extern void dgen_key_time(ScanKey key, int column, StrategyNumber strategy, TimestampTz value);
extern void dgen_key_text(ScanKey key, int column, const text *value);

#endif /* DGEN_TABLE_SCAN_H */
