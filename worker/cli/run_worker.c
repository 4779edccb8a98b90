/*
 * dgen worker: runs the actor types of a shared object, on one or several threads, until
 * a signal stops it.
 *
 *     signal ──────────┐
 *     thread ended ────┴─ byte ──> pipe ──> main thread: stops the workers, waits for them
 */
#include "cli.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_MOST 1000
#define ENTRY "dgen_actor_types"

typedef struct Job
{
	int number; /* from 1 on; 0: the only one */
	dgen_worker *worker;
	pthread_t thread;
	bool verbose;
	int result; /* of dgen_worker_run */
} Job;

typedef struct Pool
{
	Job *jobs;
	int count; /* opened */
	int started;
	int running;
	const dgen_actor_type *types;
	size_t ntypes;
} Pool;

/* ---- the shared object ---- */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* By its real path: without a slash the dynamic linker would look for it elsewhere. */
static void *
open_object(const char *file)
{
	char *path = realpath(file, NULL);
	void *object = NULL;

	if (path == NULL)
		cli_error("could not open \"%s\": %s", file, strerror(errno));
	else if ((object = dlopen(path, RTLD_NOW | RTLD_LOCAL)) == NULL)
		cli_error("could not load \"%s\": %s", file, dlerror());
	free(path);
	return object;
}

/* An element is as long as the first one says: the object may be of another version. */
static const dgen_actor_type *
type_at(const dgen_actor_type *types, size_t n)
{
	return (const dgen_actor_type *) ((const char *) types + n * types->size);
}

static bool
check_types(const char *file, const dgen_actor_type *types, size_t count)
{
	if (types == NULL || count == 0)
	{
		cli_error("\"%s\" has no actor types: " ENTRY " returned none", file);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (types->size < offsetof(dgen_actor_type, init) || type_at(types, i)->size != types->size)
		{
			cli_error("the size of actor type %zu in \"%s\" is not sizeof(dgen_actor_type)", i + 1,
					  file);
			return false;
		}
	return true;
}

static bool
load(Pool *pool, const char *file)
{
	const dgen_actor_type *(*entry)(size_t * count);
	void *object = open_object(file);
	void *symbol;

	if (object == NULL)
		return false;
	symbol = dlsym(object, ENTRY);
	if (symbol == NULL)
	{
		cli_error("\"%s\" has no function " ENTRY, file);
		cli_hint("\"Worker programs\" in dgen.h says what dgen worker runs.");
		return false;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	pool->types = entry(&pool->ntypes);
	return check_types(file, pool->types, pool->ntypes);
}

/* ---- one worker ---- */

/* The end of a worker is logged as an error, and reported with its hint later. */
static void
log_line(dgen_log_level level, const char *text, void *user)
{
	static const char *const labels[] = {
		[DGEN_LOG_DEBUG] = "debug", [DGEN_LOG_INFO] = "info", [DGEN_LOG_WARNING] = "warning"};
	const Job *job = user;

	if (level > DGEN_LOG_WARNING || (level < DGEN_LOG_WARNING && !job->verbose))
		return;
	if (job->number > 0)
		fprintf(stderr, "dgen: worker %d: %s: %s\n", job->number, labels[level], text);
	else
		fprintf(stderr, "dgen: %s: %s\n", labels[level], text);
}

/* As long as the server takes it; the number of the job stays. */
static void
make_name(char *name, size_t size, const cli_arguments *arguments, const Job *job)
{
	const char *given = arguments->option[CLI_NAME];
	char host[33] = "";
	char number[16] = "";

	if (job->number > 0)
		snprintf(number, sizeof(number), "/%d", job->number);
	(void) gethostname(host, sizeof(host) - 1);
	if (given != NULL)
		snprintf(name, size, "%.*s%s", (int) (size - 1 - strlen(number)), given, number);
	else
		snprintf(name, size, "%.16s@%.25s:%ld%s", base_name(arguments->list[1]), host,
				 (long) getpid(), number);
}

static int
open_job(Pool *pool, Job *job, const cli_arguments *arguments, const char *conninfo, int drain_ms)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	char name[64];
	int code;

	make_name(name, sizeof(name), arguments, job);
	job->verbose = arguments->option[CLI_VERBOSE] != NULL;
	options.name = name;
	options.drain_ms = drain_ms;
	options.log = log_line;
	options.log_user = job;
	code = dgen_worker_open(&job->worker, conninfo, &options);
	for (size_t i = 0; i < pool->ntypes && code == 0; i++)
		code = dgen_worker_register(job->worker, type_at(pool->types, i));
	return code;
}

static cli_exit
open_jobs(Pool *pool, const cli_arguments *arguments, long count, long drain_ms)
{
	char *conninfo = cli_conninfo(arguments);
	int code = 0;
	cli_exit status = CLI_OK;

	if (conninfo == NULL)
		return CLI_USAGE;
	pool->jobs = calloc((size_t) count, sizeof(Job));
	if (pool->jobs == NULL)
		status = cli_no_memory();
	while (status == CLI_OK && pool->count < count)
	{
		Job *job = &pool->jobs[pool->count++];

		job->number = count > 1 ? pool->count : 0;
		code = open_job(pool, job, arguments, conninfo, (int) drain_ms);
		if (code != 0)
			status = job->worker != NULL ? cli_worker_failed(job->worker, code) : cli_no_memory();
	}
	free(conninfo);
	return status;
}

/* ---- signals and threads ---- */

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
	sigaction(SIGPIPE, &ignore, NULL); /* a log that nobody reads ends no worker */
	return true;
}

static void *
run_job(void *argument)
{
	Job *job = argument;

	job->result = dgen_worker_run(job->worker);
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
		error = pthread_create(&pool->jobs[pool->started].thread, NULL, run_job,
							   &pool->jobs[pool->started]);
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
		dgen_worker_stop(pool->jobs[i].worker);
}

/* Whoever asks a second time does not want to wait: the batch is rolled back. */
static void
stop_by_signal(Pool *pool, int number, bool again)
{
	if (again)
	{
		signal(number, SIG_DFL);
		raise(number);
	}
	fprintf(stderr, "dgen: stopping after the turns under way; a second signal stops at once\n");
	stop(pool);
}

/* Until all have ended. One that failed cannot be helped by trying again, nor can the others. */
static void
supervise(Pool *pool, bool stopping)
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
		pthread_join(pool->jobs[i].thread, NULL);
}

/* ---- the command ---- */

static void
announce(const Pool *pool)
{
	fprintf(stderr, "dgen: %d worker%s for", pool->count, pool->count == 1 ? "" : "s");
	for (size_t i = 0; i < pool->ntypes; i++)
		fprintf(stderr, "%s %s", i > 0 ? "," : "", type_at(pool->types, i)->name);
	fputc('\n', stderr);
}

/* Several that failed did so for the same reason, as a rule. */
static cli_exit
result_of(const Pool *pool)
{
	for (int i = 0; i < pool->started; i++)
		if (pool->jobs[i].result != 0)
			return cli_worker_failed(pool->jobs[i].worker, pool->jobs[i].result);
	return CLI_OK;
}

static cli_exit
run(Pool *pool, bool quiet)
{
	cli_exit status;
	cli_exit result;

	if (!catch_signals())
		return CLI_USAGE;
	if (!quiet)
		announce(pool);
	status = start(pool);
	supervise(pool, status != CLI_OK);
	result = result_of(pool);
	return status != CLI_OK ? status : result;
}

cli_exit
cli_worker(const cli_arguments *arguments)
{
	Pool pool = {.count = 0};
	long jobs = 1;
	long drain_ms = 0; /* the library's default */
	cli_exit status;

	if (!cli_integer(arguments, CLI_JOBS, 1, JOBS_MOST, &jobs) ||
		!cli_duration(arguments, CLI_DRAIN, INT_MAX, &drain_ms) || !load(&pool, arguments->list[1]))
		return CLI_USAGE;
	status = open_jobs(&pool, arguments, jobs, drain_ms);
	if (status == CLI_OK)
		status = run(&pool, arguments->option[CLI_QUIET] != NULL);
	for (int i = 0; i < pool.count; i++)
		dgen_worker_close(pool.jobs[i].worker);
	free(pool.jobs);
	return status;
}
