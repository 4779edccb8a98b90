/*
 * The baseline raw: the rows that change with actors change without them, in the fewest
 * statements that do it.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/steps.h"

static bench_step
run_step(bench_thread *thread, const char *name, const char *key, const char *value)
{
	const char *values[] = {key, value};
	PGresult *result = bench_execute(thread, name, 2, values);

	PQclear(result);
	return result != NULL ? BENCH_GO_ON : BENCH_FAILED;
}

/* One message to, or one change of, an actor. */
static bench_step
one_message(bench_thread *thread, const char *name)
{
	bench_message message;

	bench_choose(thread, &message);
	if (run_step(thread, name, message.key, message.text) == BENCH_FAILED)
		return BENCH_FAILED;
	return bench_sent(thread, &message);
}

bench_step
bench_raw_send(bench_thread *thread)
{
	return one_message(thread, "send");
}

bench_step
bench_raw_call(bench_thread *thread)
{
	return one_message(thread, "call");
}

/* The nth of all ranges; hashes fall evenly into them. */
static void
range(char *least, char *most, size_t size, long n, long count)
{
	const uint64_t width = UINT64_MAX / (uint64_t) count;
	const uint64_t begin = (UINT64_C(1) << 63) + (uint64_t) n * width;
	const uint64_t end = n == count - 1 ? (UINT64_C(1) << 63) - 1 : begin + width - 1;

	snprintf(least, size, "%" PRId64, (int64_t) begin);
	snprintf(most, size, "%" PRId64, (int64_t) end);
}

/* What waits in the next range of mailboxes; in sustained the ranges are gone through again and again. */
bench_step
bench_raw_drain(bench_thread *thread)
{
	bench_run *run = thread->run;
	const bool again = run->workload->kind == BENCH_SUSTAINED;
	long n = again ? thread->number : atomic_fetch_add(&run->next_range, 1);
	char least[32];
	char most[32];
	const char *values[] = {least, most};
	PGresult *result;

	if (n >= run->ranges)
		return BENCH_EMPTY;
	range(least, most, sizeof(least), n, run->ranges);
	result = bench_execute(thread, run->warm ? "drain" : "drain_new", 2, values);
	if (result == NULL)
		return BENCH_FAILED;
	thread->messages = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return again && thread->messages == 0 ? BENCH_EMPTY : BENCH_GO_ON;
}

bench_step
bench_raw_chain(bench_thread *thread)
{
	const long length = thread->run->options.actors;
	const long first = thread->number * length;
	char key[BENCH_KEY_SIZE];
	char next[BENCH_KEY_SIZE];

	bench_key(key, first);
	if (run_step(thread, "send", key, "1") == BENCH_FAILED)
		return BENCH_FAILED;
	for (long i = 0; i < length; i++)
	{
		bench_key(key, first + i);
		bench_key(next, first + i + 1);
		if (run_step(thread, "hop", key, i < length - 1 ? next : NULL) == BENCH_FAILED)
			return BENCH_FAILED;
		bench_expect(thread->run, first + i, 1);
	}
	thread->messages = length;
	return BENCH_GO_ON;
}
