/*
 * The rows of a mailbox without the dead ones up to its floor (floor.c). The table is locked, as for
 * dgen_scan_begin.
 */
#ifndef DGEN_TABLE_FLOOR_H
#define DGEN_TABLE_FLOOR_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "table/scan.h"

/* Three scans of dgen.message, in the order of the mailbox. */
typedef struct FloorScan
{
	DgenScan above;  /* of a higher priority than 0, ... */
	DgenScan beyond; /* ... of priority 0 beyond the floor, ... */
	DgenScan below;  /* ... and of a lower one */
} FloorScan;

#define FLOOR_SCANS 3

/* Dead rows in front of a mailbox that are worth remembering: what three scans cost. */
#define FLOOR_ROWS 8

/* The snapshot must stay active, or registered, until the scan is closed. */
extern void dgen_floor_open(FloorScan *scan, Snapshot snapshot);
/* The n-th of the three, from 0 on, at the mailbox. */
extern DgenScan *dgen_floor_seek(FloorScan *scan, int n, int32 type_id, int64 mailbox, int64 floor);
extern void dgen_floor_close(FloorScan *scan);

#endif /* DGEN_TABLE_FLOOR_H */
