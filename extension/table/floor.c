/*
 * The rows of a mailbox in their order, without those of priority 0 up to its floor (memo.c): they are
 * dead, and might be millions.
 *
 *     message_order:  | priority > 0 | dead dead dead dead | waiting ... | priority < 0 |
 *                      above                          floor  beyond        below
 */
#include "postgres.h"

#include "access/stratnum.h"

#include "table/columns.h"
#include "table/floor.h"
#include "table/scan.h"
#include "table/table.h"

void
dgen_floor_open(FloorScan *scan, Snapshot snapshot)
{
	dgen_scan_begin(&scan->above, TABLE_MESSAGE, INDEX_PRIMARY, snapshot, 3);
	dgen_scan_begin(&scan->beyond, TABLE_MESSAGE, INDEX_PRIMARY, snapshot, 4);
	dgen_scan_begin(&scan->below, TABLE_MESSAGE, INDEX_PRIMARY, snapshot, 3);
}

DgenScan *
dgen_floor_seek(FloorScan *scan, int n, int32 type_id, int64 mailbox, int64 floor)
{
	static const StrategyNumber priorities[FLOOR_SCANS] = {
		BTGreaterStrategyNumber, BTEqualStrategyNumber, BTLessStrategyNumber};
	DgenScan *scans[FLOOR_SCANS] = {&scan->above, &scan->beyond, &scan->below};
	bool beyond = scans[n] == &scan->beyond;
	ScanKeyData keys[4];

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, mailbox);
	dgen_key_int2(&keys[2], ORDER_PRIORITY, priorities[n], 0);
	dgen_key_int8(&keys[3], ORDER_SEQ, BTGreaterStrategyNumber, floor);
	dgen_scan_seek(scans[n], keys, beyond ? 4 : 3);
	return scans[n];
}

void
dgen_floor_close(FloorScan *scan)
{
	dgen_scan_end(&scan->below);
	dgen_scan_end(&scan->beyond);
	dgen_scan_end(&scan->above);
}
