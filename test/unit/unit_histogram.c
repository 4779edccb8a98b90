/* cli/bench/base/bench_histogram.c: percentiles against a sorted list of the same values. */
#include "../../worker/cli/bench/base/bench_histogram.c"

#include "tap.h"

#define VALUES 20000

static bench_histogram one;
static bench_histogram two;

static uint64_t
random_value(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> (*state >> 58); /* of every size */
}

static int
by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *) a;
	uint64_t right = *(const uint64_t *) b;

	return (left > right) - (left < right);
}

static void
clear(void)
{
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
}

/* Never below the value, and less than 1 % above it. */
static bool
close_to(uint64_t got, uint64_t value)
{
	return got >= value && got - value <= value / 100;
}

static void
an_empty_one_has_no_percentiles(void)
{
	clear();
	CHECK(bench_histogram_at(&one, 0.5) == 0);
	CHECK(bench_histogram_at(&one, 1) == 0);
}

static void
small_values_and_the_largest_are_exact(void)
{
	clear();
	for (uint64_t i = 0; i < SUBS; i++)
		bench_histogram_add(&one, i);
	bench_histogram_add(&one, 123456789);
	CHECK(bench_histogram_at(&one, 0.5) == SUBS / 2);
	CHECK(bench_histogram_at(&one, 0) == 0);
	CHECK(bench_histogram_at(&one, 1) == 123456789);
}

static void
each_power_of_two_and_its_neighbours_fit(void)
{
	for (int bit = 0; bit < 64; bit++)
		for (int d = -1; d <= 1; d++)
		{
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t) d;

			clear();
			bench_histogram_add(&one, value);
			bench_histogram_add(&one, UINT64_MAX);
			CHECK(close_to(bench_histogram_at(&one, 0.5), value));
		}
}

static void
percentiles_are_those_of_the_sorted_values(void)
{
	static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
	static uint64_t values[VALUES];
	uint64_t state = 1;

	clear();
	for (size_t i = 0; i < VALUES; i++)
	{
		values[i] = random_value(&state);
		bench_histogram_add(i % 2 == 0 ? &one : &two, values[i]);
	}
	bench_histogram_merge(&one, &two);
	qsort(values, VALUES, sizeof(values[0]), by_size);
	CHECK(one.count == VALUES);
	CHECK(one.most == values[VALUES - 1]);
	for (size_t i = 0; i < COUNT(shares); i++)
		CHECK(close_to(bench_histogram_at(&one, shares[i]),
					   values[(size_t) (shares[i] * VALUES + 0.5) - 1]));
}

static const tap_test tests[] = {
	TEST(an_empty_one_has_no_percentiles),
	TEST(small_values_and_the_largest_are_exact),
	TEST(each_power_of_two_and_its_neighbours_fit),
	TEST(percentiles_are_those_of_the_sorted_values),
};

TAP_MAIN(tests)
