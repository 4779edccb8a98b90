/*
 * Reading: an actor's state, and the checks that the public views make for each type.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "base/errors.h"
#include "base/rights.h"
#include "operate/operate.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/snapshot.h"
#include "table/table.h"

PG_FUNCTION_INFO_V1(dgen_state);
PG_FUNCTION_INFO_V1(dgen_can_read);
PG_FUNCTION_INFO_V1(dgen_mailbox_of_key);

/* For tools that look for an actor's rows; the views use it to find them by index. */
Datum
dgen_mailbox_of_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(dgen_mailbox_of(PG_GETARG_TEXT_PP(0)));
}

/* False for a type that is gone: a view has no rows of it, and no error for them. */
Datum
dgen_can_read(PG_FUNCTION_ARGS)
{
	FmgrInfo *call = fcinfo->flinfo;
	const ActorType *type;

	/* Once in a query: see dgen_type_by_name. */
	if (call->fn_extra == NULL)
	{
		AcceptInvalidationMessages();
		call->fn_extra = call;
	}
	type = dgen_type_by_id(PG_GETARG_INT32(0), true);
	PG_RETURN_BOOL(type != NULL && dgen_has_privilege(type, dgen_calling_role(), PRIVILEGE_READ));
}

static const ActorType *
readable_type(FunctionCallInfo fcinfo)
{
	const ActorType *type;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(DGEN_ERR_UNKNOWN_TYPE), errmsg("actor type must not be null"),
						errhint("Give the name of an actor type.")));
	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	type = dgen_type_by_name(PG_GETARG_TEXT_PP(0));
	dgen_check_privilege(type, dgen_calling_role(), PRIVILEGE_READ);
	return type;
}

/* It agrees with the rest of the statement. */
Datum
dgen_state(PG_FUNCTION_ARGS)
{
	const ActorType *type = readable_type(fcinfo);
	Snapshot snapshot;
	DgenScan scan;
	ScanKeyData keys[3];
	text *key;
	Datum state = (Datum) 0;

	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_KEY), errmsg("actor key must not be null"),
						errhint("Use a key of 1 to %d bytes.", DGEN_MAX_KEY_BYTES)));
	key = PG_GETARG_TEXT_PP(1);
	dgen_check_key(key);

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, dgen_mailbox_of(key));
	dgen_key_text(&keys[2], OWNER_ACTOR_KEY, key);
	snapshot = dgen_statement_snapshot(TABLE_ACTOR);
	dgen_scan_begin(&scan, TABLE_ACTOR, INDEX_PRIMARY, snapshot, 3);
	dgen_scan_seek(&scan, keys, 3);
	if (dgen_scan_only(&scan))
	{
		dgen_scan_row(&scan);
		state = JsonbPGetDatum(DatumGetJsonbPCopy(scan.values[ACTOR_STATE]));
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	if (state == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(dgen_show_state(state));
}
