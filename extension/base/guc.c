/*
 * Every setting of the extension.
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

/* What is no list leaves the old one in force, as with other settings: no worker ends for a slip. */
static bool
check_databases(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *names;
	bool fits = SplitGUCList(copy, ',', &names);

	if (!fits)
		GUC_check_errdetail("It is no list of database names, separated by commas.");
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
		"In-database workers started with the server in each of dgen.databases, per owner of actor types.",
		"Needs shared_preload_libraries = 'dgen'.", &dgen_worker_count, 2, 0, 1024, PGC_SIGHUP, 0,
		NULL, NULL, NULL);

	DefineCustomStringVariable(
		"dgen.databases",
		"Databases in which in-database workers are started with the server, separated by commas.",
		"Needs shared_preload_libraries = 'dgen'.", &dgen_databases, "", PGC_SIGHUP, GUC_LIST_INPUT,
		check_databases, NULL, NULL);

	DefineCustomIntVariable(
		"dgen.safety_net_interval",
		"Time between two looks, one per database, for work that no wakeup announces.",
		"Such as the messages of COMMIT PREPARED or of logical replication.",
		&dgen_safety_net_interval, 30, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("dgen.batch_actors",
							"Most actors that a worker takes in one transaction.", NULL,
							&dgen_batch_actors, 256, 1, 10000, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"dgen.batch_messages", "Most messages that a worker takes in one transaction.", NULL,
		&dgen_batch_messages, 2000, 1, 100000, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"dgen.batch_bytes",
		"Most bytes of messages and states that a worker takes in one transaction.",
		"The first message of a batch is taken whatever its size.", &dgen_batch_bytes, 8192, 1,
		MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("dgen.batch_duration",
							"Time that a batch should take at most, judged by the turns before it.",
							"A type with turns slower than this is handled one turn at a time.",
							&dgen_batch_duration, 10, 1, 60000, PGC_USERSET, GUC_UNIT_MS, NULL,
							NULL, NULL);

	DefineCustomIntVariable("dgen.call_backlog",
							"Most waiting messages that dgen.call handles before its own.", NULL,
							&dgen_call_backlog, 100, 0, 100000, PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("dgen");
}
