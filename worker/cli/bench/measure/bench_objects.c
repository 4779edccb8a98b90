/*
 * What a run creates and drops: a schema and an actor type. An advisory lock of the
 * session says that they are in use, which distinguishes what a killed run left from what
 * another run needs.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/common/report.h"

static bool
refuse(bench_run *run, const char *error, const char *hint)
{
	cli_error("%s", error);
	cli_hint("%s", hint);
	bench_fail(run, CLI_SERVER);
	return false;
}

/* ---- before ---- */

/* Whether the run can have what it needs; asked first, for the answer to be a clear one. */
static bool
check_needs(bench_run *run)
{
	const bench_options *options = &run->options;
	const bool in_database =
		options->database && (run->workload->actors[1].lane || options->idle_actors > 0);
	char connections[32];
	char workers[32];
	const char *values[] = {in_database ? "t" : "f", connections, workers};
	PGresult *result;
	bool fine;

	snprintf(workers, sizeof(workers), "%ld", options->workers);
	snprintf(connections, sizeof(connections), "%ld",
			 1 + options->hold_snapshot + options->clients + options->workers);
	result = bench_query(run, bench_sql_needs, 3, values);
	fine = result != NULL && PQntuples(result) == 0;
	if (result != NULL && !fine)
		refuse(run, PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	PQclear(result);
	return fine;
}

static bool
take_lock(bench_run *run)
{
	char error[96];

	switch (bench_number(run, bench_sql_lock, 0, NULL, -1))
	{
		case 1:
			return true;
		case 0:
			snprintf(error, sizeof(error),
					 "another dgen bench runs in this database (process %" PRId64 ")",
					 bench_number(run, bench_sql_lock_holder, 0, NULL, 0));
			return refuse(run, error,
						  "Wait for it, or end it: its figures and yours would be wrong.");
		default:
			return false;
	}
}

static bool
remove_leftovers(bench_run *run)
{
	if (bench_number(run, bench_sql_foreign_schema, 0, NULL, -1) != 0)
		return atomic_load(&run->first_status) == CLI_OK && !bench_interrupted()
				   ? refuse(run, "schema \"dgen_bench\" exists, but dgen bench did not create it",
							"Rename it: ALTER SCHEMA dgen_bench RENAME TO ...")
				   : false;
	if (bench_number(run, bench_sql_leftovers, 0, NULL, 0) == 0)
		return true;
	fputs("dgen: removing what an earlier run left behind\n", stderr);
	return bench_do(run, bench_sql_drop_types) && bench_do(run, bench_sql_drop_schema);
}

/* ---- the objects ---- */

static bool
create_handler(bench_run *run, const char **handler)
{
	const char *wanted = run->options.handler;
	const char *sql = bench_sql_create_plpgsql;

	*handler = run->options.database ? "dgen_bench.handler" : NULL;
	if (!run->options.database)
		return true;
	if (run->workload->kind == BENCH_CHAIN)
		sql = bench_sql_create_chain;
	else if (wanted != NULL && strcmp(wanted, "sql") == 0)
		sql = bench_sql_create_sql;
	else if (wanted != NULL && strcmp(wanted, "plpgsql") != 0)
	{
		*handler = wanted;
		return true;
	}
	return bench_do(run, sql);
}

static bool
create_all(bench_run *run)
{
	const char *handler;
	PGresult *result;

	if (!bench_do(run, bench_sql_create) || !create_handler(run, &handler))
		return false;
	result = bench_query(run, bench_sql_create_type, 1, &handler);
	PQclear(result);
	return result != NULL;
}

/* In one transaction, so that there is never a part of it. */
bool
bench_objects_create(bench_run *run)
{
	if (!check_needs(run) || !take_lock(run) || !remove_leftovers(run) || !bench_do(run, "BEGIN"))
		return false;
	if (create_all(run) && bench_do(run, "COMMIT"))
	{
		run->created = true;
		return true;
	}
	bench_try(run, "ROLLBACK");
	return false;
}

bool
bench_objects_drop(bench_run *run)
{
	if (!run->created)
		return true;
	run->cleaning = true;
	run->created = !(bench_do(run, "BEGIN") && bench_do(run, bench_sql_drop_types) &&
					 bench_do(run, bench_sql_drop_schema) && bench_do(run, "COMMIT"));
	if (run->created)
		cli_hint("The next dgen bench in this database removes what this one leaves behind.");
	else
		bench_try(run, bench_texts_actors.vacuum);
	return !run->created;
}
