/*
 * Threads that repeat a step, each with a connection of its own: clients, and the
 * workers of baselines.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/sides/pool.h"
#include "cli/common/report.h"

#define MOST_NUMBER 1000
#define LOOK_NS INT64_C(50000000)              /* of a thread that sleeps, whether it is to stop */
#define UNDER_WAY_BYTES ((size_t) 1024 * 1024) /* what a client can have in progress */
#define PAUSE_NS 1000000                       /* of a baseline's worker that found nothing */

/* ---- what steps use ---- */

/* Below `below`, by splitmix64: good enough, and the same everywhere. */
static uint64_t
random_number(bench_thread *thread, uint64_t below)
{
	uint64_t z = (thread->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (uint64_t) (((unsigned __int128) z * below) >> 64);
}

void
bench_expect(bench_run *run, long actor, int64_t number)
{
	atomic_fetch_add_explicit(&run->expected[actor], number, memory_order_relaxed);
}

void
bench_key(char *key, long actor)
{
	snprintf(key, BENCH_KEY_SIZE, "a%ld", actor);
}

void
bench_choose(bench_thread *thread, bench_message *message)
{
	message->actor = (long) random_number(thread, (uint64_t) thread->run->actors);
	message->number = 1 + (int64_t) random_number(thread, MOST_NUMBER);
	bench_key(message->key, message->actor);
	snprintf(message->text, sizeof(message->text), "%" PRId64, message->number);
}

bench_step
bench_sent(bench_thread *thread, const bench_message *message)
{
	bench_expect(thread->run, message->actor, message->number);
	thread->messages = 1;
	return BENCH_GO_ON;
}

PGresult *
bench_execute(bench_thread *thread, const char *name, int count, const char *const *values)
{
	PGresult *result = PQexecPrepared(thread->connection, name, count, values, NULL, NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	thread->status = cli_query_failed(thread->connection, result);
	PQclear(result);
	return NULL;
}

/* ---- a thread ---- */

/* 0: there is no such clock. */
static int64_t
cpu_of(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time) != 0)
		return 0;
	return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

void
bench_count(bench_thread *thread, int64_t messages, int64_t latency)
{
	if (atomic_load_explicit(&thread->run->measuring, memory_order_relaxed))
		bench_histogram_add(&thread->latency, (uint64_t) latency);
	atomic_fetch_add_explicit(&thread->done, messages, memory_order_release);
}

/* Latency is that of one message of the step; of rows that are sent together it is each one's. */
static void
count(bench_thread *thread)
{
	const int64_t messages = thread->messages;
	const bool together = thread->run->workload->kind == BENCH_CAST;

	if (messages > 0)
		bench_count(thread, messages, (bench_now() - thread->begun) / (together ? 1 : messages));
}

/* Of clients. An error that it meets is in the thread's status. */
static void
finish(bench_thread *thread)
{
	const bench_pool *pool = thread->pool;

	if (pool->step == pool->side->client && pool->side->finish != NULL)
		pool->side->finish(thread);
	if (thread->status != CLI_OK)
		bench_fail(thread->run, thread->status);
}

static void
pause_a_little(void)
{
	struct timespec time = {.tv_nsec = PAUSE_NS};

	nanosleep(&time, NULL);
}

/*
 * With a rate, a step that is late began when it was due: else those that a slow one
 * keeps waiting would not be in the latency. False: the thread must stop.
 */
static bool
begin_step(bench_thread *thread)
{
	const bench_pool *pool = thread->pool;
	const int64_t now = bench_now();

	if (pool->interval == 0)
	{
		thread->begun = now;
		return true;
	}
	thread->begun = thread->begun == 0 ? now + pool->interval / pool->count * thread->number
									   : thread->begun + pool->interval;
	for (int64_t left = thread->begun - now; left > 0; left = thread->begun - bench_now())
	{
		struct timespec time = {.tv_nsec = left < LOOK_NS ? left : LOOK_NS};

		if (atomic_load_explicit(&pool->stop, memory_order_relaxed))
			return false;
		nanosleep(&time, NULL);
	}
	return true;
}

static void *
run_thread(void *argument)
{
	bench_thread *thread = argument;
	bench_pool *pool = thread->pool;
	bench_step step = BENCH_GO_ON;

	while (step != BENCH_FAILED && !(step == BENCH_EMPTY && pool->until_empty) &&
		   !atomic_load_explicit(&pool->stop, memory_order_relaxed))
	{
		if (step == BENCH_EMPTY)
			pause_a_little();
		if (!begin_step(thread))
			break;
		thread->messages = 0;
		step = pool->step(thread);
		count(thread);
	}
	if (step == BENCH_FAILED)
		bench_fail(thread->run, thread->status);
	else
		finish(thread);
	atomic_store(&thread->cpu, cpu_of(CLOCK_THREAD_CPUTIME_ID));
	atomic_fetch_sub(&pool->running, 1);
	bench_wake();
	return NULL;
}

/* ---- a pool ---- */

static bool
prepare(bench_thread *thread, const char *const *texts)
{
	for (; *texts != NULL; texts += 2)
	{
		PGresult *result = PQprepare(thread->connection, texts[0], texts[1], 0, NULL);
		bool good = PQresultStatus(result) == PGRES_COMMAND_OK;

		if (!good)
			bench_fail(thread->run, cli_query_failed(thread->connection, result));
		PQclear(result);
		if (!good)
			return false;
	}
	return true;
}

/* What the library's users have: a client that opens its connection itself. */
static bool
open_client(bench_thread *thread, const char *role)
{
	dgen_client_options options = DGEN_CLIENT_OPTIONS_INIT;
	char *conninfo = bench_conninfo(thread->run, role);
	int code;

	if (conninfo == NULL)
		return false;
	options.under_way_bytes = UNDER_WAY_BYTES;
	code = dgen_client_open(&thread->client, conninfo, &options);
	free(conninfo);
	if (code != 0)
		bench_fail(thread->run, thread->client != NULL ? cli_client_failed(thread->client, code)
													   : cli_no_memory());
	return code == 0;
}

static bool
open_thread(bench_thread *thread, const char *role)
{
	const bench_side *side = thread->pool->side;

	if (side->library)
		return open_client(thread, role);
	thread->connection = bench_connect(thread->run, role);
	return thread->connection != NULL && prepare(thread, side->texts->prepare);
}

bool
bench_pool_open(bench_pool *pool, bench_run *run, const bench_side *side, const char *role,
				int count_of_threads)
{
	pool->run = run;
	pool->side = side;
	pool->threads = calloc((size_t) count_of_threads, sizeof(bench_thread));
	if (pool->threads == NULL)
	{
		bench_fail(run, cli_no_memory());
		return false;
	}
	while (pool->count < count_of_threads)
	{
		bench_thread *thread = &pool->threads[pool->count];

		thread->run = run;
		thread->pool = pool;
		thread->number = pool->count++;
		thread->random = (uint64_t) run->options.seed * UINT64_C(1000003) + (uint64_t) pool->count;
		if (bench_interrupted() || !open_thread(thread, role))
			return false;
	}
	return true;
}

/* Signals are the main thread's. */
bool
bench_pool_start(bench_pool *pool)
{
	sigset_t all;
	sigset_t before;
	int error = 0;

	atomic_store(&pool->running, pool->count);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (error == 0 && pool->started < pool->count)
	{
		error = pthread_create(&pool->threads[pool->started].thread, NULL, run_thread,
							   &pool->threads[pool->started]);
		pool->started += error == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return true;
	cli_error("could not start a thread: %s", strerror(error));
	bench_fail(pool->run, CLI_USAGE);
	return false;
}

int64_t
bench_pool_done(const bench_pool *pool)
{
	int64_t done = 0;

	for (int i = 0; i < pool->count; i++)
		done += atomic_load_explicit(&pool->threads[i].done, memory_order_acquire);
	return done;
}

/* A thread that has ended says itself what it took: its clock is gone. */
int64_t
bench_pool_cpu(const bench_pool *pool)
{
	int64_t total = 0;
	clockid_t clock;

	for (int i = 0; i < pool->started; i++)
	{
		const bench_thread *thread = &pool->threads[i];
		int64_t cpu = 0;

		if (atomic_load(&thread->cpu) == 0 && pthread_getcpuclockid(thread->thread, &clock) == 0)
			cpu = cpu_of(clock);
		total += cpu > 0 ? cpu : atomic_load(&thread->cpu);
	}
	return total;
}

void
bench_pool_join(bench_pool *pool)
{
	atomic_store(&pool->stop, true);
	for (int i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i].thread, NULL);
	pool->started = 0;
}

void
bench_pool_close(bench_pool *pool)
{
	bench_pool_join(pool);
	for (int i = 0; i < pool->count; i++)
	{
		dgen_client_close(pool->threads[i].client);
		PQfinish(pool->threads[i].connection);
	}
	free(pool->threads);
	memset(pool, 0, sizeof(*pool));
}
