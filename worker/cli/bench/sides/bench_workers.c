/*
 * The workers of the lane: threads of this process with a dgen_worker each, or the ones
 * that run in the database.
 *
 * A turn counts once it is committed. The first turn of a batch registers an
 * after-commit callback that counts for all, so counting costs a call per batch.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/process.h"
#include "cli/bench/base/progress.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/sides/steps.h"
#include "cli/bench/sides/workers.h"
#include "cli/common/report.h"
#include "turn/in_turn.h"
#include "work/worker.h"

#define START_NS INT64_C(30000000000)
#define STALL_NS INT64_C(60000000000) /* nothing handled for so long: nothing will be */
#define LOOK_NS INT64_C(100000000)
#define LEAST_LOOK_NS INT64_C(500000)

struct bench_job
{
	bench_run *run;
	dgen_worker *worker;
	pthread_t thread;
	long turns; /* of the batch in progress */
	bool asked;
	atomic_long committed;
	bench_histogram latency;
};

struct bench_workers
{
	bench_job *jobs; /* NULL: in the database */
	int count;
	int started;
	int64_t before; /* turns of workers in the database, when they were started */
	atomic_long target;
	_Atomic(int64_t) ended; /* when it was reached; 0: not yet */
};

/* ---- counting turns of this process ---- */

static int64_t
sum_of_jobs(const bench_workers *workers)
{
	int64_t sum = 0;

	for (int i = 0; i < workers->count; i++)
		sum += atomic_load(&workers->jobs[i].committed);
	return sum;
}

static void
on_commit(void *data)
{
	bench_job *job = data;
	bench_workers *workers = job->run->workers;

	atomic_fetch_add(&job->committed, job->turns);
	if (atomic_load(&workers->ended) == 0 && sum_of_jobs(workers) >= atomic_load(&workers->target))
	{
		atomic_store(&workers->ended, bench_now());
		bench_wake();
	}
}

static void
on_release(void *data)
{
	bench_job *job = data;

	job->turns = 0;
	job->asked = false;
}

int
bench_job_turn(bench_job *job, dgen_turn *turn, int64_t sent_at)
{
	if (sent_at > 0 && atomic_load_explicit(&job->run->measuring, memory_order_relaxed))
		bench_histogram_add(&job->latency, (uint64_t) (bench_now() - sent_at));
	job->turns++;
	if (job->asked)
		return 0;
	job->asked = true;
	return dgen_turn_after_commit(turn, on_commit, on_release, job);
}

/* ---- starting ---- */

static void
log_line(dgen_log_level level, const char *text, void *user)
{
	(void) user;
	if (level == DGEN_LOG_WARNING)
		fprintf(stderr, "dgen: warning: %s\n", text);
}

static void *
run_job(void *argument)
{
	bench_job *job = argument;
	int code = dgen_worker_run(job->worker);

	if (code != 0)
	{
		bench_fail(job->run, cli_worker_failed(job->worker, code));
		bench_wake();
	}
	return NULL;
}

static bool
open_job(bench_run *run, bench_job *job, const char *conninfo)
{
	const dgen_callback callback =
		run->workload->kind == BENCH_CHAIN ? bench_pass_on : bench_count_message;
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	dgen_actor_type type = {.size = sizeof(type), .name = BENCH_TYPE, .user = job};
	int code;

	job->run = run;
	type.handle_cast = callback;
	type.handle_call = callback;
	options.name = BENCH_NAME;
	options.log = log_line;
	code = dgen_worker_open(&job->worker, conninfo, &options);
	if (code == 0)
		code = dgen_worker_register(job->worker, &type);
	if (code == 0)
		return true;
	bench_fail(run, job->worker != NULL ? cli_worker_failed(job->worker, code) : cli_no_memory());
	return false;
}

/* Signals are the main thread's. */
static bool
start_threads(bench_run *run, bench_workers *workers)
{
	sigset_t all;
	sigset_t before;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (error == 0 && workers->started < workers->count)
	{
		bench_job *job = &workers->jobs[workers->started];

		error = pthread_create(&job->thread, NULL, run_job, job);
		workers->started += error == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return true;
	cli_error("could not start a thread: %s", strerror(error));
	bench_fail(run, CLI_USAGE);
	return false;
}

static bool
start_here(bench_run *run, bench_workers *workers)
{
	char *conninfo = bench_conninfo(run, "worker");
	bool good = conninfo != NULL;

	workers->jobs = calloc((size_t) run->options.workers, sizeof(bench_job));
	if (workers->jobs == NULL)
		bench_fail(run, cli_no_memory());
	good = good && workers->jobs != NULL;
	while (good && workers->count < run->options.workers)
		good = open_job(run, &workers->jobs[workers->count++], conninfo);
	free(conninfo);
	return good && start_threads(run, workers);
}

static bool
start_in_database(bench_run *run, bench_workers *workers)
{
	char wanted[32];
	const char *value = wanted;
	int64_t running;

	snprintf(wanted, sizeof(wanted), "%ld", run->options.workers);
	running = bench_number(run, bench_sql_start_workers, 1, &value, -1);
	workers->before = bench_number(run, bench_sql_turns, 0, NULL, 0);
	if (running == run->options.workers)
		return true;
	if (running >= 0)
	{
		cli_error("the server started %ld of %ld workers", (long) running, run->options.workers);
		cli_hint("Raise max_worker_processes and restart the server, or give a smaller --jobs.");
		bench_fail(run, CLI_SERVER);
	}
	return false;
}

static bool
all_attached(bench_run *run)
{
	const int64_t until = bench_now() + START_NS;

	while (bench_number(run, bench_sql_attached, 0, NULL, 0) < run->options.workers)
	{
		if (atomic_load(&run->first_status) != CLI_OK || bench_interrupted())
			return false;
		if (bench_now() > until)
		{
			cli_error("the workers were not ready in 30 s");
			bench_fail(run, CLI_SERVER);
			return false;
		}
		bench_wait(5000000);
	}
	return true;
}

bool
bench_workers_start(bench_run *run)
{
	run->workers = calloc(1, sizeof(bench_workers));
	if (run->workers == NULL)
	{
		bench_fail(run, cli_no_memory());
		return false;
	}
	if (!(run->options.database ? start_in_database(run, run->workers)
								: start_here(run, run->workers)))
		return false;
	return all_attached(run) &&
		   bench_backends_find(run, &run->worker_backends,
							   run->options.database ? "dgen worker" : BENCH_NAME " worker");
}

void
bench_workers_stop(bench_run *run)
{
	bench_workers *workers = run->workers;

	if (workers == NULL)
		return;
	for (int i = 0; i < workers->started; i++)
		dgen_worker_stop(workers->jobs[i].worker);
	for (int i = 0; i < workers->started; i++)
		pthread_join(workers->jobs[i].thread, NULL);
	for (int i = 0; i < workers->count; i++)
		dgen_worker_close(workers->jobs[i].worker);
	if (run->options.database)
		bench_try(run, bench_sql_stop_workers);
	free(workers->jobs);
	free(workers);
	run->workers = NULL;
}

/* ---- what they have done ---- */

int64_t
bench_workers_handled(bench_run *run)
{
	if (run->workers->jobs != NULL)
		return sum_of_jobs(run->workers);
	return bench_number(run, bench_sql_turns, 0, NULL, run->workers->before) - run->workers->before;
}

int64_t
bench_workers_cpu(bench_run *run)
{
	int64_t total = 0;
	struct timespec time;
	clockid_t clock;

	for (int i = 0; i < run->workers->started; i++)
		if (pthread_getcpuclockid(run->workers->jobs[i].thread, &clock) == 0 &&
			clock_gettime(clock, &time) == 0)
			total += (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
	return total;
}

void
bench_workers_latency(bench_run *run, bench_histogram *histogram)
{
	for (int i = 0; run->workers->jobs != NULL && i < run->workers->count; i++)
		bench_histogram_merge(histogram, &run->workers->jobs[i].latency);
}

/* ---- waiting for them ---- */

/*
 * When to look again at workers in the database: looks cost them time, so there are
 * few, more of them towards the end.
 */
static int64_t
next_look(int64_t handled, int64_t left, int64_t elapsed)
{
	int64_t ns = handled > 0 ? (int64_t) ((double) elapsed / (double) handled * (double) left / 2)
							 : LEAST_LOOK_NS;

	if (ns > LOOK_NS)
		return LOOK_NS;
	return ns < LEAST_LOOK_NS ? LEAST_LOOK_NS : ns;
}

static bool
stalled(bench_run *run, int64_t left)
{
	cli_error("no message was handled for 60 s, but %ld wait", (long) left);
	bench_fail(run, CLI_WRONG);
	return false;
}

/* In this process a commit that reaches the target says so itself. */
static bool
reached(bench_run *run, int64_t handled, int64_t target, int64_t *ended)
{
	bench_workers *workers = run->workers;

	if (handled < target)
		return false;
	*ended = workers->jobs != NULL ? atomic_load(&workers->ended) : bench_now();
	if (*ended == 0)
		*ended = bench_now();
	return true;
}

bool
bench_workers_wait(bench_run *run, int64_t target, int64_t *ended)
{
	const int64_t begun = bench_now();
	const int64_t first = bench_workers_handled(run);
	int64_t handled = first;
	int64_t moved = begun;

	atomic_store(&run->workers->target, target);
	atomic_store(&run->workers->ended, 0);
	while (!reached(run, handled, target, ended))
	{
		int64_t now = bench_now();
		int64_t before = handled;

		if (atomic_load(&run->first_status) != CLI_OK || bench_interrupted())
			return false;
		bench_progress(run, "workers", handled - first, begun);
		bench_wait(run->workers->jobs != NULL
					   ? LOOK_NS
					   : next_look(handled - first, target - handled, now - begun));
		handled = bench_workers_handled(run);
		if (handled != before)
			moved = now;
		if (now - moved > STALL_NS)
			return stalled(run, target - handled);
	}
	return true;
}
