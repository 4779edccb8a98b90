/*
 * Explains why a request has no reply yet, for the error of a caller that no longer waits.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

#include "base/rights.h"
#include "reply/reply.h"
#include "table/table.h"

/*
 * Reads as the caller's role, so that the explanation has only what this role can read. The result is in
 * the caller's memory context.
 */
static char *
ask_sql(int64 request)
{
	MemoryContext context = CurrentMemoryContext;
	Oid type = INT8OID;
	Datum id = Int64GetDatum(request);
	char *text = NULL;

	SPI_connect();
	if (SPI_execute_with_args("SELECT dgen._explain_pending($1)", 1, &type, &id, NULL, true, 1) ==
			SPI_OK_SELECT &&
		SPI_processed == 1)
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (text != NULL)
		text = MemoryContextStrdup(context, text);
	SPI_finish();
	return text;
}

/* A session that has already waited too long must not wait long for a lock, ms. */
#define PATIENCE "100"

static void
limit_lock_waits(void)
{
	if (LockTimeout == 0 || LockTimeout > atoi(PATIENCE))
		(void) set_config_option("lock_timeout", PATIENCE, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Called before an error of the transaction, which an error here would hide, so such errors are ignored.
 * NULL: no explanation.
 */
char *
dgen_explain_pending(int64 request)
{
	MemoryContext context = CurrentMemoryContext;
	Oid outer_role = dgen_set_calling_role(dgen_calling_role());
	Oid user;
	int security_context;
	int nest_level = NewGUCNestLevel();
	char *volatile text = NULL;

	GetUserIdAndSecContext(&user, &security_context);
	limit_lock_waits();
	PG_TRY();
	{
		SetUserIdAndSecContext(dgen_table_owner(TABLE_REQUEST),
							   security_context | SECURITY_LOCAL_USERID_CHANGE);
		text = ask_sql(request);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(user, security_context);
	(void) dgen_set_calling_role(outer_role);
	return text;
}
