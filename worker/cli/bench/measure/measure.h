/*
 * Measuring a side: what is around it, what is metered, and what has to come out.
 */
#ifndef DGEN_CLI_BENCH_MEASURE_MEASURE_H
#define DGEN_CLI_BENCH_MEASURE_MEASURE_H

#include "dgen.h"

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/process.h"
#include "cli/bench/base/side.h"

extern bool bench_objects_create(bench_run *run);
extern bool bench_objects_drop(bench_run *run);

typedef struct bench_snapshot
{
	int64_t at;
	int64_t wal; /* position in bytes */
	bench_cpu clients;
	bench_cpu workers;
} bench_snapshot;

extern void bench_meter_take(bench_run *run, bench_snapshot *snapshot);
extern bool bench_meter_sizes(bench_run *run, const bench_side *side, int64_t *table,
							  int64_t *indexes);

typedef struct bench_check
{
	int64_t actors;  /* looked at */
	int64_t idle;    /* those of them that had nothing to do */
	int64_t lost;    /* actors whose state lacks something */
	int64_t doubled; /* actors whose state has too much */
	int64_t left;    /* messages that were not handled, dead letters included */
} bench_check;

#define BENCH_MOST_ROUNDS 100

typedef struct bench_result
{
	const bench_side *side;
	int64_t messages; /* handled, or sent if none are handled */
	int64_t sent;     /* by clients */
	double seconds;
	double rate; /* messages/s; of several rounds the median */
	int rounds;
	double rates[BENCH_MOST_ROUNDS];
	bench_histogram latency; /* ns */
	int64_t wal;             /* bytes */
	bench_cpu clients;
	bench_cpu workers;
	int64_t table_growth; /* bytes; of all rounds, warm-up included */
	int64_t index_growth;
	int64_t backlog; /* most messages that waited, sustained only */
	int64_t looks;   /* idle only: workers that were seen to have run something, each second */
	int64_t snapshots;
	bench_check check;
} bench_result;

extern bool bench_check_states(bench_run *run, const bench_side *side, bench_check *check);

/* Actors that do nothing, and a session that keeps a snapshot open. */
extern bool bench_around_begin(bench_run *run);
extern void bench_around_end(bench_run *run);

extern bool bench_measure_amount(bench_run *run, const bench_side *side, bench_result *result);
extern bool bench_measure_timed(bench_run *run, const bench_side *side, bench_result *result);
extern bool bench_measure_idle(bench_run *run, bench_result *result);

/* What was used between two snapshots is added. */
extern void bench_result_add(bench_result *result, const bench_snapshot *from,
							 const bench_snapshot *to);

#endif /* DGEN_CLI_BENCH_MEASURE_MEASURE_H */
