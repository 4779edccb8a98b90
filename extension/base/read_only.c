/*
 * What writes has no place on a standby, nor in a transaction that was begun as read-only.
 * dgen writes its tables past the executor, which would say so.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "base/base.h"

static void
refuse_on_standby(const char *name)
{
	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
						errmsg("dgen.%s cannot run on a standby", name),
						errdetail("A standby cannot write."), errhint("Connect to the primary.")));
}

/* What writes no rows, but makes others write. */
void
dgen_refuse_standby(FunctionCallInfo fcinfo)
{
	if (XactReadOnly)
		refuse_on_standby(get_func_name(fcinfo->flinfo->fn_oid));
}

void
dgen_refuse_read_only(FunctionCallInfo fcinfo)
{
	char *name;

	if (!XactReadOnly)
		return;
	name = get_func_name(fcinfo->flinfo->fn_oid);
	refuse_on_standby(name);
	ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
					errmsg("dgen.%s cannot run in a read-only transaction", name),
					errhint("Begin the transaction with READ WRITE.")));
}
