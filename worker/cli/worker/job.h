/*
 * dgen worker: a section per file.
 */
#ifndef DGEN_CLI_WORKER_JOB_H
#define DGEN_CLI_WORKER_JOB_H

#include "dgen.h"

#include "cli/common/options.h"
#include "cli/common/report.h"

/* ---- worker_object.c: the actor types of a shared object -------------------------------- */

typedef struct cli_object
{
	const dgen_actor_type *types;
	size_t count;
} cli_object;

/* False: it was reported. */
extern bool cli_object_load(cli_object *object, const char *file);
extern const dgen_actor_type *cli_object_type(const cli_object *object, size_t n);

/* ---- run_worker.c: the command, one worker, and processes -------------------------------- */

/* What the command line says. */
typedef struct cli_run
{
	const cli_arguments *arguments;
	char *conninfo;
	long jobs;
	long drain_ms; /* 0: the library's default; so are the others */
	long grace_ms;
	long replace_ms;
	long turn_timeout_ms;
	long max_deaths;
} cli_run;

typedef struct cli_job
{
	const cli_run *run;
	int number; /* from 1 on */
	dgen_worker *worker;
} cli_job;

/* Opens the worker and registers the types. Another status than CLI_OK: it was reported. */
extern cli_exit cli_job_open(cli_job *job, const cli_object *object);
extern void cli_announce(const cli_run *run, const cli_object *object);

/* ---- worker_threads.c: all workers in one process ------------------------------------------ */

extern cli_exit cli_run_threads(const cli_run *run);

#endif /* DGEN_CLI_WORKER_JOB_H */
