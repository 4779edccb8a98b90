/*
 * Idempotency keys: the first sender of a key within the retention wins, and the
 * others get the id of its message.
 *
 * This is the one place of the sending path that goes through SPI: ON CONFLICT
 * waits for a transaction that has just inserted the same key and then decides,
 * which the access methods alone do not offer. The plan is an insertion with the
 * primary key as arbiter whatever the statistics say.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

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

/* The table belongs to the extension's owner, and senders have no rights on it. */
static Oid
table_owner(DgenTable table)
{
	Relation heap = dgen_table_open(table, AccessShareLock);
	Oid owner = heap->rd_rel->relowner;

	table_close(heap, NoLock);
	return owner;
}

/* True if the key is ours now. */
static bool
take(const ActorType *type, int64 mailbox, text *actor_key, text *key, int64 id, TimestampTz now)
{
	TimestampTz expires = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(&type->retention)));
	Datum values[] = {Int32GetDatum(type->id), Int64GetDatum(mailbox), PointerGetDatum(actor_key),
					  PointerGetDatum(key),    Int64GetDatum(id),      TimestampTzGetDatum(expires),
					  TimestampTzGetDatum(now)};
	bool taken;
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(table_owner(TABLE_IDEMPOTENCY_KEY),
						   context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_plan(take_plan(), values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not take an idempotency key: %s", SPI_result_code_string(SPI_result));
	taken = SPI_processed == 1;
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return taken;
}

/* The id that the key stands for; 0 if it is gone. */
static int64
look_up(const ActorType *type, int64 mailbox, text *actor_key, text *key)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	int64 id = 0;
	DgenScan scan;
	ScanKeyData keys[4];

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
	for (;;)
	{
		int64 first;

		if (take(type, mailbox, actor_key, key, id, GetCurrentTimestamp()))
			return id;

		/* Used already; but it may have expired and been removed just now. */
		first = look_up(type, mailbox, actor_key, key);
		if (first != 0)
			return first;
		CHECK_FOR_INTERRUPTS();
	}
}
