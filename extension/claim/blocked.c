/*
 * Actors that cannot be handled now: the actor or its type is paused, or the actor backs off after
 * a failed attempt. Its messages wait with it. (An actor whose row another session has locked is
 * also left out: read_actor.c.)
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/key.h"
#include "claim/read_batch.h"
#include "claim/reader.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/scan.h"
#include "table/table.h"

/* ---- pauses ---- */

bool
dgen_actor_is_paused(int32 type_id, int64 mailbox, text *key)
{
	DgenScan scan;
	ScanKeyData keys[3];
	bool found;

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, mailbox);
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, key);
	dgen_scan_begin(&scan, TABLE_PAUSED, INDEX_PRIMARY, GetActiveSnapshot(), 3);
	dgen_scan_seek(&scan, keys, 3);
	found = dgen_scan_next(&scan);
	dgen_scan_end(&scan);
	return found;
}

/* The row that pauses a whole type has mailbox 0 and an empty key. */
bool
dgen_type_is_paused(int32 type_id)
{
	return dgen_actor_is_paused(type_id, 0, cstring_to_text(""));
}

/* Its actions are paused with it. */
static bool
is_paused(const BatchActor *actor)
{
	if (dgen_is_of_actions(actor->type->id))
		return dgen_actor_is_paused(dgen_actors_type(actor->type->id), dgen_mailbox_of(actor->key),
									actor->key);
	return dgen_actor_is_paused(actor->type->id, actor->mailbox, actor->key);
}

/* ---- failed attempts ---- */

/* Does the actor wait after a failed attempt? Its messages wait with it, in order. */
static bool
backs_off(Reader *reader, const text *key)
{
	DgenScan *scan = &reader->failed;
	ScanKeyData keys[2];

	if (!reader->type_has_failed)
		return false;
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
	dgen_scan_seek(scan, keys, 2);
	while (dgen_scan_next(scan))
	{
		reader->mailbox_has_failed = true;
		dgen_scan_row(scan);
		reader->retry_at = DatumGetTimestampTz(scan->values[FAILED_RETRY_AT]);
		if (reader->retry_at > reader->now &&
			dgen_same_text(key, DatumGetTextPP(scan->values[FAILED_ACTOR_KEY])))
			return true;
	}
	return false;
}

int32
dgen_reader_attempts(Reader *reader, int64 message_id)
{
	DgenScan *scan = &reader->failed;
	ScanKeyData keys[2];

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, reader->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, reader->mailbox);
	dgen_scan_seek(scan, keys, 2);
	while (dgen_scan_next(scan))
	{
		dgen_scan_row(scan);
		if (DatumGetInt64(scan->values[FAILED_MESSAGE_ID]) == message_id)
			return DatumGetInt32(scan->values[FAILED_ATTEMPTS]);
	}
	return 0;
}

/* ---- while a batch is read ---- */

static bool
has_type_row(DgenTable table, int32 type_id)
{
	DgenScan scan;
	ScanKeyData key;
	bool found;

	dgen_key_int4(&key, ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_scan_begin(&scan, table, INDEX_PRIMARY, GetActiveSnapshot(), 1);
	dgen_scan_seek(&scan, &key, 1);
	found = dgen_scan_next(&scan);
	dgen_scan_end(&scan);
	return found;
}

void
dgen_reader_set_type(Reader *reader, const ActorType *type)
{
	if (reader->type == type)
		return;
	reader->type = type;
	reader->type_has_paused = has_type_row(TABLE_PAUSED, dgen_actors_type(type->id));
	reader->type_has_failed = has_type_row(TABLE_FAILED_ATTEMPT, type->id);
}

Blocked
dgen_reader_blocked(Reader *reader, const BatchActor *actor)
{
	if (reader->type_has_paused && is_paused(actor))
		return BLOCKED_PAUSED;
	return backs_off(reader, actor->key) ? BLOCKED_BACKING_OFF : BLOCKED_NOT;
}
