/*
 * On a standby dgen can be read, and nothing else.
 */
#include "dgen_ext.h"

#include "access/xact.h"
#include "access/xlog.h"

/* A transaction that may write is none of a standby's. */
void
dgen_refuse_standby(const char *what)
{
	if (XactReadOnly && RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
						errmsg("cannot %s on a standby", what), errhint("Use the primary.")));
}
