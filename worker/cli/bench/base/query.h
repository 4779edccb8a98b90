/*
 * The connection that controls the run.
 */
#ifndef DGEN_CLI_BENCH_BASE_QUERY_H
#define DGEN_CLI_BENCH_BASE_QUERY_H

#include "dgen.h"

#include "cli/bench/base/side.h"

/*
 * Runs a statement, with count parameters in text form. NULL: it failed, which was
 * reported, or a signal came; *status, unless it is set already, is.
 */
extern PGresult *bench_query(bench_run *run, const char *sql, int count, const char *const *values);
/* The first column of the first row as a number; `otherwise` if there is none. */
extern int64_t bench_number(bench_run *run, const char *sql, int count, const char *const *values,
							int64_t otherwise);
extern bool bench_do(bench_run *run, const char *sql);
/* For what only makes the figures calmer: whether it can be done does not matter. */
extern void bench_try(bench_run *run, const char *sql);

extern bool bench_connect_control(bench_run *run);
/* Another connection that says what it is for; NULL: it was reported. */
extern PGconn *bench_connect(bench_run *run, const char *role);
/* A connection string that says it, to be freed. */
extern char *bench_conninfo(bench_run *run, const char *role);

#endif /* DGEN_CLI_BENCH_BASE_QUERY_H */
