/*
 * Times, in buckets of less than 1 %.
 */
#ifndef DGEN_CLI_BENCH_BASE_HISTOGRAM_H
#define DGEN_CLI_BENCH_BASE_HISTOGRAM_H

#include "dgen.h"

#define BENCH_SUB_BITS 7 /* 128 buckets for each power of two */
#define BENCH_BUCKETS ((64 - BENCH_SUB_BITS + 1) << BENCH_SUB_BITS)

typedef struct bench_histogram
{
	uint64_t count;
	uint64_t most; /* exact */
	uint64_t total;
	uint64_t buckets[BENCH_BUCKETS];
} bench_histogram;

extern void bench_histogram_add(bench_histogram *histogram, uint64_t value);
extern void bench_histogram_merge(bench_histogram *histogram, const bench_histogram *other);
/* The value that this share of all (0 to 1) does not exceed, at most 1 % too high; 0 if empty. */
extern uint64_t bench_histogram_at(const bench_histogram *histogram, double share);

#endif /* DGEN_CLI_BENCH_BASE_HISTOGRAM_H */
