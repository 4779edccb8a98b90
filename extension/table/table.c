/*
 * Opening and locking dgen's tables and their indexes.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "table/installed.h"
#include "table/shape.h"
#include "table/table.h"
#include "version/access.h"

/*
 * What is known of a table and its indexes; forgotten when one of them changes. An entry is set
 * immediately after the lookup in the catalog, so that no invalidation comes in between, and a later one
 * clears the entry.
 */
typedef struct TableState
{
	Oid table;
	bool checked;     /* its shape is checked */
	WriteNeeds needs; /* once it is checked */
	Oid indexes[MAX_INDEXES];
	bool index_checked[MAX_INDEXES];
} TableState;

static TableState states[DGEN_TABLE_COUNT];
static bool callback_registered = false;

/* Tables for which publications allow the command; see dgen_check_published. */
static Oid published[CMD_DELETE + 1];
static uint64 changes = 0; /* number of invalidations */

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

/* NOT relocatable does not prevent ALTER SCHEMA. */
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
			 errhint(
				 "If it was renamed, rename it back. Otherwise restore a backup of the database.")));
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

Oid
dgen_this_extension(void)
{
	return dgen_table_oid(TABLE_MESSAGE);
}

/* Every session checks the extension's version and reads the actor types again. */
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
 * Acquiring the lock processes the invalidations that were sent before. If the table has another OID by
 * then, that table is locked instead.
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

/* If the table changes during the check, the next open checks it again. */
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

Relation
dgen_table_open_locked(DgenTable table, Oid oid)
{
	Relation heap = relation_open(oid, NoLock);

	if (unlikely(!states[table].checked))
		check(table, heap);
	return heap;
}

Relation
dgen_table_open(DgenTable table, LOCKMODE lockmode)
{
	return dgen_table_open_locked(table, lock_table(table, lockmode));
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

/* An error of the server, for which no message is to blame: see dgen_is_blameless. */
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

/* Other roles have no privileges on the table. */
Oid
dgen_table_owner(DgenTable table)
{
	Relation heap = dgen_table_open(table, AccessShareLock);
	Oid owner = heap->rd_rel->relowner;

	table_close(heap, NoLock);
	return owner;
}

/* Between two checks whether a commit has sent its invalidations. */
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
 * The lock on the table protects the current index of that name from DROP. But REINDEX CONCURRENTLY can
 * give the name to another index, and this one is then no longer valid.
 */
Relation
dgen_open_index(DgenTable table, int index)
{
	for (;;)
	{
		Oid oid = index_oid(table, index);
		Relation relation = index_open(oid, AccessShareLock);

		if (!relation->rd_index->indisvalid && dgen_index_is_valid_now(table, index))
		{
			/* The swap of a REINDEX CONCURRENTLY is visible, but its invalidations have not arrived yet. */
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
