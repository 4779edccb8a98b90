/*
 * dgen worker: runs the actor types of a shared object, in processes of their own under the
 * supervisor, until a signal stops it. Each process loads the object again, so that SIGHUP
 * brings a new one into use.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/report.h"
#include "cli/worker/job.h"
#include "work/child.h"
#include "work/worker.h"

#define JOBS_MOST 1000
#define DEATHS_MOST 1000000

/* ---- one worker ---- */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void
print_log(const cli_run *run, int number, dgen_log_level level, const char *text)
{
	static const char *const labels[] = {[DGEN_LOG_DEBUG] = "debug",
										 [DGEN_LOG_INFO] = "info",
										 [DGEN_LOG_WARNING] = "warning",
										 [DGEN_LOG_ERROR] = "error"};

	char label[40];

	if (number > 0 && run->jobs > 1)
		snprintf(label, sizeof(label), "worker %d: %s", number, labels[level]);
	else
		snprintf(label, sizeof(label), "%s", labels[level]);
	cli_say(label, "%s", text);
}

static bool
is_verbose(const cli_run *run)
{
	return run->arguments->option[CLI_VERBOSE] != NULL;
}

/* The end of a worker is logged as an error, and reported with its hint later. */
static void
log_worker(dgen_log_level level, const char *text, void *user)
{
	const cli_job *job = user;

	if (level == DGEN_LOG_WARNING || (level < DGEN_LOG_WARNING && is_verbose(job->run)))
		print_log(job->run, job->number, level, text);
}

static void
say_attached(dgen_worker *worker, void *user)
{
	const cli_job *job = user;

	(void) worker;
	if (job->run->arguments->option[CLI_QUIET] != NULL)
		return;
	if (job->number > 0 && job->run->jobs > 1)
		cli_say(NULL, "worker %d attached", job->number);
	else
		cli_say(NULL, "attached");
}

/* As long as the server takes it; the number of the job stays. */
static void
make_name(char *name, size_t size, const cli_job *job)
{
	const char *given = job->run->arguments->option[CLI_NAME];
	char host[33] = "";
	char number[12] = "";

	if (job->run->jobs > 1)
		snprintf(number, sizeof(number), "/%d", job->number);
	(void) gethostname(host, sizeof(host) - 1);
	if (given != NULL)
		snprintf(name, size, "%.*s%s", (int) (size - 1 - strlen(number)), given, number);
	else
		snprintf(name, size, "%.16s@%.23s:%d%s", base_name(job->run->arguments->list[1]), host,
				 (int) getpid(), number);
}

static cli_exit
job_failed(cli_job *job, int code)
{
	return job->worker != NULL ? cli_worker_failed(job->worker, code) : cli_no_memory();
}

cli_exit
cli_job_open(cli_job *job, const cli_object *object)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	char name[64];
	int code;

	make_name(name, sizeof(name), job);
	options.name = name;
	options.drain_ms = (int) job->run->drain_ms;
	options.log = log_worker;
	options.log_user = job;
	options.attached = say_attached;
	options.attached_user = job;
	code = dgen_worker_open(&job->worker, job->run->conninfo, &options);
	for (size_t i = 0; i < object->count && code == 0; i++)
		code = dgen_worker_register(job->worker, cli_object_type(object, i));
	return code == 0 ? CLI_OK : job_failed(job, code);
}

void
cli_announce(const cli_run *run, const cli_object *object)
{
	if (run->arguments->option[CLI_QUIET] != NULL)
		return;
	fprintf(stderr, "dgen: %ld worker%s for", run->jobs, run->jobs == 1 ? "" : "s");
	for (size_t i = 0; i < object->count; i++)
		fprintf(stderr, "%s %s", i > 0 ? "," : "", cli_object_type(object, i)->name);
	fputc('\n', stderr);
}

/* ---- processes ---- */

/* The supervisor handles out of memory; anything else is what the program ends with. */
static int
run_job(cli_job *job)
{
	int code = dgen_worker_run(job->worker);

	if (code == 0)
		return CLI_OK;
	return code == DGEN_ENOMEM ? (job_failed(job, code), code) : (int) job_failed(job, code);
}

static int
run_child(dgen_child *child, void *user)
{
	const cli_run *run = user;
	cli_job job = {.run = run, .number = dgen_child_number(child)};
	cli_object object;
	int status;
	int code;

	if (!cli_object_load(&object, run->arguments->list[1]))
		return CLI_USAGE;
	if (job.number == 1)
		cli_announce(run, &object);
	status = (int) cli_job_open(&job, &object);
	if (status == CLI_OK && (code = dgen_child_watch(child, job.worker)) != 0)
		status = (int) job_failed(&job, code);
	if (status == CLI_OK)
		status = run_job(&job);
	dgen_worker_close(job.worker);
	return status;
}

/* What a process has ended with it has reported itself. */
static void
log_supervisor(dgen_log_level level, const char *text, void *user)
{
	const cli_run *run = user;
	bool quiet = run->arguments->option[CLI_QUIET] != NULL;

	if (level == DGEN_LOG_INFO && !quiet)
		cli_say(NULL, "%s", text);
	else if (level > DGEN_LOG_INFO || is_verbose(run))
		print_log(run, 0, level, text);
}

static cli_exit
run_processes(cli_run *run)
{
	dgen_supervisor_options options = DGEN_SUPERVISOR_OPTIONS_INIT;
	int code;

	options.processes = (int) run->jobs;
	options.grace_ms = (int) run->grace_ms;
	options.turn_timeout_ms = (int) run->turn_timeout_ms;
	options.replace_ms = (int) run->replace_ms;
	options.max_deaths = (int) run->max_deaths;
	options.log = log_supervisor;
	options.log_user = run;
	(void) signal(SIGPIPE, SIG_IGN); /* a log that is not read ends no worker */
	code = dgen_supervisor_run(&options, run_child, run);
	if (code == DGEN_ETIMEOUT)
		return CLI_NOT_FOUND;
	if (code == DGEN_EFAILED)
		return CLI_HANDLER;
	return code >= 0 ? (cli_exit) code : CLI_USAGE;
}

/* ---- the command ---- */

static bool
read_options(cli_run *run)
{
	const cli_arguments *arguments = run->arguments;
	static const cli_option supervised[] = {CLI_GRACE, CLI_TURN_TIMEOUT, CLI_REPLACE_TIMEOUT,
											CLI_MAX_DEATHS};

	for (size_t i = 0; i < sizeof(supervised) / sizeof(supervised[0]); i++)
		if (arguments->option[CLI_THREADS] != NULL && arguments->option[supervised[i]] != NULL)
		{
			cli_error("--%s cannot be used with --threads", cli_option_list[supervised[i]].name);
			return false;
		}
	return cli_integer(arguments, CLI_JOBS, 1, JOBS_MOST, &run->jobs) &&
		   cli_duration(arguments, CLI_DRAIN, INT_MAX, &run->drain_ms) &&
		   cli_duration(arguments, CLI_GRACE, INT_MAX, &run->grace_ms) &&
		   cli_duration(arguments, CLI_TURN_TIMEOUT, INT_MAX, &run->turn_timeout_ms) &&
		   cli_duration(arguments, CLI_REPLACE_TIMEOUT, INT_MAX, &run->replace_ms) &&
		   cli_integer(arguments, CLI_MAX_DEATHS, 1, DEATHS_MOST, &run->max_deaths);
}

/* To the library 0 is the default; here it is what it says. */
static void
take_zeros(cli_run *run)
{
	if (run->arguments->option[CLI_GRACE] != NULL && run->grace_ms == 0)
		run->grace_ms = 1;
	if (run->arguments->option[CLI_REPLACE_TIMEOUT] != NULL && run->replace_ms == 0)
		run->replace_ms = 1;
	if (run->arguments->option[CLI_TURN_TIMEOUT] != NULL && run->turn_timeout_ms == 0)
		run->turn_timeout_ms = -1;
}

cli_exit
cli_worker(const cli_arguments *arguments)
{
	cli_run run = {.arguments = arguments, .jobs = 1};
	cli_exit status;

	if (!read_options(&run) || (run.conninfo = cli_conninfo(arguments)) == NULL)
		return CLI_USAGE;
	take_zeros(&run);
	status = arguments->option[CLI_THREADS] != NULL ? cli_run_threads(&run) : run_processes(&run);
	free(run.conninfo);
	return status;
}
