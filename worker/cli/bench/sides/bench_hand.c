/*
 * The baseline hand-made: what is often written without actors. A table of jobs, one job
 * per transaction with FOR UPDATE SKIP LOCKED, and a state that is read and written by
 * the application. It promises less: the jobs of one key can be done in any order.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/steps.h"
#include "cli/common/report.h"

static bool
run_statement(bench_thread *thread, const char *sql)
{
	PGresult *result = PQexec(thread->connection, sql);
	bool good = PQresultStatus(result) == PGRES_COMMAND_OK;

	if (!good)
		thread->status = cli_query_failed(thread->connection, result);
	PQclear(result);
	return good;
}

static bool
run_prepared(bench_thread *thread, const char *name, const char *key, const char *value)
{
	const char *values[] = {key, value};
	PGresult *result = bench_execute(thread, name, 2, values);

	PQclear(result);
	return result != NULL;
}

/* ---- jobs ---- */

bench_step
bench_hand_send(bench_thread *thread)
{
	bench_message message;

	bench_choose(thread, &message);
	if (!run_prepared(thread, "send", message.key, message.text))
		return BENCH_FAILED;
	thread->messages = 1;
	/* Only the worker of a job knows that it is done: time can be up before all are. */
	return thread->run->workload->kind == BENCH_SEND ? bench_sent(thread, &message) : BENCH_GO_ON;
}

/* In a transaction: takes a job and does it. */
static bench_step
do_job(bench_thread *thread, char *key, char *number, size_t size)
{
	PGresult *job = bench_execute(thread, "claim", 0, NULL);
	bench_step step = BENCH_EMPTY;

	if (job == NULL)
		return BENCH_FAILED;
	if (PQntuples(job) > 0)
	{
		snprintf(key, BENCH_KEY_SIZE, "%s", PQgetvalue(job, 0, 0));
		snprintf(number, size, "%s", PQgetvalue(job, 0, 1));
		step = run_prepared(thread, "apply", key, number) ? BENCH_GO_ON : BENCH_FAILED;
	}
	PQclear(job);
	return step;
}

bench_step
bench_hand_drain(bench_thread *thread)
{
	char key[BENCH_KEY_SIZE];
	char number[32];
	bench_step step;

	if (!run_statement(thread, "BEGIN"))
		return BENCH_FAILED;
	step = do_job(thread, key, number, sizeof(number));
	if (step == BENCH_FAILED || !run_statement(thread, "COMMIT"))
		return BENCH_FAILED;
	if (step == BENCH_EMPTY)
		return BENCH_EMPTY;
	bench_expect(thread->run, strtol(key + 1, NULL, 10), strtoll(number, NULL, 10));
	thread->messages = 1;
	return BENCH_GO_ON;
}

/* Each job sends the next one of its chain, in its transaction. */
static bench_step
hop(bench_thread *thread)
{
	const long length = thread->run->options.actors;
	char key[BENCH_KEY_SIZE];
	char next[BENCH_KEY_SIZE];
	char number[32];
	bench_step step;
	long actor;

	if (!run_statement(thread, "BEGIN"))
		return BENCH_FAILED;
	step = do_job(thread, key, number, sizeof(number));
	actor = step == BENCH_GO_ON ? strtol(key + 1, NULL, 10) : 0;
	bench_key(next, actor + 1);
	if (step == BENCH_FAILED ||
		(step == BENCH_GO_ON && (actor + 1) % length != 0 &&
		 !run_prepared(thread, "send", next, "1")) ||
		!run_statement(thread, "COMMIT"))
		return BENCH_FAILED;
	if (step == BENCH_GO_ON)
		bench_expect(thread->run, actor, 1);
	return step;
}

/* All jobs are in one table, so clients do each other's, and can find all locked. */
bench_step
bench_hand_chain(bench_thread *thread)
{
	const long length = thread->run->options.actors;
	char key[BENCH_KEY_SIZE];
	bench_step step = BENCH_GO_ON;

	bench_key(key, thread->number * length);
	if (!run_prepared(thread, "send", key, "1"))
		return BENCH_FAILED;
	for (long done = 0; done < length && step != BENCH_FAILED && !atomic_load(&thread->pool->stop);)
	{
		step = hop(thread);
		done += step == BENCH_GO_ON;
	}
	thread->messages = length;
	return step == BENCH_FAILED ? BENCH_FAILED : BENCH_GO_ON;
}

/* ---- a call ---- */

/* A transaction of the application: read, compute, write. */
static bool
read_and_write(bench_thread *thread, const char *key, const char *number)
{
	const char *values[] = {key};
	PGresult *state = bench_execute(thread, "look", 1, values);

	PQclear(state);
	return state != NULL && run_prepared(thread, "apply", key, number);
}

bench_step
bench_hand_call(bench_thread *thread)
{
	bench_message message;

	bench_choose(thread, &message);
	if (!run_statement(thread, "BEGIN") || !read_and_write(thread, message.key, message.text) ||
		!run_statement(thread, "COMMIT"))
		return BENCH_FAILED;
	return bench_sent(thread, &message);
}
