/*
 * The rows of a mailbox without the dead ones up to its floor (floor.c). dgen_floor_open locks the table,
 * as dgen_scan_begin does.
 */
#ifndef DGEN_TABLE_FLOOR_H
#define DGEN_TABLE_FLOOR_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "table/scan.h"

/* Three scans of dgen.message, in the order of the mailbox. */
typedef struct FloorScan
{
	DgenScan above;  /* of priorities above 0, ... */
	DgenScan beyond; /* ... of priority 0 above the floor, ... */
	DgenScan below;  /* ... and of priorities below 0 */
} FloorScan;

#define FLOOR_SCANS 3

/* A floor is worth three scans from so many dead rows on. */
#define FLOOR_ROWS 8

/* The snapshot must stay active, or registered, until the scan is closed. */
extern void dgen_floor_open(FloorScan *scan, Snapshot snapshot);
/* Returns the n-th of the three scans, from 0 on, placed at the mailbox. */
extern DgenScan *dgen_floor_seek(FloorScan *scan, int n, int32 type_id, int64 mailbox, int64 floor);
extern void dgen_floor_close(FloorScan *scan);

#endif /* DGEN_TABLE_FLOOR_H */
