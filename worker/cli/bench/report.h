/*
 * The results: for people, and for programs.
 */
#ifndef DGEN_CLI_BENCH_REPORT_H
#define DGEN_CLI_BENCH_REPORT_H

#include "dgen.h"

#include "cli/bench/base/process.h"
#include "cli/bench/base/side.h"
#include "cli/bench/measure/measure.h"

/* CPU time of both sides of the connection; -1: unknown. */
extern double bench_cpu_ns(const bench_cpu *cpu);

extern void bench_report(const bench_run *run, const bench_result *results, int count);
extern void bench_report_json(const bench_run *run, const bench_result *results, int count);

#endif /* DGEN_CLI_BENCH_REPORT_H */
