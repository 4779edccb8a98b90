/*
 * What is around a measurement: actors that exist and do nothing, and a session that
 * keeps a snapshot open, as a report or pg_dump does.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/bench/base/progress.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/sides/workers.h"
#include "cli/common/report.h"

#define CHUNK 50000 /* actors of one statement */

static bool
make_chunk(bench_run *run, int64_t first, int64_t last)
{
	char from[32];
	char to[32];
	const char *values[] = {from, to};
	PGresult *result;

	snprintf(from, sizeof(from), "%" PRId64, first);
	snprintf(to, sizeof(to), "%" PRId64, last);
	result = bench_query(run, run->side->texts->idle, 2, values);
	PQclear(result);
	return result != NULL;
}

static bool
make_all(bench_run *run)
{
	const int64_t count = run->options.idle_actors;
	const int64_t begun = bench_now();

	for (int64_t first = 1; first <= count; first += CHUNK)
	{
		if (!make_chunk(run, first, first + CHUNK - 1 < count ? first + CHUNK - 1 : count))
			return false;
		bench_progress(run, "idle actors", first + CHUNK - 1, begun);
	}
	return true;
}

/* Those of dgen are made by a turn each. */
static bool
make_idle_actors(bench_run *run)
{
	const bool turns = run->side->texts == &bench_texts_actors;
	int64_t ended;
	bool good;

	if (run->options.idle_actors == 0)
		return true;
	good = (!turns || bench_workers_start(run)) && make_all(run) &&
		   (!turns || bench_workers_wait(run, run->options.idle_actors, &ended));
	bench_workers_stop(run);
	return good;
}

static bool
hold_snapshot(bench_run *run)
{
	PGresult *result;
	bool good;

	run->holder = bench_connect(run, "snapshot");
	if (run->holder == NULL)
		return false;
	result = PQexec(run->holder, bench_sql_hold_snapshot);
	good = PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!good)
		bench_fail(run, cli_query_failed(run->holder, result));
	PQclear(result);
	return good;
}

bool
bench_around_begin(bench_run *run)
{
	if (!make_idle_actors(run))
		return false;
	bench_try(run, run->side->texts->vacuum);
	return !run->options.hold_snapshot || hold_snapshot(run);
}

void
bench_around_end(bench_run *run)
{
	PQfinish(run->holder);
	run->holder = NULL;
}
