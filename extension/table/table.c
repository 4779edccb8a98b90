/*
 * Reading dgen's tables through the access methods. There is no planner in between, so
 * neither statistics nor settings can change how a hot path finds its rows (I10).
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "table/shape.h"
#include "table/table.h"
#include "version/access.h"

/*
 * What is known of a table and its indexes; forgotten when one of them changes. An entry is set
 * from a lookup in the catalog at once, so that no invalidation comes in between: one that comes
 * later meets it.
 */
typedef struct TableState
{
	Oid table;
	bool checked;     /* its shape */
	WriteNeeds needs; /* once it is checked */
	Oid indexes[MAX_INDEXES];
	bool index_checked[MAX_INDEXES];
} TableState;

static TableState states[DGEN_TABLE_COUNT];
static bool callback_registered = false;

/* May be written as far as publications go; see dgen_check_published. */
static Oid published[CMD_DELETE + 1];
static uint64 changes = 0; /* forgotten so often */

static bool
is_of(const TableState *state, Oid relid)
{
	if (relid == InvalidOid || relid == state->table)
		return true;
	for (int i = 0; i < MAX_INDEXES; i++)
		if (relid == state->indexes[i])
			return true;
	return false;
}

static void
forget(Datum arg, Oid relid)
{
	for (int i = 0; i < DGEN_TABLE_COUNT; i++)
		if (is_of(&states[i], relid))
		{
			memset(&states[i], 0, sizeof(states[i]));
			memset(published, 0, sizeof(published));
			changes++;
			dgen_extension_changed();
		}
}

static Oid
lookup(const char *name)
{
	Oid schema = get_namespace_oid("dgen", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* NOT relocatable does not keep anybody from ALTER SCHEMA. */
static void
refuse_renamed_schema(void)
{
	const char *schema = dgen_installed_schema();

	if (schema == NULL || strcmp(schema, "dgen") == 0)
		return;
	ereport(ERROR, (errcode(DGEN_ERR_CHANGED),
					errmsg("schema of extension dgen must be named dgen, not \"%s\"", schema),
					errhint("Run ALTER SCHEMA %s RENAME TO dgen.", quote_identifier(schema))));
}

static void
refuse_missing(const char *name)
{
	refuse_renamed_schema();
	if (dgen_installed_version() != NULL)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_CHANGED), errmsg("relation dgen.%s does not exist", name),
			 errhint("If it was renamed, rename it back. Otherwise restore it from a backup.")));
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table dgen.%s does not exist", name),
					errhint("Run CREATE EXTENSION dgen in this database.")));
}

Oid
dgen_table_oid(DgenTable table)
{
	if (OidIsValid(states[table].table))
		return states[table].table;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		callback_registered = true;
	}

	dgen_check_extension_once(); /* columns are known by position */
	states[table].table = lookup(dgen_shapes[table].name);
	if (!OidIsValid(states[table].table))
		refuse_missing(dgen_shapes[table].name);
	return states[table].table;
}

/* Every session looks at the extension's version again, and at the actor types. */
void
dgen_tell_of_change(void)
{
	CacheInvalidateRelcacheByRelid(lookup(dgen_shapes[TABLE_ACTOR_TYPE].name));
}

bool
dgen_is_installed(void)
{
	return OidIsValid(lookup(dgen_shapes[TABLE_MESSAGE].name));
}

/*
 * With the lock come the invalidations that were sent before it was free. If the table had
 * another number by then, that one is locked.
 */
static Oid
lock_table(DgenTable table, LOCKMODE lockmode)
{
	for (;;)
	{
		Oid oid = dgen_table_oid(table);

		LockRelationOid(oid, lockmode);
		if (dgen_table_oid(table) == oid)
			return oid;
		UnlockRelationOid(oid, lockmode);
	}
}

void
dgen_table_lock(DgenTable table, LOCKMODE lockmode)
{
	(void) lock_table(table, lockmode);
}

bool
dgen_table_try_lock(DgenTable table, LOCKMODE lockmode)
{
	Oid oid = dgen_table_oid(table);

	if (!ConditionalLockRelationOid(oid, lockmode))
		return false;
	if (dgen_table_oid(table) != oid)
	{
		UnlockRelationOid(oid, lockmode);
		return false;
	}
	return true;
}

/* What changes while it is checked is checked when the table is opened next. */
static void
check(DgenTable table, Relation heap)
{
	TableState *state = &states[table];
	WriteNeeds needs;

	dgen_check_table(table, heap);
	needs = dgen_write_needs(heap);
	state->checked = state->table == RelationGetRelid(heap);
	state->needs = needs;
}

static Relation
open_locked(DgenTable table, Oid oid)
{
	Relation heap = relation_open(oid, NoLock);

	if (unlikely(!states[table].checked))
		check(table, heap);
	return heap;
}

Relation
dgen_table_open(DgenTable table, LOCKMODE lockmode)
{
	return open_locked(table, lock_table(table, lockmode));
}

static WriteNeeds
needs_of(DgenTable table, Relation heap)
{
	return states[table].checked ? states[table].needs : dgen_write_needs(heap);
}

bool
dgen_table_needs_executor(DgenTable table, Relation heap)
{
	return needs_of(table, heap).executor;
}

bool
dgen_table_calls_functions(DgenTable table, Relation heap)
{
	return needs_of(table, heap).functions;
}

static bool
is_known(Oid oid)
{
	for (int i = 0; i < DGEN_TABLE_COUNT; i++)
		if (states[i].table == oid)
			return true;
	return false;
}

/* An error of the server's, which is not the fault of any message: see dgen_is_blameless. */
static void
rethrow_unpublished(ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_INVALID_COLUMN_REFERENCE ||
		error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
	{
		error->sqlerrcode = DGEN_ERR_CHANGED;
		if (error->hint == NULL)
			error->hint = pstrdup("Publish all columns and rows of the table, or only its inserts; "
								  "pg_publication_tables shows what is published.");
	}
	ReThrowError(error);
}

static void
check_replica_identity(Relation heap, CmdType command)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		CheckCmdReplicaIdentity(heap, command);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		rethrow_unpublished(error);
	}
	PG_END_TRY();
}

void
dgen_check_published(Relation heap, CmdType command)
{
	Oid oid = RelationGetRelid(heap);
	uint64 before;

	if (published[command] == oid)
		return;
	before = changes;
	check_replica_identity(heap, command);
	if (changes == before && is_known(oid))
		published[command] = oid;
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

/* Between two looks whether a commit has announced what it has changed. */
#define SWAP_WAIT_US 1000

static Oid
index_oid(DgenTable table, int index)
{
	Oid *oid = &states[table].indexes[index];

	if (!OidIsValid(*oid))
		*oid = lookup(dgen_shapes[table].indexes[index].name);
	if (!OidIsValid(*oid))
		dgen_refuse_missing_index(table, index);
	return *oid;
}

/*
 * The lock on the table keeps what has the index's name now from being dropped. But REINDEX
 * CONCURRENTLY may give that name to another one, and this one is not valid any more then.
 */
static Relation
open_index(DgenTable table, int index)
{
	for (;;)
	{
		Oid oid = index_oid(table, index);
		Relation relation = index_open(oid, AccessShareLock);

		if (!relation->rd_index->indisvalid && dgen_index_is_valid_now(table, index))
		{
			/* The swap of a REINDEX CONCURRENTLY can be seen, but is not announced yet. */
			pg_usleep(SWAP_WAIT_US);
			CHECK_FOR_INTERRUPTS();
			AcceptInvalidationMessages();
		}
		else if (index_oid(table, index) == oid)
		{
			if (!states[table].index_checked[index])
				dgen_check_index(table, index, relation);
			if (states[table].indexes[index] == oid)
				states[table].index_checked[index] = true;
			if (relation->rd_index->indcheckxmin)
				dgen_check_index_horizon(relation);
			return relation;
		}
		index_close(relation, AccessShareLock);
	}
}

static void
begin_scan(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->index = open_index(table, index);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->scan = dgen_index_beginscan(scan->heap, scan->index, snapshot, nkeys);
	scan->values = scan->slot->tts_values;
	scan->nulls = scan->slot->tts_isnull;
	scan->dead = scan->most_dead = 0;
}

void
dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->heap = dgen_table_open(table, AccessShareLock);
	begin_scan(scan, table, index, snapshot, nkeys);
}

void
dgen_scan_begin_locked(DgenScan *scan, DgenTable table, int index, Snapshot snapshot, int nkeys)
{
	scan->heap = open_locked(table, dgen_table_oid(table));
	begin_scan(scan, table, index, snapshot, nkeys);
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
		CHECK_FOR_INTERRUPTS();
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
