/*
 * What happens, on the standard error.
 */
#ifndef DGEN_CLI_BENCH_BASE_PROGRESS_H
#define DGEN_CLI_BENCH_BASE_PROGRESS_H

#include "dgen.h"

#include "cli/bench/base/side.h"

extern void bench_progress(bench_run *run, const char *what, int64_t messages, int64_t begun);
extern void bench_progress_end(bench_run *run);

#endif /* DGEN_CLI_BENCH_BASE_PROGRESS_H */
