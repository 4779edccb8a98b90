/*
 * A name that no actor type has is often a typo. Finds the type that was meant, for the hint.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "actor/actor_type.h"
#include "base/rights.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"

#define MOST_TYPES 1000 /* maximum number of types compared */
#define MOST_SLIPS 3    /* maximum number of missing, extra or wrong characters */

typedef struct Nearest
{
	const char *name;
	int length;
	int distance; /* of the best type so far */
	const char *best;
} Nearest;

/* The hint never names a type that the caller cannot use. */
static void
compare(Nearest *nearest, const ActorType *type)
{
	int distance;

	if (type == NULL || !dgen_may_know_type(type, dgen_calling_role()))
		return;
	distance = varstr_levenshtein_less_equal(nearest->name, nearest->length, type->name,
											 strlen(type->name), 1, 1, 1, nearest->distance, true);
	if (distance >= nearest->distance)
		return;
	nearest->distance = distance;
	nearest->best = type->name;
}

const char *
dgen_nearest_type(const text *name)
{
	Nearest nearest = {.name = text_to_cstring(name), .length = VARSIZE_ANY_EXHDR(name)};
	Snapshot snapshot;
	DgenScan scan;
	ScanKeyData key;

	if (nearest.length == 0 || nearest.length > DGEN_MAX_TYPE_NAME_BYTES)
		return NULL;
	nearest.distance = Min(MOST_SLIPS, (nearest.length - 1) / 2) + 1;
	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_key_int4(&key, 1, BTGreaterStrategyNumber, 0);
	dgen_scan_begin(&scan, TABLE_ACTOR_TYPE, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	for (int i = 0; i < MOST_TYPES && dgen_scan_next(&scan); i++)
	{
		dgen_scan_row(&scan);
		compare(&nearest, dgen_type_by_id(DatumGetInt32(scan.values[ACTOR_TYPE_ID]), true));
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return nearest.best;
}
