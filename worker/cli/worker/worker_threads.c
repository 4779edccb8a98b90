/*
 * dgen worker --threads: all workers in one process, on a thread each, until a signal stops
 * them.
 *
 *     signal ──────────┐
 *     thread ended ────┴─ byte ──> pipe ──> main thread: stops the workers, waits for them
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/common/report.h"
#include "cli/worker/job.h"

typedef struct Thread
{
	cli_job job;
	pthread_t id;
	int result; /* of dgen_worker_run */
} Thread;

typedef struct Pool
{
	Thread *threads;
	int count; /* opened */
	int started;
	int running;
} Pool;

static cli_exit
open_workers(Pool *pool, const cli_run *run, const cli_object *object)
{
	cli_exit status = CLI_OK;

	pool->threads = calloc((size_t) run->jobs, sizeof(Thread));
	if (pool->threads == NULL)
		return cli_no_memory();
	while (status == CLI_OK && pool->count < run->jobs)
	{
		cli_job *job = &pool->threads[pool->count++].job;

		*job = (cli_job){.run = run, .number = pool->count};
		status = cli_job_open(job, object);
	}
	return status;
}

#define THREAD_ENDED 0 /* no signal has this number */

static int wake[2] = {-1, -1}; /* a pipe */

static void
wake_main(unsigned char what)
{
	int saved = errno;

	while (write(wake[1], &what, 1) < 0 && errno == EINTR)
		;
	errno = saved;
}

static void
on_signal(int number)
{
	wake_main((unsigned char) number);
}

static bool
catch_signals(void)
{
	struct sigaction catch = {.sa_handler = on_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (pipe2(wake, O_CLOEXEC) != 0)
	{
		cli_error("could not make a pipe: %s", strerror(errno));
		return false;
	}
	sigemptyset(&catch.sa_mask);
	sigaction(SIGINT, &catch, NULL);
	sigaction(SIGTERM, &catch, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL); /* a log that is not read ends no worker */
	return true;
}

static void *
run_thread(void *argument)
{
	Thread *self = argument;

	self->result = dgen_worker_run(self->job.worker);
	wake_main(THREAD_ENDED);
	return NULL;
}

/* Signals are the main thread's: they shall not interrupt what callbacks do. */
static cli_exit
start(Pool *pool)
{
	sigset_t all;
	sigset_t before;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (error == 0 && pool->started < pool->count)
	{
		error = pthread_create(&pool->threads[pool->started].id, NULL, run_thread,
							   &pool->threads[pool->started]);
		pool->started += error == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pool->running = pool->started;
	if (error == 0)
		return CLI_OK;
	cli_error("could not start a thread: %s", strerror(error));
	return CLI_USAGE;
}

static void
stop(Pool *pool)
{
	for (int i = 0; i < pool->started; i++)
		dgen_worker_stop(pool->threads[i].job.worker);
}

/* A second signal means not to wait: the batch is rolled back. */
static void
stop_by_signal(Pool *pool, int number, bool again)
{
	if (again)
	{
		signal(number, SIG_DFL);
		raise(number);
	}
	fprintf(stderr,
			"dgen: stopping after the turns in progress; a second signal stops immediately\n");
	stop(pool);
}

/* Until all have ended. One that failed cannot be helped by trying again, nor can the others. */
static void
wait_for(Pool *pool, bool stopping)
{
	unsigned char what;

	if (stopping)
		stop(pool);
	while (pool->running > 0)
	{
		if (read(wake[0], &what, 1) != 1)
			continue;
		if (what == THREAD_ENDED)
		{
			pool->running--;
			stop(pool);
		}
		else
		{
			stop_by_signal(pool, what, stopping);
			stopping = true;
		}
	}
	for (int i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i].id, NULL);
}

/* Several that failed did so for the same reason, as a rule. */
static cli_exit
result_of(const Pool *pool)
{
	for (int i = 0; i < pool->started; i++)
		if (pool->threads[i].result != 0)
			return cli_worker_failed(pool->threads[i].job.worker, pool->threads[i].result);
	return CLI_OK;
}

static cli_exit
run_pool(Pool *pool)
{
	cli_exit status;
	cli_exit result;

	if (!catch_signals())
		return CLI_USAGE;
	status = start(pool);
	wait_for(pool, status != CLI_OK);
	result = result_of(pool);
	return status != CLI_OK ? status : result;
}

cli_exit
cli_run_threads(const cli_run *run)
{
	Pool pool = {.count = 0};
	cli_object object;
	cli_exit status;

	if (!cli_object_load(&object, run->arguments->list[1]))
		return CLI_USAGE;
	status = open_workers(&pool, run, &object);
	if (status == CLI_OK)
	{
		cli_announce(run, &object);
		status = run_pool(&pool);
	}
	for (int i = 0; i < pool.count; i++)
		dgen_worker_close(pool.threads[i].job.worker);
	free(pool.threads);
	return status;
}
