/*
 * Workloads, and what was asked for.
 */
#ifndef DGEN_CLI_BENCH_WORKLOADS_H
#define DGEN_CLI_BENCH_WORKLOADS_H

#include "dgen.h"

#include "cli/bench/base/side.h"
#include "cli/common/options.h"

extern const bench_workload bench_workload_list[]; /* bench_workload.c; the last has no name */
extern const bench_workload *bench_workload_find(const char *name);

extern bool bench_options_read(bench_options *options, const bench_workload *workload,
							   const cli_arguments *arguments);

#endif /* DGEN_CLI_BENCH_WORKLOADS_H */
