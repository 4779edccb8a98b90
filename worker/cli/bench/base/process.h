/*
 * Processes of the server, and processor time.
 */
#ifndef DGEN_CLI_BENCH_BASE_PROCESS_H
#define DGEN_CLI_BENCH_BASE_PROCESS_H

#include "dgen.h"

#include "cli/bench/base/side.h"

/* Processor time in ns; -1: unknown, for processes of another host. */
typedef struct bench_cpu
{
	int64_t process; /* of this process' threads */
	int64_t server;  /* of their server processes */
} bench_cpu;

/* Processes of the server that one part of a run keeps busy. */
typedef struct bench_backends
{
	int *pids;
	int count;
} bench_backends;

/* Once per run: can the processes of the server be read here? */
extern void bench_backends_open(bench_run *run);
extern bool bench_backends_find(bench_run *run, bench_backends *backends, const char *role);
/* Their time in ns; -1: unknown. */
extern int64_t bench_backends_cpu(const bench_run *run, const bench_backends *backends);

#endif /* DGEN_CLI_BENCH_BASE_PROCESS_H */
