/*
 * What the workers of the benchmarks share: how one is opened, its complaints, the time.
 */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include <stdio.h>
#include <time.h>

#include "dgen.h"

static void
bench_complain(dgen_log_level level, const char *text, void *user)
{
	(void) user;
	if (level >= DGEN_LOG_WARNING)
		fprintf(stderr, "%s\n", text);
}

/* A worker for one type, connected by the environment. */
static int
bench_open(dgen_worker **worker, const char *type_name, dgen_callback handle)
{
	dgen_actor_type type = {.size = sizeof(type), .name = type_name, .handle_cast = handle};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	int result;

	options.log = bench_complain;
	result = dgen_worker_open(worker, "", &options);
	if (result == 0)
		result = dgen_worker_register(*worker, &type);
	if (result != 0)
		fprintf(stderr, "%s\n", dgen_worker_error(*worker));
	return result;
}

/* Seconds of that clock. */
static double
bench_time(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

#endif /* BENCH_WORKER_H */
