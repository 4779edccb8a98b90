/*
 * dgen bench: one workload, measured with actors and then with the baselines, on the
 * same server and in the same way.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/process.h"
#include "cli/bench/base/progress.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/report.h"
#include "cli/bench/sides/workers.h"
#include "cli/bench/workloads.h"
#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/report.h"

#define MOST_SIDES 3

/* ---- one side ---- */

static bool
measure(bench_run *run, const bench_side *side, bench_result *result)
{
	switch (run->workload->kind)
	{
		case BENCH_DRAIN:
			return bench_measure_amount(run, side, result);
		case BENCH_IDLE:
			return bench_measure_idle(run, result);
		default:
			return bench_measure_timed(run, side, result);
	}
}

/* Each side begins with no actors, and nothing expected of them. */
static void
begin_side(bench_run *run, const bench_side *side)
{
	run->side = side;
	run->warm = false;
	for (long i = 0; i < run->actors; i++)
		atomic_store_explicit(&run->expected[i], 0, memory_order_relaxed);
}

static bool
run_side(bench_run *run, const bench_side *side, bench_result *result)
{
	int64_t table;
	int64_t indexes;
	bool good;

	begin_side(run, side);
	result->side = side;
	good = bench_around_begin(run) && bench_meter_sizes(run, side, &table, &indexes) &&
		   measure(run, side, result);
	if (good && bench_meter_sizes(run, side, &result->table_growth, &result->index_growth))
	{
		result->table_growth -= table;
		result->index_growth -= indexes;
	}
	bench_progress_end(run);
	bench_workers_stop(run);
	bench_around_end(run);
	if (!good || bench_interrupted())
		return false;
	return run->workload->kind == BENCH_IDLE || bench_check_states(run, side, &result->check);
}

/* ---- all of them ---- */

static int
choose_sides(const bench_run *run, const bench_side **sides)
{
	const bench_workload *workload = run->workload;
	int count = 0;

	sides[count++] = &workload->actors[run->options.database];
	if (run->options.baseline && workload->raw.name != NULL)
		sides[count++] = &workload->raw;
	if (run->options.baseline && workload->hand_made.name != NULL)
		sides[count++] = &workload->hand_made;
	return count;
}

static void
run_sides(bench_run *run, bench_result *results)
{
	const bench_side *sides[MOST_SIDES];
	const int count = choose_sides(run, sides);
	int done = 0;

	while (done < count && run_side(run, sides[done], &results[done]))
		done++;
	if (done == count)
		(run->options.json ? bench_report_json : bench_report)(run, results, count);
}

static bool
make_room(bench_run *run, bench_result **results)
{
	run->actors =
		run->options.actors * (run->workload->kind == BENCH_CHAIN ? run->options.clients : 1);
	run->expected = calloc((size_t) run->actors, sizeof(*run->expected));
	*results = calloc(MOST_SIDES, sizeof(bench_result));
	if (run->expected != NULL && *results != NULL)
		return true;
	bench_fail(run, cli_no_memory());
	return false;
}

static void
run_all(bench_run *run)
{
	bench_result *results = NULL;

	if (make_room(run, &results) && bench_connect_control(run) && bench_objects_create(run))
	{
		bench_backends_open(run);
		run_sides(run, results);
	}
	(void) bench_objects_drop(run);
	PQfinish(run->control);
	free(run->client_backends.pids);
	free(run->worker_backends.pids);
	free(run->expected);
	free(results);
}

/* A signal ends the program as it does others, but behind the clean-up. */
static cli_exit
status_of(bench_run *run)
{
	if (bench_interrupted())
	{
		signal(bench_interrupted(), SIG_DFL);
		raise(bench_interrupted());
	}
	return (cli_exit) atomic_load(&run->first_status);
}

cli_exit
cli_bench(const cli_arguments *arguments)
{
	bench_run run = {.workload = bench_workload_find(arguments->list[1])};

	if (run.workload == NULL)
		return cli_usage("bench", "there is no workload \"%s\"", arguments->list[1]);
	if (!bench_options_read(&run.options, run.workload, arguments) || !bench_catch_signals())
		return CLI_USAGE;
	run.conninfo = cli_conninfo(arguments);
	if (run.conninfo == NULL)
		return CLI_USAGE;
	run_all(&run);
	free(run.conninfo);
	return status_of(&run);
}
