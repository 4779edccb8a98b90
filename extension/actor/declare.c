/*
 * When external workers attach, they declare which of their types have callbacks for dead letters and for
 * actions. The row of the type keeps that, because a message can become a dead letter while no such
 * worker is attached, and the session that records the dead letter must know.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/declare.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "write/writer.h"

static bool
is_needed(DgenScan *scan, int column)
{
	dgen_scan_row(scan);
	return scan->nulls[ACTOR_TYPE_HANDLER] && !DatumGetBool(scan->values[column]);
}

/* False: another session has just changed the row. */
static bool
try_declare(int32 type_id, int column)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool done = true;
	DgenScan scan;
	ScanKeyData key;

	dgen_key_int4(&key, 1, BTEqualStrategyNumber, type_id);
	dgen_scan_begin(&scan, TABLE_ACTOR_TYPE, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	if (dgen_scan_next(&scan) && is_needed(&scan, column))
	{
		ItemPointerData tid = scan.slot->tts_tid;
		DgenWriter writer;

		scan.values[column] = BoolGetDatum(true);
		dgen_writer_open(&writer, TABLE_ACTOR_TYPE);
		done = dgen_writer_try_update(&writer, &tid, scan.values, scan.nulls);
		dgen_writer_close(&writer);
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	return done;
}

/*
 * Locks only the row until this transaction ends, which can take long, so a session that creates or
 * alters another type does not wait. dgen.alter_actor_type locks the row before it reads it
 * (dgen._lock_type), so neither overwrites the other. Sends the invalidation that the table's trigger
 * would send.
 */
void
dgen_declare(const ActorType *type, Declared what)
{
	const int32 type_id = type->id; /* a change can drop the cache */
	const int column =
		what == DECLARED_ACTIONS ? ACTOR_TYPE_HANDLE_ACTIONS : ACTOR_TYPE_HANDLE_DEAD_LETTERS;
	const bool known = what == DECLARED_ACTIONS ? type->handle_actions : type->handle_dead_letters;

	if (known || type->handler != NULL)
		return;
	dgen_table_lock(TABLE_ACTOR_TYPE, RowExclusiveLock);
	while (!try_declare(type_id, column))
		CHECK_FOR_INTERRUPTS();
	CacheInvalidateRelcacheByRelid(dgen_table_oid(TABLE_ACTOR_TYPE));
}
