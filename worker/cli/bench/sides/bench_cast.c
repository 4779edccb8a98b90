/*
 * Casts that are started and acknowledged by callback, as many in progress as a client
 * allows; and the baselines: as many rows in one statement.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/wait.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/steps.h"
#include "cli/common/report.h"
#include "client/client.h"

#define STARTS 500 /* before the client is stepped */
#define WAIT_MS 50 /* at most, for the thread to be stopped */
#define ROWS 1000  /* of a baseline's statement; libdgen's are as many at most */

/* ---- actors ---- */

typedef struct Flight
{
	bench_thread *thread;
	int64_t begun;
	long actor;
	int64_t number;
} Flight;

static void
fail(bench_thread *thread, int code)
{
	if (thread->status == CLI_OK)
		thread->status = cli_client_failed(thread->client, code);
}

static void
landed(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	Flight *flight = user;
	bench_thread *thread = flight->thread;

	(void) client;
	(void) reply;
	(void) length;
	if (code != 0)
		fail(thread, code);
	else
	{
		bench_expect(thread->run, flight->actor, flight->number);
		bench_count(thread, 1, bench_now() - flight->begun);
	}
	free(flight);
}

static int
start_one(bench_thread *thread)
{
	bench_message message;
	Flight *flight = malloc(sizeof(*flight));
	int code;

	if (flight == NULL)
		return DGEN_ENOMEM;
	bench_choose(thread, &message);
	*flight = (Flight){thread, bench_now(), message.actor, message.number};
	code = dgen_client_start_cast(thread->client, BENCH_TYPE, message.key, message.text,
								  DGEN_STRLEN, NULL, landed, flight);
	if (code != 0)
		free(flight);
	return code;
}

static bench_step
step(bench_thread *thread)
{
	int code = dgen_client_step(thread->client);

	if (code < 0)
		fail(thread, code);
	return thread->status == CLI_OK ? BENCH_GO_ON : BENCH_FAILED;
}

static void
wait_for_answers(bench_thread *thread)
{
	struct pollfd answers = {.fd = dgen_client_fd(thread->client), .events = POLLIN};

	(void) poll(&answers, 1, WAIT_MS);
}

/* Counts what is acknowledged itself. */
bench_step
bench_actors_cast(bench_thread *thread)
{
	int code = 0;

	for (int i = 0; i < STARTS && code == 0; i++)
		code = start_one(thread);
	if (code != 0 && code != DGEN_EBUSY)
		fail(thread, code);
	else if (code == DGEN_EBUSY)
		wait_for_answers(thread);
	return step(thread);
}

/* What is in progress is acknowledged, for the check to know it. */
void
bench_finish_casts(bench_thread *thread)
{
	int code = dgen_client_finish(thread->client, -1);

	if (code < 0)
		fail(thread, code);
}

/* ---- baselines ---- */

/* Keys that need no quotes in an array, and numbers. */
bench_step
bench_send_rows(bench_thread *thread)
{
	static const size_t size = ROWS * (BENCH_KEY_SIZE + 1) + 3;
	char *keys = malloc(2 * size);
	const char *values[] = {keys, keys + size};
	bench_message messages[ROWS];
	size_t at[2] = {0, 0};
	PGresult *result;

	if (keys == NULL)
	{
		thread->status = cli_no_memory();
		return BENCH_FAILED;
	}
	for (int i = 0; i < ROWS; i++)
	{
		const char separator = i == 0 ? '{' : ',';

		bench_choose(thread, &messages[i]);
		at[0] += (size_t) sprintf(keys + at[0], "%c%s", separator, messages[i].key);
		at[1] += (size_t) sprintf(keys + size + at[1], "%c%s", separator, messages[i].text);
	}
	strcpy(keys + at[0], "}");
	strcpy(keys + size + at[1], "}");
	result = bench_execute(thread, "send_rows", 2, values);
	free(keys);
	if (result == NULL)
		return BENCH_FAILED;
	PQclear(result);
	for (int i = 0; i < ROWS; i++)
		(void) bench_sent(thread, &messages[i]);
	thread->messages = ROWS;
	return BENCH_GO_ON;
}
