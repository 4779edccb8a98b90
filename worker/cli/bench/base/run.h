/*
 * A run of dgen bench.
 */
#ifndef DGEN_CLI_BENCH_BASE_RUN_H
#define DGEN_CLI_BENCH_BASE_RUN_H

#include <stdatomic.h>

#include "dgen.h"

#include "cli/bench/base/process.h"
#include "cli/bench/base/side.h"
#include "cli/common/report.h"

#define BENCH_TYPE "dgen_bench.actor"
#define BENCH_NAME "dgen bench"

struct bench_run
{
	const bench_workload *workload;
	bench_options options;
	const bench_side *side; /* measured now */
	char *conninfo;
	PGconn *control;
	PGconn *holder;      /* of a snapshot */
	bool created;        /* objects are there */
	bool cleaning;       /* signals cancel nothing any more */
	bool local;          /* processes of the server can be read */
	char server[1024];   /* its version and settings, in words */
	char settings[1024]; /* the same as a JSON object */
	bool warm;           /* the side's actors exist */
	long ranges;         /* that a raw drain is divided into */
	atomic_long next_range;
	int64_t progress_at;        /* of the next line; 0: none was written */
	long actors;                /* of all chains, or as in options */
	_Atomic(int64_t) *expected; /* the sum of each actor */
	atomic_bool measuring;      /* latencies count */
	atomic_int first_status;    /* of the first error */
	struct bench_workers *workers;
	struct bench_pool *client_pool;
	struct bench_pool *worker_pool;
	bench_backends client_backends;
	bench_backends worker_backends;
};

/* Reports nothing; the first error of a run is what the program ends with. */
extern void bench_fail(bench_run *run, cli_exit status);

#endif /* DGEN_CLI_BENCH_BASE_RUN_H */
