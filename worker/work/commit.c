/*
 * What the turns of a batch did, as the parameters of dgen.commit_turns: one array for
 * each, in binary form, or NULL when it says nothing; and how long they took.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "server/array.h"
#include "server/connection.h"
#include "server/send.h"
#include "server/sql.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"
#include "work/batch.h"
#include "work/worker.h"

/* Somewhat below what the server takes as one message of the protocol. */
#define MOST_BYTES ((size_t) 0x3ff00000)

static const dgen__array_type types[DGEN__COMMIT_ARRAYS] = {
	[DGEN__COMMIT_HANDLED] = DGEN__INT4,
	[DGEN__COMMIT_SET_ENTRIES] = DGEN__JSONB,
	[DGEN__COMMIT_DELETE_ENTRIES] = DGEN__JSONB,
	[DGEN__COMMIT_DESTROYED] = DGEN__BOOL,
	[DGEN__COMMIT_ERRORS] = DGEN__TEXT,
	[DGEN__COMMIT_SQLSTATES] = DGEN__TEXT,
	[DGEN__COMMIT_HINTS] = DGEN__TEXT,
	[DGEN__COMMIT_OUTCOMES] = DGEN__TEXT,
	[DGEN__COMMIT_DELAYS] = DGEN__INTERVAL,
	[DGEN__COMMIT_REPLY_REQUESTS] = DGEN__INT8,
	[DGEN__COMMIT_REPLIES] = DGEN__JSONB,
	[DGEN__COMMIT_SEND_TYPES] = DGEN__TEXT,
	[DGEN__COMMIT_SEND_KEYS] = DGEN__TEXT,
	[DGEN__COMMIT_SEND_MESSAGES] = DGEN__JSONB,
	[DGEN__COMMIT_SEND_ACTORS] = DGEN__INT4,
	[DGEN__COMMIT_SEND_REQUESTS] = DGEN__BOOL,
	[DGEN__COMMIT_SEND_CORRELATIONS] = DGEN__TEXT,
	[DGEN__COMMIT_SEND_DELAYS_MS] = DGEN__INT8,
	[DGEN__COMMIT_SEND_PRIORITIES] = DGEN__INT4,
	[DGEN__COMMIT_SEND_IDEMPOTENCY_KEYS] = DGEN__TEXT,
	[DGEN__COMMIT_SEND_HEADERS] = DGEN__JSONB,
	[DGEN__COMMIT_REPLY_ERRORS] = DGEN__TEXT,
	[DGEN__COMMIT_REPLY_SQLSTATES] = DGEN__TEXT,
	[DGEN__COMMIT_SEND_ACTIONS] = DGEN__BOOL,
	[DGEN__COMMIT_LOCKS] = DGEN__BOOL,
};

static void
add_diff(dgen__array *array, const dgen__buffer *diff)
{
	if (diff->length == 0)
		dgen__array_null(array);
	else
		dgen__array_text(array, diff->data, diff->length);
}

static void
add_state(dgen__batch *batch, dgen__actor *actor)
{
	dgen__buffer_clear(&batch->set);
	dgen__buffer_clear(&batch->deleted);
	if (actor->handled > 0 && !actor->destroyed &&
		dgen__state_diff(actor->state, &batch->set, &batch->deleted))
		actor->changed = true;
	add_diff(&batch->arrays[DGEN__COMMIT_SET_ENTRIES], &batch->set);
	add_diff(&batch->arrays[DGEN__COMMIT_DELETE_ENTRIES], &batch->deleted);
	if (actor->destroyed)
		dgen__array_bool(&batch->arrays[DGEN__COMMIT_DESTROYED], true);
	else
		dgen__array_null(&batch->arrays[DGEN__COMMIT_DESTROYED]);
}

static const char *
outcome_name(dgen__outcome outcome)
{
	switch (outcome)
	{
		case DGEN__FAIL:
			return "fail";
		case DGEN__RETRY:
			return "retry";
		default:
			return "error";
	}
}

static const char *
or_null(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : text;
}

static void
add_failure(dgen__array *arrays, const dgen__actor *actor)
{
	const dgen__error *error = &actor->error;
	bool has_delay = actor->failed && actor->outcome == DGEN__RETRY && actor->delay_ms >= 0;

	dgen__array_error_or_null(&arrays[DGEN__COMMIT_ERRORS],
							  actor->failed ? or_null(dgen__error_text(error)) : NULL);
	dgen__array_text_or_null(&arrays[DGEN__COMMIT_SQLSTATES],
							 actor->failed ? or_null(error->sqlstate) : NULL);
	dgen__array_error_or_null(&arrays[DGEN__COMMIT_HINTS],
							  actor->failed ? or_null(error->hint) : NULL);
	dgen__array_text_or_null(&arrays[DGEN__COMMIT_OUTCOMES],
							 actor->failed ? outcome_name(actor->outcome) : NULL);
	if (has_delay)
		dgen__array_interval(&arrays[DGEN__COMMIT_DELAYS], actor->delay_ms);
	else
		dgen__array_null(&arrays[DGEN__COMMIT_DELAYS]);
}

static void
add_lock(dgen__array *array, const dgen__actor *actor)
{
	if (actor->locks)
		dgen__array_bool(array, true);
	else
		dgen__array_null(array);
}

static void
add_reply(dgen__array *arrays, const dgen__reply *reply)
{
	dgen__array_int8(&arrays[DGEN__COMMIT_REPLY_REQUESTS], reply->request);
	dgen__array_text_or_null(&arrays[DGEN__COMMIT_REPLIES], reply->reply);
	dgen__array_error_or_null(&arrays[DGEN__COMMIT_REPLY_ERRORS], reply->error);
	dgen__array_text_or_null(&arrays[DGEN__COMMIT_REPLY_SQLSTATES], or_null(reply->sqlstate));
}

static void
add_send(dgen__array *arrays, const dgen__send *send)
{
	const dgen__send_arrays parts = {
		.types = &arrays[DGEN__COMMIT_SEND_TYPES],
		.keys = &arrays[DGEN__COMMIT_SEND_KEYS],
		.messages = &arrays[DGEN__COMMIT_SEND_MESSAGES],
		.requests = &arrays[DGEN__COMMIT_SEND_REQUESTS],
		.delays_ms = &arrays[DGEN__COMMIT_SEND_DELAYS_MS],
		.priorities = &arrays[DGEN__COMMIT_SEND_PRIORITIES],
		.idempotency_keys = &arrays[DGEN__COMMIT_SEND_IDEMPOTENCY_KEYS],
		.headers = &arrays[DGEN__COMMIT_SEND_HEADERS],
	};

	dgen__send_encode(send, strlen(send->message), &parts);
	dgen__array_int4(&arrays[DGEN__COMMIT_SEND_ACTORS], send->actor);
	dgen__array_text_or_null(&arrays[DGEN__COMMIT_SEND_CORRELATIONS], send->correlation);
	if (send->action)
		dgen__array_bool(&arrays[DGEN__COMMIT_SEND_ACTIONS], true);
	else
		dgen__array_null(&arrays[DGEN__COMMIT_SEND_ACTIONS]);
}

static void
encode(dgen__batch *batch)
{
	for (int i = 0; i < DGEN__COMMIT_ARRAYS; i++)
		dgen__array_begin(&batch->arrays[i], types[i]);
	for (int i = 0; i < batch->nactors; i++)
	{
		dgen__array_int4(&batch->arrays[DGEN__COMMIT_HANDLED], batch->actors[i].handled);
		add_state(batch, &batch->actors[i]);
		add_failure(batch->arrays, &batch->actors[i]);
		add_lock(&batch->arrays[DGEN__COMMIT_LOCKS], &batch->actors[i]);
	}
	for (size_t i = 0; i < batch->outbox.nreplies; i++)
		add_reply(batch->arrays, &batch->outbox.replies[i]);
	for (size_t i = 0; i < batch->outbox.nsends; i++)
		add_send(batch->arrays, &batch->outbox.sends[i]);
}

int
dgen__commit_send(dgen_worker *worker)
{
	dgen__batch *batch = &worker->batch;
	const char *values[DGEN__COMMIT_PARAMETERS] = {NULL};
	int lengths[DGEN__COMMIT_PARAMETERS] = {0};
	int formats[DGEN__COMMIT_PARAMETERS];
	char run_us[24];
	bool failed = false;
	size_t bytes = 0;

	encode(batch);
	for (int i = 0; i < DGEN__COMMIT_ARRAYS; i++)
	{
		dgen__array *array = &batch->arrays[i];

		formats[i] = 1;
		dgen__array_end(array);
		failed = failed || array->data.failed;
		bytes += array->data.length;
		if (!array->any)
			continue;
		values[i] = array->data.data;
		lengths[i] = (int) array->data.length;
	}
	snprintf(run_us, sizeof(run_us), "%lld", (long long) batch->run_us);
	values[DGEN__COMMIT_RUN_US] = run_us;
	formats[DGEN__COMMIT_RUN_US] = 0;
	if (failed || batch->set.failed || batch->deleted.failed)
		return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	if (bytes > MOST_BYTES)
		return dgen__fail(&worker->error, DGEN_EBUSY,
						  "the results of the turns take %zu MB, more than a statement can carry",
						  bytes >> 20);
	if (dgen__statement_send(worker->connection, &dgen__sql_commit_turns, values, lengths,
							 formats) != 0)
		return dgen__fail_connection(&worker->error, worker->connection);
	return 0;
}
