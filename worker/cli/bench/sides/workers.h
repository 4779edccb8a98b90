/*
 * The workers of the lane.
 */
#ifndef DGEN_CLI_BENCH_SIDES_WORKERS_H
#define DGEN_CLI_BENCH_SIDES_WORKERS_H

#include "dgen.h"

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/side.h"

typedef struct bench_workers bench_workers;
typedef struct bench_job bench_job;

/* A callback of the worker was run, for a message that was sent then (0: unknown). */
extern int bench_job_turn(bench_job *job, dgen_turn *turn, int64_t sent_at);

extern bool bench_workers_start(bench_run *run);
extern int64_t bench_workers_handled(bench_run *run); /* messages whose turns are committed */
extern int64_t bench_workers_cpu(bench_run *run);
extern void bench_workers_latency(bench_run *run, bench_histogram *histogram);
/* Until so many are handled in all; *ended gets the time. False: failed or interrupted. */
extern bool bench_workers_wait(bench_run *run, int64_t handled, int64_t *ended);
extern void bench_workers_stop(bench_run *run);

#endif /* DGEN_CLI_BENCH_SIDES_WORKERS_H */
