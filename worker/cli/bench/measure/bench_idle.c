/*
 * Measuring idle workers: they wait, and the server says each second which of them have
 * run something, and which hold a snapshot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/progress.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/sides/workers.h"

#define SECOND_NS INT64_C(1000000000)

/* *since, the time up to which the server has looked, is moved on. */
static bool
look(bench_run *run, char *since, size_t size, bench_result *result)
{
	const char *values[] = {run->options.database ? "dgen worker" : BENCH_NAME " worker", since};
	PGresult *row = bench_query(run, bench_sql_activity, 2, values);

	if (row == NULL)
		return false;
	if (result != NULL)
	{
		result->looks += strtoll(PQgetvalue(row, 0, 0), NULL, 10);
		result->snapshots += strtoll(PQgetvalue(row, 0, 1), NULL, 10);
	}
	snprintf(since, size, "%s", PQgetvalue(row, 0, 2));
	PQclear(row);
	return true;
}

bool
bench_measure_idle(bench_run *run, bench_result *result)
{
	char since[64] = "0";
	bench_snapshot from;
	bench_snapshot to;
	int64_t until;

	if (!bench_workers_start(run))
		return false;
	until = bench_now() + run->options.warm_up_ms * 1000000;
	while (bench_now() < until && !bench_interrupted())
		bench_wait(until - bench_now());
	if (!look(run, since, sizeof(since), NULL))
		return false;
	bench_meter_take(run, &from);
	until = from.at + run->options.time_ms * 1000000;
	for (int64_t now = from.at; now < until; now = bench_now())
	{
		bench_wait(until - now < SECOND_NS ? until - now : SECOND_NS);
		bench_progress(run, "idle", result->looks, from.at);
		if (!look(run, since, sizeof(since), result))
			return false;
	}
	bench_meter_take(run, &to);
	bench_result_add(result, &from, &to);
	result->seconds = (double) (to.at - from.at) / 1e9;
	return true;
}
