/*
 * Reading dgen's tables through the access methods. There is no planner in between, so
 * neither statistics nor settings can change how a hot path finds its rows (I10).
 */
#include "dgen_ext.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension.h"

#define MAX_INDEXES 3 /* of a table that are scanned */

typedef struct TableInfo
{
	const char *name;
	const char *indexes[MAX_INDEXES];
} TableInfo;

static const TableInfo tables[DGEN_TABLE_COUNT] = {
	[TABLE_ACTOR_TYPE] = {"actor_type", {"actor_type_pkey", "actor_type_name_key"}},
	[TABLE_PRIVILEGE] = {"privilege", {"privilege_pkey", NULL}},
	[TABLE_MESSAGE] = {"message", {"message_order", NULL}},
	[TABLE_DELAYED_MESSAGE] = {"delayed_message", {"delayed_message_pkey", "delayed_message_due"}},
	[TABLE_IDEMPOTENCY_KEY] = {"idempotency_key",
							   {"idempotency_key_pkey", "idempotency_key_expiry"}},
	[TABLE_PAUSED] = {"paused", {"paused_pkey", NULL}},
	[TABLE_FAILED_ATTEMPT] = {"failed_attempt", {"failed_attempt_pkey", "failed_attempt_retry"}},
	[TABLE_ACTOR] = {"actor", {"actor_pkey", NULL}},
	[TABLE_LOCKED] = {"locked", {"locked_pkey", "locked_retry", "locked_expiry"}},
	[TABLE_DEAD_LETTER] = {"dead_letter", {"dead_letter_pkey", "dead_letter_actor"}},
	[TABLE_REQUEST] = {"request", {"request_pkey", NULL}},
	[TABLE_WORKER] = {"worker", {"worker_pkey", NULL}},
	[TABLE_REQUEST_ASKER] = {"request_asker", {"request_asker_pkey", NULL}},
	[TABLE_ADOPTION] = {"adoption", {NULL, NULL}},
	[TABLE_RECEIPT] = {"receipt", {"receipt_pkey", NULL}},
	[SEQUENCE_MESSAGE] = {"message_seq", {NULL, NULL}},
	[SEQUENCE_VERSION] = {"version_seq", {NULL, NULL}},
	[SEQUENCE_WORKER] = {"worker_id_seq", {NULL, NULL}},
};

/* OIDs found so far; forgotten when one of the relations changes. */
typedef struct TableOids
{
	Oid table;
	Oid indexes[MAX_INDEXES];
} TableOids;

static TableOids oids[DGEN_TABLE_COUNT];
static bool callback_registered = false;

static void
forget_oids(Datum arg, Oid relid)
{
	for (int i = 0; i < DGEN_TABLE_COUNT; i++)
		if (relid == InvalidOid || relid == oids[i].table)
		{
			memset(&oids[i], 0, sizeof(oids[i]));
			dgen_extension_changed();
		}
}

static Oid
lookup(const char *name)
{
	Oid schema = get_namespace_oid("dgen", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

Oid
dgen_table_oid(DgenTable table)
{
	Oid oid = oids[table].table;

	if (OidIsValid(oid))
		return oid;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_oids, (Datum) 0);
		callback_registered = true;
	}

	oid = lookup(tables[table].name);
	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table dgen.%s does not exist", tables[table].name),
						errhint("Run CREATE EXTENSION dgen in this database.")));
	dgen_check_extension_once(); /* columns are known by position */
	oids[table].table = oid;
	return oid;
}

/* Every session looks at the extension's version again, and at the actor types. */
void
dgen_tell_of_change(void)
{
	CacheInvalidateRelcacheByRelid(lookup(tables[TABLE_ACTOR_TYPE].name));
}

bool
dgen_is_installed(void)
{
	return OidIsValid(lookup(tables[TABLE_MESSAGE].name));
}

void
dgen_table_lock(DgenTable table, LOCKMODE lockmode)
{
	LockRelationOid(dgen_table_oid(table), lockmode);
}

Relation
dgen_table_open(DgenTable table, LOCKMODE lockmode)
{
	return table_open(dgen_table_oid(table), lockmode);
}

/* Others have no rights on it. */
Oid
dgen_table_owner(DgenTable table)
{
	Relation heap = dgen_table_open(table, AccessShareLock);
	Oid owner = heap->rd_rel->relowner;

	table_close(heap, NoLock);
	return owner;
}

static Relation
open_index(DgenTable table, int index)
{
	Oid oid = oids[table].indexes[index];

	if (!OidIsValid(oid))
	{
		oid = lookup(tables[table].indexes[index]);
		if (!OidIsValid(oid))
			ereport(
				ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index dgen.%s does not exist", tables[table].indexes[index]),
				 errhint(
					 "Create the extension anew, or restore its indexes under their own names.")));
		oids[table].indexes[index] = oid;
	}
	return index_open(oid, AccessShareLock);
}

void
dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->heap = dgen_table_open(table, AccessShareLock);
	scan->index = open_index(table, index);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->scan = dgen_index_beginscan(scan->heap, scan->index, snapshot, nkeys);
	scan->values = scan->slot->tts_values;
	scan->nulls = scan->slot->tts_isnull;
	scan->dead = scan->most_dead = 0;
}

void
dgen_scan_seek(DgenScan *scan, ScanKey keys, int nkeys)
{
	Assert(nkeys == scan->scan->numberOfKeys);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

static bool
next_row(DgenScan *scan, ScanDirection direction)
{
	IndexScanDesc index = scan->scan;

	for (;;)
	{
		if (!index->xs_heap_continue && index_getnext_tid(index, direction) == NULL)
			return false;
		if (index_fetch_heap(index, scan->slot))
			return true;
		if (++scan->dead == scan->most_dead)
			return false;
	}
}

/* Like index_getnext_slot, and counts the dead. */
bool
dgen_scan_next(DgenScan *scan)
{
	return next_row(scan, ForwardScanDirection);
}

/*
 * The one row that the keys of a unique index select. Its versions are in the index by place:
 * as long as somebody's snapshot keeps all of them, the one that lives is near the end.
 */
bool
dgen_scan_only(DgenScan *scan)
{
	return next_row(scan, BackwardScanDirection);
}

int
dgen_scan_count_back(DgenScan *scan, int most, int most_dead)
{
	int count = 0;

	while (count < most && most_dead > 0 &&
		   index_getnext_tid(scan->scan, BackwardScanDirection) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (index_fetch_heap(scan->scan, scan->slot))
			count++;
		else
			most_dead--;
	}
	return count;
}

void
dgen_scan_row(DgenScan *scan)
{
	slot_getallattrs(scan->slot);
}

void
dgen_scan_end(DgenScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->heap, NoLock);
}

static void
make_key(ScanKey key, int column, StrategyNumber strategy, Oid type, RegProcedure procedure,
		 Oid collation, Datum value)
{
	ScanKeyEntryInitialize(key, 0, column, strategy, type, collation, procedure, value);
}

static RegProcedure
pick(StrategyNumber strategy, RegProcedure less, RegProcedure less_equal, RegProcedure equal,
	 RegProcedure greater_equal, RegProcedure greater)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return less;
		case BTLessEqualStrategyNumber:
			return less_equal;
		case BTEqualStrategyNumber:
			return equal;
		case BTGreaterEqualStrategyNumber:
			return greater_equal;
		default:
			return greater;
	}
}

void
dgen_key_int2(ScanKey key, int column, StrategyNumber strategy, int16 value)
{
	make_key(key, column, strategy, INT2OID,
			 pick(strategy, F_INT2LT, F_INT2LE, F_INT2EQ, F_INT2GE, F_INT2GT), InvalidOid,
			 Int16GetDatum(value));
}

void
dgen_key_int4(ScanKey key, int column, StrategyNumber strategy, int32 value)
{
	make_key(key, column, strategy, INT4OID,
			 pick(strategy, F_INT4LT, F_INT4LE, F_INT4EQ, F_INT4GE, F_INT4GT), InvalidOid,
			 Int32GetDatum(value));
}

void
dgen_key_int8(ScanKey key, int column, StrategyNumber strategy, int64 value)
{
	make_key(key, column, strategy, INT8OID,
			 pick(strategy, F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT), InvalidOid,
			 Int64GetDatum(value));
}

void
dgen_key_time(ScanKey key, int column, StrategyNumber strategy, TimestampTz value)
{
	make_key(key, column, strategy, TIMESTAMPTZOID,
			 pick(strategy, F_TIMESTAMPTZ_LT, F_TIMESTAMPTZ_LE, F_TIMESTAMPTZ_EQ, F_TIMESTAMPTZ_GE,
				  F_TIMESTAMPTZ_GT),
			 InvalidOid, TimestampTzGetDatum(value));
}

void
dgen_key_text(ScanKey key, int column, const text *value)
{
	make_key(key, column, BTEqualStrategyNumber, TEXTOID, F_TEXTEQ, C_COLLATION_OID,
			 PointerGetDatum(value));
}

/*
 * The transaction has its id before it draws the seq of a message: see memo.c. (Where it
 * cannot have one, in a read-only transaction, nextval says so better.)
 */
int64
dgen_nextval(DgenTable sequence)
{
	if (sequence == SEQUENCE_MESSAGE && !XactReadOnly)
		(void) GetTopTransactionId();
	return nextval_internal(dgen_table_oid(sequence), false);
}
