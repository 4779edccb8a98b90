/*
 * Measuring by time: clients and workers run, and what happens between two moments
 * counts.
 */
#include <stdatomic.h>

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/process.h"
#include "cli/bench/base/progress.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/workers.h"
#include "cli/common/report.h"

#define LOOK_NS INT64_C(100000000)

/* ---- what has happened so far ---- */

static int64_t
handled(bench_run *run)
{
	if (run->workers != NULL)
		return bench_workers_handled(run);
	return run->worker_pool != NULL ? bench_pool_done(run->worker_pool) : 0;
}

static bool
going_on(bench_run *run)
{
	return atomic_load(&run->first_status) == CLI_OK && !bench_interrupted();
}

/* For a time. The backlog is looked at ten times a second. */
static void
let_run(bench_run *run, const char *what, int64_t ns, bench_result *result)
{
	const bool sustained = run->workload->kind == BENCH_SUSTAINED;
	const int64_t begun = bench_now();
	const int64_t first = bench_pool_done(run->client_pool);

	for (int64_t now = begun; now < begun + ns && going_on(run); now = bench_now())
	{
		int64_t sent;
		int64_t backlog;

		bench_wait(begun + ns - now < LOOK_NS ? begun + ns - now : LOOK_NS);
		sent = bench_pool_done(run->client_pool);
		backlog = sustained ? sent - handled(run) : 0;
		if (result != NULL && backlog > result->backlog)
			result->backlog = backlog;
		bench_progress(run, what, sent - first, begun);
	}
}

/* ---- beginning and end ---- */

static bool
open_workers(bench_run *run, bench_pool *workers)
{
	if (run->side->lane)
		return bench_workers_start(run);
	if (run->side->worker == NULL)
		return bench_backends_find(run, &run->worker_backends, NULL);
	run->ranges = run->options.workers;
	workers->step = run->side->worker;
	run->worker_pool = workers;
	return bench_pool_open(workers, run, run->side, "worker", (int) run->options.workers) &&
		   bench_backends_find(run, &run->worker_backends, BENCH_NAME " worker") &&
		   bench_pool_start(workers);
}

static bool
open_clients(bench_run *run, bench_pool *clients)
{
	clients->step = run->side->client;
	if (run->options.rate > 0)
		clients->interval = run->options.clients * INT64_C(1000000000) / run->options.rate;
	run->client_pool = clients;
	return bench_pool_open(clients, run, run->side, "client", (int) run->options.clients) &&
		   bench_backends_find(run, &run->client_backends, BENCH_NAME " client") &&
		   bench_pool_start(clients);
}

/* Workers get what is left, for the check to be one. */
static bool
finish(bench_run *run)
{
	int64_t ended;
	int64_t sent;

	bench_pool_join(run->client_pool);
	sent = bench_pool_done(run->client_pool);
	if (run->workload->kind != BENCH_SUSTAINED)
		return going_on(run);
	if (run->workers != NULL)
		return going_on(run) && bench_workers_wait(run, sent, &ended);
	while (going_on(run) && run->side->must_drain && handled(run) < sent)
		bench_wait(LOOK_NS);
	bench_pool_join(run->worker_pool);
	return going_on(run);
}

/* ---- measuring ---- */

/* Messages that count: of sustained those that were handled. */
static int64_t
progress_of(bench_run *run)
{
	return run->workload->kind == BENCH_SUSTAINED ? handled(run)
												  : bench_pool_done(run->client_pool);
}

static void
collect_latency(bench_run *run, bench_result *result)
{
	if (run->workload->kind == BENCH_SUSTAINED)
	{
		if (run->workers != NULL)
			bench_workers_latency(run, &result->latency);
		return;
	}
	for (int i = 0; i < run->client_pool->count; i++)
		bench_histogram_merge(&result->latency, &run->client_pool->threads[i].latency);
}

static bool
measure(bench_run *run, bench_result *result)
{
	bench_snapshot from;
	bench_snapshot to;
	int64_t before;
	int64_t sent;

	let_run(run, "warm-up", run->options.warm_up_ms * 1000000, NULL);
	bench_meter_take(run, &from);
	before = progress_of(run);
	sent = bench_pool_done(run->client_pool);
	atomic_store(&run->measuring, true);
	let_run(run, run->side->name, run->options.time_ms * 1000000, result);
	while (progress_of(run) == before && going_on(run)) /* the time was short for a single one */
		let_run(run, run->side->name, LOOK_NS, result);
	atomic_store(&run->measuring, false);
	result->messages = progress_of(run) - before;
	result->sent = bench_pool_done(run->client_pool) - sent;
	bench_meter_take(run, &to);
	bench_result_add(result, &from, &to);
	result->seconds = (double) (to.at - from.at) / 1e9;
	result->rate = (double) result->messages / result->seconds;
	if (!finish(run))
		return false;
	collect_latency(run, result);
	return true;
}

bool
bench_measure_timed(bench_run *run, const bench_side *side, bench_result *result)
{
	bench_pool clients = {0};
	bench_pool workers = {0};
	bool good;

	(void) side;
	good = open_workers(run, &workers) && open_clients(run, &clients) && measure(run, result);
	run->client_pool = NULL;
	run->worker_pool = NULL;
	bench_pool_close(&clients);
	bench_pool_close(&workers);
	return good;
}
