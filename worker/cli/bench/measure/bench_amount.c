/*
 * Measuring by amount: messages are loaded while no worker handles them, then the clock
 * runs until none is left. Only the workload drain is measured this way.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/process.h"
#include "cli/bench/base/progress.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/workers.h"
#include "cli/common/report.h"

#define CHUNK 50000 /* messages of one statement */
#define LOOK_NS INT64_C(100000000)

/* ---- loading ---- */

static bool
load_chunk(bench_run *run, int64_t first, int64_t last)
{
	char actors[32];
	char from[32];
	char to[32];
	const char *values[] = {actors, from, to};
	PGresult *result;

	snprintf(actors, sizeof(actors), "%ld", run->options.actors);
	snprintf(from, sizeof(from), "%" PRId64, first);
	snprintf(to, sizeof(to), "%" PRId64, last);
	result = bench_query(run, run->side->texts->load, 3, values);
	PQclear(result);
	return result != NULL;
}

/* Message i is the number i, for the actors in turn. */
static void
expect(bench_run *run)
{
	const int64_t actors = run->options.actors;
	const int64_t messages = run->options.messages;

	for (long a = 0; a < actors; a++)
		bench_expect(run, a, messages * (a + 1) + actors * (messages * (messages - 1) / 2));
}

/* Row versions of an earlier round, and pages to be written, would be part of the figures. */
static bool
load(bench_run *run)
{
	const int64_t total = (int64_t) run->options.actors * run->options.messages;

	for (int64_t first = 1; first <= total; first += CHUNK)
		if (!load_chunk(run, first, first + CHUNK - 1 < total ? first + CHUNK - 1 : total))
			return false;
	if (run->side->must_drain)
		expect(run);
	bench_try(run, run->side->texts->vacuum);
	bench_try(run, bench_sql_checkpoint);
	return !bench_interrupted();
}

/* ---- a round ---- */

typedef struct Round
{
	int64_t messages;
	int64_t begun;
	int64_t ended;
} Round;

/* Workers wait, for the time that it takes to start them not to count. */
static bool
round_of_lane(bench_run *run, Round *round, bench_snapshot *from, bench_snapshot *to)
{
	const int64_t before = run->workers != NULL ? bench_workers_handled(run) : 0;

	if (!bench_do(run, bench_sql_pause) || !load(run) ||
		(run->workers == NULL && !bench_workers_start(run)))
		return false;
	bench_meter_take(run, from);
	round->begun = bench_now();
	round->messages = (int64_t) run->options.actors * run->options.messages;
	if (!bench_do(run, bench_sql_resume) ||
		!bench_workers_wait(run, before + round->messages, &round->ended))
		return false;
	bench_meter_take(run, to);
	return true;
}

static void
wait_for_pool(bench_run *run, bench_pool *pool, int64_t until)
{
	const int64_t begun = bench_now();

	while (atomic_load(&pool->running) > 0 && bench_now() < until && !bench_interrupted() &&
		   atomic_load(&run->first_status) == CLI_OK)
	{
		bench_wait(LOOK_NS);
		bench_progress(run, run->side->name, bench_pool_done(pool), begun);
	}
}

/* How finely it is divided follows from what a worker takes in one transaction. */
static void
set_ranges(bench_run *run)
{
	char messages[32];
	const char *value = messages;
	int64_t batch;

	snprintf(messages, sizeof(messages), "%ld", run->options.messages);
	batch = bench_number(run, bench_sql_batch, 1, &value, 256);
	run->ranges = (long) ((run->options.actors + batch - 1) / batch);
	if (run->ranges < run->options.workers)
		run->ranges = run->options.workers;
	atomic_store(&run->next_range, 0);
}

static bool
run_pool(bench_run *run, bench_pool *pool, Round *round, bench_snapshot *from, bench_snapshot *to)
{
	const int64_t limit = run->side->must_drain ? INT64_MAX / 2 : run->options.time_ms * 1000000;

	if (!bench_pool_open(pool, run, run->side, "worker", (int) run->options.workers) ||
		!bench_backends_find(run, &run->worker_backends, BENCH_NAME " worker"))
		return false;
	pool->step = run->side->worker;
	pool->until_empty = true;
	bench_meter_take(run, from);
	round->begun = bench_now();
	if (!bench_pool_start(pool))
		return false;
	wait_for_pool(run, pool, round->begun + limit);
	round->messages = bench_pool_done(pool);
	round->ended = bench_now();
	bench_meter_take(run, to);
	return atomic_load(&run->first_status) == CLI_OK && !bench_interrupted();
}

static bool
round_of_baseline(bench_run *run, Round *round, bench_snapshot *from, bench_snapshot *to)
{
	bench_pool pool = {0};
	bool good;

	if (!load(run))
		return false;
	set_ranges(run);
	run->worker_pool = &pool;
	good = run_pool(run, &pool, round, from, to);
	run->worker_pool = NULL;
	bench_pool_close(&pool);
	return good;
}

/* ---- all rounds ---- */

static int
by_size(const void *a, const void *b)
{
	const double left = *(const double *) a;
	const double right = *(const double *) b;

	return (left > right) - (left < right);
}

static void
summarize(bench_result *result)
{
	double sorted[BENCH_MOST_ROUNDS];
	const int n = result->rounds;

	memcpy(sorted, result->rates, sizeof(sorted));
	qsort(sorted, (size_t) n, sizeof(double), by_size);
	result->rate = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static bool
measure_round(bench_run *run, bench_result *result, bool counts)
{
	bench_snapshot from;
	bench_snapshot to;
	Round round = {0};

	if (!(run->side->lane ? round_of_lane : round_of_baseline)(run, &round, &from, &to))
		return false;
	run->warm = true;
	if (!counts)
		return true;
	bench_result_add(result, &from, &to);
	result->messages += round.messages;
	result->seconds += (double) (round.ended - round.begun) / 1e9;
	result->rates[result->rounds++] =
		(double) round.messages * 1e9 / (double) (round.ended - round.begun);
	return true;
}

/* Of hand-made one round that time limits is enough: it takes minutes for what others do in a second. */
bool
bench_measure_amount(bench_run *run, const bench_side *side, bench_result *result)
{
	const long rounds = side->must_drain ? run->options.rounds : 1;
	bool good =
		run->options.warm_up_ms == 0 || !side->must_drain || measure_round(run, result, false);

	while (good && result->rounds < rounds)
		good = measure_round(run, result, true);
	if (good)
		summarize(result);
	return good;
}
