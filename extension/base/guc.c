/*
 * All settings of the extension.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/base.h"

int dgen_worker_count = 2;
char *dgen_databases = NULL;
int dgen_safety_net_interval = 30;
int dgen_batch_actors = 256;
int dgen_batch_messages = 2000;
int dgen_batch_bytes = 8192;
int dgen_batch_duration = 10;
int dgen_call_backlog = 100;
bool dgen_is_preloaded = false;

/* An invalid list leaves the old value in force, as for other settings, so a typo ends no worker. */
static bool
check_databases(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *names;
	bool fits = SplitGUCList(copy, ',', &names);

	if (!fits)
		GUC_check_errdetail("The value must be a list of database names, separated by commas.");
	else
		list_free(names);
	pfree(copy);
	return fits;
}

void
dgen_define_gucs(void)
{
	DefineCustomIntVariable(
		"dgen.worker_count",
		"Sets the number of in-database workers per owner of actor types in each of dgen.databases.",
		"Needs shared_preload_libraries = 'dgen'.", &dgen_worker_count, 2, 0, 1024, PGC_SIGHUP, 0,
		NULL, NULL, NULL);

	DefineCustomStringVariable(
		"dgen.databases",
		"Sets the databases in which in-database workers start with the server, separated by commas.",
		"Needs shared_preload_libraries = 'dgen'.", &dgen_databases, "", PGC_SIGHUP, GUC_LIST_INPUT,
		check_databases, NULL, NULL);

	DefineCustomIntVariable(
		"dgen.safety_net_interval",
		"Sets the time between two checks of a database for work that no wakeup announces.",
		"For example messages of COMMIT PREPARED or of logical replication.",
		&dgen_safety_net_interval, 30, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("dgen.batch_actors", "Sets the maximum number of actors in a batch.",
							NULL, &dgen_batch_actors, 256, 1, 10000, PGC_USERSET, 0, NULL, NULL,
							NULL);

	DefineCustomIntVariable(
		"dgen.batch_messages", "Sets the maximum number of messages in a batch.", NULL,
		&dgen_batch_messages, 2000, 1, 100000, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("dgen.batch_bytes",
							"Sets the maximum size of the messages and states in a batch.",
							"The first message of a batch can be larger.", &dgen_batch_bytes, 8192,
							1, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("dgen.batch_duration",
							"Sets the maximum duration of a batch, estimated from earlier turns.",
							"Types whose turns take longer are handled one turn per batch.",
							&dgen_batch_duration, 10, 1, 60000, PGC_USERSET, GUC_UNIT_MS, NULL,
							NULL, NULL);

	DefineCustomIntVariable(
		"dgen.call_backlog",
		"Sets the maximum number of waiting messages that dgen.call handles first.", NULL,
		&dgen_call_backlog, 100, 0, 100000, PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("dgen");
}
