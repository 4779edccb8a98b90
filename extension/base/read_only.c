/*
 * Refuses functions that write, on a standby and in read-only transactions. The executor would refuse
 * them, but dgen writes its tables without it.
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

/* For functions that write no rows, but make other sessions write. */
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
