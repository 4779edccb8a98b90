/*
 * Idempotency keys: the first sender of a key within the retention wins, and the
 * others get the id of its message.
 *
 * Taking a single key is the only step of the sending path that uses SPI: ON CONFLICT waits for an open
 * transaction that has inserted the same key and then decides, which the access methods cannot do. The
 * plan is always an insertion with the primary key as arbiter, whatever the statistics are.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "base/delay.h"
#include "send/idempotency.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"
#include "write/rows.h"
#include "write/statement.h"

/* A session that removes the key between two checks causes another try; more tries than this have another cause. */
#define MOST_TRIES 100

/* Operators are qualified: this runs with the sender's search_path. */
static const char *const take_sql =
	"INSERT INTO dgen.idempotency_key AS k"
	" (type_id, mailbox, actor_key, idempotency_key, message_id, expires_at)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (type_id, mailbox, actor_key, idempotency_key)"
	" DO UPDATE SET message_id = EXCLUDED.message_id, expires_at = EXCLUDED.expires_at"
	" WHERE k.expires_at OPERATOR(pg_catalog.<=) $7";

static SPIPlanPtr
take_plan(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID, INT8OID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID};

	if (plan == NULL)
	{
		plan = SPI_prepare(take_sql, lengthof(types), types);
		if (plan == NULL)
			elog(ERROR, "could not prepare the statement for idempotency keys: %s",
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
	}
	return plan;
}

static TimestampTz
expiry(const ActorType *type, TimestampTz now)
{
	return now + dgen_interval_us(&type->retention);
}

/* True: this transaction has the key now. */
static bool
take(const ActorType *type, int64 mailbox, text *actor_key, text *key, int64 id, TimestampTz now)
{
	TimestampTz expires = expiry(type, now);
	Datum values[] = {Int32GetDatum(type->id), Int64GetDatum(mailbox), PointerGetDatum(actor_key),
					  PointerGetDatum(key),    Int64GetDatum(id),      TimestampTzGetDatum(expires),
					  TimestampTzGetDatum(now)};
	Relation heap = dgen_table_open(TABLE_IDEMPOTENCY_KEY, RowExclusiveLock);
	bool taken;
	Rights before;

	dgen_become_owner(TABLE_IDEMPOTENCY_KEY, heap, &before);
	SPI_connect();
	if (SPI_execute_plan(take_plan(), values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not take an idempotency key: %s", SPI_result_code_string(SPI_result));
	taken = SPI_processed == 1;
	SPI_finish();
	dgen_become_again(&before);
	table_close(heap, NoLock);
	return taken;
}

/* Returns the id that the key stands for; 0: the key is gone. */
static int64
look_up(const ActorType *type, int64 mailbox, text *actor_key, text *key)
{
	Snapshot snapshot;
	int64 id = 0;
	DgenScan scan;
	ScanKeyData keys[4];

	dgen_table_lock(TABLE_IDEMPOTENCY_KEY, RowExclusiveLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, mailbox);
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, actor_key);
	dgen_key_text(&keys[3], 4, key);
	dgen_scan_begin(&scan, TABLE_IDEMPOTENCY_KEY, INDEX_PRIMARY, snapshot, 4);
	dgen_scan_seek(&scan, keys, 4);
	if (dgen_scan_next(&scan))
	{
		dgen_scan_row(&scan);
		id = DatumGetInt64(scan.values[IDEMPOTENCY_MESSAGE_ID]);
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return id;
}

int64
dgen_take_idempotency_key(const ActorType *type, int64 mailbox, text *actor_key, text *key,
						  int64 id)
{
	for (int i = 0; i < MOST_TRIES; i++)
	{
		int64 first;

		CHECK_FOR_INTERRUPTS();
		if (take(type, mailbox, actor_key, key, id, GetCurrentTimestamp()))
			return id;

		/* The key was used already, but might have expired and been removed just now. */
		first = look_up(type, mailbox, actor_key, key);
		if (first != 0)
			return first;
	}
	ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					errmsg("could not store idempotency key \"%s\"", text_to_cstring(key)),
					errdetail("dgen tried %d times to insert the key or to find it.", MOST_TRIES),
					errhint("Remove triggers, rules and row security from dgen.idempotency_key.")));
}

/* ---- many ---- */

/*
 * Unused keys are inserted many at a time. Between the lookup and the insertion another session might
 * insert the same key. The unique index then raises an error, which rolls back the taken keys, and all
 * are taken one by one.
 *
 *     looked up (dirty snapshot) ──> free: collected ──> 100 of them, or an unsure one: inserted
 *                               ├──> used: skipped
 *                               └──> unsure (being inserted or removed, or expired): ON CONFLICT
 */
typedef struct Taker
{
	KeyTaken **order;
	int count;
	DgenScan scan;
	SnapshotData dirty;
	TimestampTz now;
	DgenRows rows;
	TimestampTz expires;
	const ActorType *expires_of; /* the type to which `expires` belongs; NULL: none */
} Taker;

typedef enum KeyUse
{
	KEY_FREE,
	KEY_USED,
	KEY_UNSURE
} KeyUse;

static int
compare_texts(const text *a, const text *b)
{
	const int a_length = VARSIZE_ANY_EXHDR(a);
	const int b_length = VARSIZE_ANY_EXHDR(b);
	int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_length, b_length));

	return order != 0 ? order : a_length - b_length;
}

/* The order of the primary key. */
static int
compare_keys(const KeyTaken *a, const KeyTaken *b)
{
	int order;

	if (a->type->id != b->type->id)
		return a->type->id < b->type->id ? -1 : 1;
	if (a->mailbox != b->mailbox)
		return a->mailbox < b->mailbox ? -1 : 1;
	order = compare_texts(a->actor_key, b->actor_key);
	return order != 0 ? order : compare_texts(a->key, b->key);
}

/* Equal keys stay in their order. */
static int
compare_places(const void *a, const void *b)
{
	const KeyTaken *first = *(KeyTaken *const *) a;
	const KeyTaken *second = *(KeyTaken *const *) b;
	int order = compare_keys(first, second);

	return order != 0 ? order : first < second ? -1 : 1;
}

static bool
is_double(const Taker *taker, int i)
{
	return i > 0 && compare_keys(taker->order[i - 1], taker->order[i]) == 0;
}

/*
 * A REPEATABLE READ snapshot might not show what the dirty one does; then ON CONFLICT raises PostgreSQL's
 * serialization error.
 */
static KeyUse
use_of(Taker *taker, KeyTaken *key)
{
	ScanKeyData keys[4];
	DgenScan *scan = &taker->scan;

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, key->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, key->mailbox);
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, key->actor_key);
	dgen_key_text(&keys[3], 4, key->key);
	dgen_scan_seek(scan, keys, 4);
	if (!dgen_scan_next(scan))
		return KEY_FREE;
	dgen_scan_row(scan);
	key->first = DatumGetInt64(scan->values[IDEMPOTENCY_MESSAGE_ID]);
	if (TransactionIdIsValid(taker->dirty.xmin) || TransactionIdIsValid(taker->dirty.xmax) ||
		IsolationUsesXactSnapshot() ||
		DatumGetTimestampTz(scan->values[IDEMPOTENCY_EXPIRES_AT]) <= taker->now)
		return KEY_UNSURE;
	return KEY_USED;
}

static void
collect(Taker *taker, KeyTaken *key)
{
	TupleTableSlot *slot = dgen_rows_next(&taker->rows);
	Datum *values = slot->tts_values;

	if (taker->expires_of != key->type)
	{
		taker->expires = expiry(key->type, taker->now);
		taker->expires_of = key->type;
	}
	memset(slot->tts_isnull, 0, IDEMPOTENCY_COLUMNS * sizeof(bool));
	values[IDEMPOTENCY_TYPE_ID] = Int32GetDatum(key->type->id);
	values[IDEMPOTENCY_MAILBOX] = Int64GetDatum(key->mailbox);
	values[IDEMPOTENCY_ACTOR_KEY] = PointerGetDatum(key->actor_key);
	values[IDEMPOTENCY_KEY] = PointerGetDatum(key->key);
	values[IDEMPOTENCY_MESSAGE_ID] = Int64GetDatum(key->id);
	values[IDEMPOTENCY_EXPIRES_AT] = TimestampTzGetDatum(taker->expires);
	key->first = key->id;
	dgen_rows_add(&taker->rows);
	if (taker->rows.count == DGEN_ROWS)
		dgen_rows_flush(&taker->rows);
}

static void
take_alone(KeyTaken *key)
{
	key->first =
		dgen_take_idempotency_key(key->type, key->mailbox, key->actor_key, key->key, key->id);
}

/* Before it waits for a key, it inserts all earlier ones, so the order is kept. */
static void
take_in_bulk(Taker *taker)
{
	for (int i = 0; i < taker->count; i++)
	{
		KeyTaken *key = taker->order[i];

		CHECK_FOR_INTERRUPTS();
		if (is_double(taker, i))
			continue;
		switch (use_of(taker, key))
		{
			case KEY_FREE:
				collect(taker, key);
				break;
			case KEY_UNSURE:
				dgen_rows_flush(&taker->rows);
				take_alone(key);
				break;
			case KEY_USED:
				break;
		}
	}
	dgen_rows_flush(&taker->rows);
}

static void
take_each(Taker *taker)
{
	for (int i = 0; i < taker->count; i++)
		if (!is_double(taker, i))
			take_alone(taker->order[i]);
}

static void
begin_taking(Taker *taker)
{
	InitDirtySnapshot(taker->dirty);
	taker->now = GetCurrentTimestamp();
	taker->expires_of = NULL;
	memset(&taker->rows, 0, sizeof(taker->rows));
	taker->rows.table = TABLE_IDEMPOTENCY_KEY;
	dgen_table_lock(TABLE_IDEMPOTENCY_KEY, RowExclusiveLock);
	dgen_scan_begin(&taker->scan, TABLE_IDEMPOTENCY_KEY, INDEX_PRIMARY, &taker->dirty, 4);
}

static void
end_taking(Taker *taker)
{
	dgen_scan_end(&taker->scan);
	dgen_rows_close(&taker->rows);
}

/* False: another session was faster with a key, and no key is taken. */
static bool
try_in_bulk(Taker *taker)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = CurrentMemoryContext;
	volatile bool good = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		begin_taking(taker);
		take_in_bulk(taker);
		end_taking(taker);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
		good = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return good;
}

void
dgen_take_idempotency_keys(KeyTaken *keys, int count)
{
	Taker taker = {.count = count};

	if (count == 0)
		return;
	taker.order = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(KeyTaken *));
	for (int i = 0; i < count; i++)
		taker.order[i] = &keys[i];
	qsort(taker.order, count, sizeof(KeyTaken *), compare_places);
	if (!try_in_bulk(&taker))
		take_each(&taker);
	for (int i = 1; i < count; i++)
		if (is_double(&taker, i))
			taker.order[i]->first = taker.order[i - 1]->first;
	pfree(taker.order);
}
