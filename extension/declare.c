/*
 * What external workers say about their types when they attach: that they have callbacks
 * for dead letters, for actions. The type remembers it, because a message may die when no
 * such worker is there, and whoever records that has to know.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

/*
 * Takes the lock that dgen.alter_actor_type takes, so that neither overwrites the other, and
 * does by hand what the table's trigger does.
 */
void
dgen_declare(const ActorType *type, Declared what)
{
	const int column =
		what == DECLARED_ACTIONS ? ACTOR_TYPE_HANDLE_ACTIONS : ACTOR_TYPE_HANDLE_DEAD_LETTERS;
	const bool known = what == DECLARED_ACTIONS ? type->handle_actions : type->handle_dead_letters;

	Snapshot snapshot;
	DgenWriter writer;
	DgenScan scan;
	ScanKeyData key;

	if (known || type->handler != NULL)
		return;
	dgen_table_lock(TABLE_ACTOR_TYPE, ShareRowExclusiveLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_key_int4(&key, 1, BTEqualStrategyNumber, type->id);
	dgen_scan_begin(&scan, TABLE_ACTOR_TYPE, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	if (dgen_scan_next(&scan))
	{
		ItemPointerData tid = scan.slot->tts_tid;

		dgen_scan_row(&scan);
		scan.values[column] = BoolGetDatum(true);
		dgen_writer_open(&writer, TABLE_ACTOR_TYPE);
		dgen_writer_update(&writer, &tid, scan.values, scan.nulls);
		dgen_writer_close(&writer);
		CacheInvalidateRelcacheByRelid(dgen_table_oid(TABLE_ACTOR_TYPE));
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
}
