/*
 * Checks that every message was handled once: each carries a number, an actor's state is
 * their sum, and the expected sum is known here.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/measure/measure.h"
#include "cli/common/report.h"

/* One row for each actor there is; what was not expected at all is too much as well. */
static void
compare(const PGresult *row, int64_t *expected, long actors, bench_check *check)
{
	const char *key = PQgetvalue(row, 0, 0);
	const int64_t sum = strtoll(PQgetvalue(row, 0, 1), NULL, 10);
	const long actor = strtol(key + 1, NULL, 10);

	if (key[0] == 'i')
	{
		check->idle++;
		check->doubled += sum != 1;
		return;
	}
	check->actors++;
	if (actor < 0 || actor >= actors)
	{
		check->doubled++;
		return;
	}
	check->lost += sum < expected[actor];
	check->doubled += sum > expected[actor];
	expected[actor] = 0;
}

/* Row by row, because there can be millions. */
static bool
compare_all(bench_run *run, const char *sql, int64_t *expected, bench_check *check)
{
	PGresult *row;
	bool good = PQsendQuery(run->control, sql) == 1 && PQsetSingleRowMode(run->control) == 1;

	while ((row = PQgetResult(run->control)) != NULL)
	{
		if (PQresultStatus(row) == PGRES_SINGLE_TUPLE)
			compare(row, expected, run->actors, check);
		else if (PQresultStatus(row) != PGRES_TUPLES_OK)
		{
			bench_fail(run, cli_query_failed(run->control, row));
			good = false;
		}
		PQclear(row);
	}
	return good;
}

/* Of actors that have no state, and no message, although they should. */
static void
count_absent(const int64_t *expected, long actors, bench_check *check)
{
	for (long i = 0; i < actors; i++)
		check->lost += expected[i] > 0;
}

bool
bench_check_states(bench_run *run, const bench_side *side, bench_check *check)
{
	const bool sent_only = run->workload->kind == BENCH_SEND || run->workload->kind == BENCH_CAST;
	int64_t *expected = calloc((size_t) run->actors, sizeof(*expected));
	bool good;

	if (expected == NULL)
	{
		bench_fail(run, cli_no_memory());
		return false;
	}
	for (long i = 0; i < run->actors; i++)
		expected[i] = atomic_load_explicit(&run->expected[i], memory_order_relaxed);
	good =
		compare_all(run, sent_only ? side->texts->waiting : side->texts->states, expected, check);
	count_absent(expected, run->actors, check);
	check->lost += run->options.idle_actors - check->idle;
	free(expected);
	if (good && side->must_drain && !sent_only)
		check->left = bench_number(run, side->texts->left, 0, NULL, 0);
	if (check->lost + check->doubled + check->left == 0)
		return good;
	cli_error(
		"%s: %lld actors lack messages, %lld have too many, and %lld messages were not handled",
		side->name, (long long) check->lost, (long long) check->doubled, (long long) check->left);
	bench_fail(run, CLI_WRONG);
	return false;
}
