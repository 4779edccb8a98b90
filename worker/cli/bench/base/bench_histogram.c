/*
 * Times in buckets whose width grows with the value: each power of two has the same
 * number of them. Every time is counted, none is sampled; a bucket's upper end is less
 * than 1 % above what is in it.
 */
#include "cli/bench/base/histogram.h"

#define SUBS (UINT64_C(1) << BENCH_SUB_BITS)

/* Values below SUBS have a bucket each. */
static unsigned
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < SUBS)
		return (unsigned) value;
	shift = 63 - (unsigned) __builtin_clzll(value) - BENCH_SUB_BITS;
	return (unsigned) ((shift << BENCH_SUB_BITS) + (value >> shift));
}

/* The largest value of the bucket. */
static uint64_t
top_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < SUBS)
		return bucket;
	shift = (bucket >> BENCH_SUB_BITS) - 1;
	return (((bucket & (SUBS - 1)) + SUBS + 1) << shift) - 1;
}

void
bench_histogram_add(bench_histogram *histogram, uint64_t value)
{
	histogram->count++;
	histogram->total += value;
	if (value > histogram->most)
		histogram->most = value;
	histogram->buckets[bucket_of(value)]++;
}

void
bench_histogram_merge(bench_histogram *histogram, const bench_histogram *other)
{
	histogram->count += other->count;
	histogram->total += other->total;
	if (other->most > histogram->most)
		histogram->most = other->most;
	for (unsigned i = 0; i < BENCH_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
}

uint64_t
bench_histogram_at(const bench_histogram *histogram, double share)
{
	const double wanted = share * (double) histogram->count;
	uint64_t seen = 0;

	for (unsigned i = 0; i < BENCH_BUCKETS; i++)
	{
		seen += histogram->buckets[i];
		if (histogram->buckets[i] > 0 && (double) seen >= wanted)
			return top_of(i) < histogram->most ? top_of(i) : histogram->most;
	}
	return histogram->most;
}
