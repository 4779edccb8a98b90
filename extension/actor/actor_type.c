/*
 * Actor types for the hot paths: a per-session cache of dgen.actor_type and dgen.privilege. A trigger on
 * those tables invalidates it when they change.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "base/delay.h"
#include "base/errors.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/shape.h"
#include "table/table.h"
#include "version/access.h"

PG_FUNCTION_INFO_V1(dgen_actor_type_exists);

/* A role's privileges on a type, as bits 1 << Privilege. */
typedef struct Grant
{
	Oid role;
	int privileges;
} Grant;

typedef struct CachedType
{
	ActorType type; /* first, so that ActorType * can be cast back */
	int ngrants;
	Grant *grants;
	struct CachedType *next;
} CachedType;

/*
 * The cache is a list with the last used type first, because databases have only a few types. A stale
 * cache is kept until the transaction ends, because callers have pointers into it.
 */
static MemoryContext cache_context = NULL;
static CachedType *cache = NULL;
static bool stale = false;
static Oid watched_relation = InvalidOid; /* dgen.actor_type */
static List *retired = NIL;               /* MemoryContexts, list in TopMemoryContext */
static bool adopted = false;              /* this database is known to be adopted */
static TransactionId adopted_by = InvalidTransactionId;

static void
free_retired(XactEvent event, void *arg)
{
	if (retired == NIL)
		return;
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		ListCell *cell;

		foreach (cell, retired)
			MemoryContextDelete((MemoryContext) lfirst(cell));
		list_free(retired);
		retired = NIL;
	}
}

/* The trigger on both tables invalidates the cache through this relation. */
static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == watched_relation)
		stale = true;
}

void
dgen_actor_type_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	RegisterXactCallback(free_retired, NULL);
}

/* Pointers into the old cache stay valid until the transaction ends. */
static void
refresh_cache(void)
{
	MemoryContext old;

	watched_relation = dgen_table_oid(TABLE_ACTOR_TYPE);
	if (cache_context != NULL && !stale)
		return;

	if (cache_context != NULL)
	{
		old = MemoryContextSwitchTo(TopMemoryContext);
		retired = lappend(retired, cache_context);
		MemoryContextSwitchTo(old);
	}
	cache_context =
		AllocSetContextCreate(CacheMemoryContext, "dgen actor types", ALLOCSET_SMALL_SIZES);
	cache = NULL;
	stale = false;
	adopted = false;
}

static int
privilege_bit(const char *name)
{
	if (strcmp(name, "send") == 0)
		return 1 << PRIVILEGE_SEND;
	if (strcmp(name, "read") == 0)
		return 1 << PRIVILEGE_READ;
	return 1 << PRIVILEGE_WORK;
}

static void
load_grants(CachedType *type, Snapshot snapshot)
{
	DgenScan scan;
	ScanKeyData key;
	int size = 8;

	type->grants = palloc(size * sizeof(Grant));
	dgen_key_int4(&key, 1, BTEqualStrategyNumber, type->type.id);
	dgen_scan_begin(&scan, TABLE_PRIVILEGE, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	while (dgen_scan_next(&scan))
	{
		Grant *grant;

		dgen_scan_row(&scan);
		if (type->ngrants == size)
			type->grants = repalloc(type->grants, (size *= 2) * sizeof(Grant));
		grant = &type->grants[type->ngrants++];
		grant->role = DatumGetObjectId(scan.values[PRIVILEGE_ROLE]);
		grant->privileges = privilege_bit(TextDatumGetCString(scan.values[PRIVILEGE_PRIVILEGE]));
	}
	dgen_scan_end(&scan);
}

static int64
interval_to_ms(const Interval *interval)
{
	return Min(Max(dgen_interval_us(interval) / 1000, 1), INT_MAX);
}

static CachedType *
build_type(DgenScan *scan, Snapshot snapshot)
{
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	CachedType *cached = palloc0(sizeof(CachedType));
	ActorType *type = &cached->type;
	Datum *values = scan->values;

	dgen_scan_row(scan);
	type->id = DatumGetInt32(values[ACTOR_TYPE_ID]);
	type->name = TextDatumGetCString(values[ACTOR_TYPE_NAME]);
	type->owner = DatumGetObjectId(values[ACTOR_TYPE_OWNER]);
	if (!scan->nulls[ACTOR_TYPE_HANDLER])
		type->handler = TextDatumGetCString(values[ACTOR_TYPE_HANDLER]);
	type->search_path = TextDatumGetCString(values[ACTOR_TYPE_SEARCH_PATH]);
	type->initial_state = DatumGetJsonbPCopy(values[ACTOR_TYPE_INITIAL_STATE]);
	type->max_attempts = DatumGetInt32(values[ACTOR_TYPE_MAX_ATTEMPTS]);
	type->backoff = *DatumGetIntervalP(values[ACTOR_TYPE_BACKOFF]);
	type->max_backoff = *DatumGetIntervalP(values[ACTOR_TYPE_MAX_BACKOFF]);
	type->turn_timeout_ms = interval_to_ms(DatumGetIntervalP(values[ACTOR_TYPE_TURN_TIMEOUT]));
	type->retention = *DatumGetIntervalP(values[ACTOR_TYPE_RETENTION]);
	if (!scan->nulls[ACTOR_TYPE_MAX_WAITING])
		type->max_waiting = DatumGetInt32(values[ACTOR_TYPE_MAX_WAITING]);
	if (!scan->nulls[ACTOR_TYPE_MAX_CONCURRENCY])
		type->max_concurrency = DatumGetInt32(values[ACTOR_TYPE_MAX_CONCURRENCY]);
	if (!scan->nulls[ACTOR_TYPE_MAX_RATE])
		type->max_rate = DatumGetFloat8(values[ACTOR_TYPE_MAX_RATE]);
	type->limited = type->max_concurrency > 0 || type->max_rate > 0;
	type->handle_dead_letters = DatumGetBool(values[ACTOR_TYPE_HANDLE_DEAD_LETTERS]);
	type->handle_actions = DatumGetBool(values[ACTOR_TYPE_HANDLE_ACTIONS]);
	type->lock_timeout_ms = interval_to_ms(DatumGetIntervalP(values[ACTOR_TYPE_LOCK_TIMEOUT]));
	type->locked_priority = DatumGetInt32(values[ACTOR_TYPE_LOCKED_PRIORITY]);
	load_grants(cached, snapshot);
	cached->next = cache;
	cache = cached;
	MemoryContextSwitchTo(old);
	return cached;
}

/*
 * Reads in a new snapshot: the statement's might be older than the type, and in REPEATABLE READ older
 * than its policy.
 */
static CachedType *
load_type(int index, ScanKey key)
{
	CachedType *type = NULL;
	Snapshot snapshot;
	DgenScan scan;

	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	dgen_table_lock(TABLE_PRIVILEGE, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_scan_begin(&scan, TABLE_ACTOR_TYPE, index, snapshot, 1);
	dgen_scan_seek(&scan, key, 1);
	if (dgen_scan_next(&scan))
		type = build_type(&scan, snapshot);
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return type;
}

/* NULL: no type has that name. */
static const ActorType *
find_by_name(text *name)
{
	const char *data = VARDATA_ANY(name);
	size_t length = VARSIZE_ANY_EXHDR(name);
	CachedType *type;
	ScanKeyData key;

	/* A transaction that already has its locks learns only here what was revoked since then. */
	AcceptInvalidationMessages();
	refresh_cache();
	for (type = cache; type != NULL; type = type->next)
		if (!dgen_is_of_actions(type->type.id) && strncmp(type->type.name, data, length) == 0 &&
			type->type.name[length] == '\0')
			return &type->type;

	dgen_key_text(&key, 1, name);
	type = load_type(INDEX_BY_NAME, &key);
	return type == NULL ? NULL : &type->type;
}

static void
refuse_unknown(const text *name)
{
	const char *nearest = dgen_nearest_type(name);

	ereport(ERROR, (errcode(DGEN_ERR_UNKNOWN_TYPE),
					errmsg("actor type \"%s\" does not exist", text_to_cstring(name)),
					nearest != NULL ? errhint("Perhaps you meant actor type \"%s\".", nearest)
									: errhint("Create it with dgen.create_actor_type.")));
}

const ActorType *
dgen_type_by_name(text *name)
{
	const ActorType *type = find_by_name(name);

	if (type == NULL && dgen_current_actor() != NULL)
		dgen_refuse_old_definition(dgen_current_actor()->type);
	if (type == NULL)
		refuse_unknown(name);
	return type;
}

Datum
dgen_actor_type_exists(PG_FUNCTION_ARGS)
{
	/* Acquiring the lock processes the invalidations for created and dropped types. */
	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	PG_RETURN_BOOL(find_by_name(PG_GETARG_TEXT_PP(0)) != NULL);
}

static void
make_type_of_actions(ActorType *type)
{
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	JsonbValue nothing = {.type = jbvObject};

	type->id = -type->id;
	type->max_waiting = type->max_concurrency = 0;
	type->max_rate = 0;
	type->limited = false;
	type->initial_state = JsonbValueToJsonb(&nothing);
	MemoryContextSwitchTo(old);
}

const ActorType *
dgen_type_by_id(int32 id, bool missing_ok)
{
	CachedType *type;
	ScanKeyData key;

	refresh_cache();
	for (type = cache; type != NULL; type = type->next)
		if (type->type.id == id)
			return &type->type;

	dgen_key_int4(&key, 1, BTEqualStrategyNumber, dgen_actors_type(id));
	type = load_type(INDEX_PRIMARY, &key);
	if (type != NULL && dgen_is_of_actions(id))
		make_type_of_actions(&type->type);
	if (type == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(DGEN_ERR_UNKNOWN_TYPE), errmsg("actor type with id %d does not exist", id),
				 errhint("The type was dropped by another session.")));
	return type == NULL ? NULL : &type->type;
}

bool
dgen_has_privilege(const ActorType *type, Oid role, Privilege privilege)
{
	const CachedType *cached = (const CachedType *) type;

	if (role == type->owner || has_privs_of_role(role, type->owner))
		return true;
	for (int i = 0; i < cached->ngrants; i++)
	{
		const Grant *grant = &cached->grants[i];

		if ((grant->privileges & (1 << privilege)) != 0 &&
			(grant->role == ACL_ID_PUBLIC || grant->role == role ||
			 has_privs_of_role(role, grant->role)))
			return true;
	}
	return false;
}

/* Can the role know the name of the type? */
bool
dgen_may_know_type(const ActorType *type, Oid role)
{
	return dgen_has_privilege(type, role, PRIVILEGE_SEND) ||
		   dgen_has_privilege(type, role, PRIVILEGE_READ) ||
		   dgen_has_privilege(type, role, PRIVILEGE_WORK);
}

void
dgen_check_privilege(const ActorType *type, Oid role, Privilege privilege)
{
	static const char *const names[] = {"send", "read", "work"};
	static const char *const verbs[] = {"send to", "read", "work for"};

	if (dgen_has_privilege(type, role, privilege))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for role \"%s\" to %s actor type \"%s\"",
					GetUserNameFromId(role, false), verbs[privilege], type->name),
			 errhint("The owner of the actor type can grant the privilege with dgen.grant_%s.",
					 names[privilege])));
}

/* For a message that was found by its id, which every role can guess. */
void
dgen_check_work_found(const ActorType *type, Oid role)
{
	if (!dgen_may_know_type(type, role))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for role \"%s\" to work for the actor type of that message",
					GetUserNameFromId(role, false)),
			 errhint("The owner of the actor type can grant the privilege with dgen.grant_work.")));
	dgen_check_privilege(type, role, PRIVILEGE_WORK);
}

/*
 * A dump contains the adoption row of its database. A row with another system or database means that this
 * database is a copy. A missing row means the same: the restore has not reached it yet. Read once per
 * session and change of types, which adopt_database also causes.
 */
void
dgen_check_adopted(void)
{
	Relation heap;
	TableScanDesc scan;
	Snapshot snapshot;
	HeapTuple tuple;
	bool found = false;
	bool foreign = false;
	TransactionId by = InvalidTransactionId;

	refresh_cache();
	if (adopted)
		return;

	heap = dgen_table_open(TABLE_ADOPTION, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = dgen_table_beginscan(heap, snapshot);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Datum values[ADOPTION_COLUMNS];
		bool nulls[ADOPTION_COLUMNS];

		dgen_row_deform(tuple, RelationGetDescr(heap), values, nulls, ADOPTION_COLUMNS);
		found = true;
		by = HeapTupleHeaderGetRawXmin(tuple->t_data);
		if (DatumGetInt64(values[ADOPTION_SYSTEM]) != (int64) GetSystemIdentifier() ||
			DatumGetObjectId(values[ADOPTION_DATABASE]) != MyDatabaseId)
			foreign = true;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(heap, NoLock);

	if (foreign || !found)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NOT_ADOPTED),
			 errmsg("the actors of this database were restored from a copy of another one"),
			 errdetail("A copy that handles messages repeats the side effects of the original."),
			 errhint(
				 "If this database takes the original's place, run SELECT dgen.adopt_database().")));
	adopted_by = by;
	adopted = true;
}

TransactionId
dgen_adopted_by(void)
{
	return adopted_by;
}
