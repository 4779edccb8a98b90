/*
 * The work done by actors: callbacks of workers in C, and the steps of clients. The
 * handlers in the database are in bench_sql.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/steps.h"
#include "cli/bench/sides/workers.h"
#include "cli/common/report.h"
#include "turn/in_turn.h"

#define CALL_MS 30000

/* ---- callbacks ---- */

/* The message is a number, or [number, when it was sent]. */
int
bench_count_message(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const bool timed = message[0] == '[';
	int64_t number = dgen_turn_arg_int64(turn, timed ? "/0" : "", 0);
	int64_t sent_at = timed ? dgen_turn_arg_int64(turn, "/1", 0) : 0;
	int64_t sum = dgen_turn_get_int64(turn, "sum", 0) + number;

	(void) length;
	dgen_turn_set_int64(turn, "sum", sum);
	if (strcmp(dgen_turn_kind(turn), "call") == 0)
		dgen_turn_reply_int64(turn, sum);
	return bench_job_turn(user, turn, sent_at);
}

static int
send_on(dgen_turn *turn, int64_t left, int64_t request)
{
	char key[BENCH_KEY_SIZE];
	char message[64];

	bench_key(key, strtol(dgen_turn_actor_key(turn) + 1, NULL, 10) + 1);
	snprintf(message, sizeof(message), "[%" PRId64 ",%" PRId64 "]", left, request);
	return dgen_turn_cast(turn, BENCH_TYPE, key, message, DGEN_STRLEN, NULL);
}

/* The message is [actors that it has still to see, the request that the last one answers]. */
int
bench_pass_on(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t left = dgen_turn_arg_int64(turn, "/0", 1);
	int64_t own = dgen_turn_message_id(turn);
	int64_t request = dgen_turn_arg_int64(turn, "/1", own);

	(void) message;
	(void) length;
	dgen_turn_set_int64(turn, "sum", dgen_turn_get_int64(turn, "sum", 0) + 1);
	if (left > 1)
		send_on(turn, left - 1, request);
	else if (request == own)
		dgen_turn_reply(turn, NULL, 0);
	else
		dgen_turn_send_reply(turn, request, "null", 4);
	return bench_job_turn(user, turn, 0);
}

/* ---- steps ---- */

static bench_step
ended(bench_thread *thread, int code)
{
	if (code == 0)
		return BENCH_GO_ON;
	thread->status = cli_client_failed(thread->client, code);
	return BENCH_FAILED;
}

bench_step
bench_actors_send(bench_thread *thread)
{
	bench_message message;
	char timed[64];
	const char *text = message.text;
	int code;

	bench_choose(thread, &message);
	if (thread->run->workload->kind == BENCH_SUSTAINED)
	{
		snprintf(timed, sizeof(timed), "[%s,%" PRId64 "]", message.text, thread->begun);
		text = timed;
	}
	code = dgen_client_cast(thread->client, BENCH_TYPE, message.key, text, DGEN_STRLEN, NULL, NULL);
	return code == 0 ? bench_sent(thread, &message) : ended(thread, code);
}

bench_step
bench_actors_call(bench_thread *thread)
{
	bench_message message;
	int code;

	bench_choose(thread, &message);
	code = dgen_client_call(thread->client, BENCH_TYPE, message.key, message.text, DGEN_STRLEN,
							CALL_MS, NULL, NULL);
	return code == 0 ? bench_sent(thread, &message) : ended(thread, code);
}

bench_step
bench_actors_inline(bench_thread *thread)
{
	bench_message message;
	const char *values[] = {message.key, message.text};
	PGresult *result;

	bench_choose(thread, &message);
	result = bench_execute(thread, "inline", 2, values);
	PQclear(result);
	return result != NULL ? bench_sent(thread, &message) : BENCH_FAILED;
}

/* Each client has a chain of its own. */
bench_step
bench_actors_chain(bench_thread *thread)
{
	const long length = thread->run->options.actors;
	const long first = thread->number * length;
	char key[BENCH_KEY_SIZE];
	char message[32];
	int code;

	bench_key(key, first);
	snprintf(message, sizeof(message), "[%ld]", length);
	code = dgen_client_call(thread->client, BENCH_TYPE, key, message, DGEN_STRLEN, CALL_MS, NULL,
							NULL);
	if (code != 0)
		return ended(thread, code);
	for (long i = 0; i < length; i++)
		bench_expect(thread->run, first + i, 1);
	thread->messages = length;
	return BENCH_GO_ON;
}
