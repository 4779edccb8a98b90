/*
 * What a client that has several operations in progress sends.
 *
 * A section is one statement and a sync, and a transaction. At any time at most one
 * dgen.send_many and one dgen.await_any are in progress, in this order:
 *
 *     await_any, sync  send_many, sync  (sync)...
 *
 * While nothing waits to be sent, await_any has no limit: the server ends
 * it when something more comes. If it cannot see that (it got both sections in one piece),
 * it notices the lone sync after them, the nudge. While something does wait,
 * await_any only checks, so that a client that always sends gets its replies, too.
 *
 * The question why a call has no reply in time can come after any of them, and no await_any
 * after it before its answer.
 */
#include <string.h>

#include "base/error.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "server/answers.h"
#include "server/array.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/send.h"
#include "server/sql.h"

/* Of one send_many. */
#define MOST_OPERATIONS 1000
#define MOST_BYTES ((size_t) 4 * 1024 * 1024)

#define FIRST_NUDGE_MS 2
#define LAST_NUDGE_MS 100

/* When memory is out for what the client itself needs. */
#define NO_MEMORY_MS 10

/* ---- sections ---- */

static int
no_memory(dgen_client *client)
{
	return dgen__fail(&client->error, DGEN_ENOMEM, "out of memory");
}

/* Room for what a section's answers take, and then the section. An error: nothing was sent, or the connection is lost. */
int
dgen__pipeline_expect(dgen_client *client, dgen__came answer, dgen__came sync)
{
	dgen__answers *answers = &client->async->answers;
	size_t count = answers->count;

	if (dgen__answers_add(answers, (unsigned char) answer) == 0 &&
		dgen__answers_add(answers, (unsigned char) sync) == 0)
		return 0;
	answers->count = count;
	return no_memory(client);
}

int
dgen__pipeline_section(dgen_client *client, const dgen__statement *statement,
					   const char *const *values, const int *lengths, const int *formats)
{
	if (dgen__statement_send(client->connection, statement, values, lengths, formats) == 0 &&
		PQpipelineSync(client->connection))
		return 0;
	return dgen__fail_connection(&client->error, client->connection);
}

/* ---- sending ---- */

static void
begin_arrays(dgen__array *arrays)
{
	static const dgen__array_type types[DGEN__MANY_PARAMETERS] = {
		[DGEN__MANY_TYPES] = DGEN__TEXT,
		[DGEN__MANY_KEYS] = DGEN__TEXT,
		[DGEN__MANY_MESSAGES] = DGEN__JSONB,
		[DGEN__MANY_REQUESTS] = DGEN__BOOL,
		[DGEN__MANY_DELAYS_MS] = DGEN__INT8,
		[DGEN__MANY_PRIORITIES] = DGEN__INT4,
		[DGEN__MANY_IDEMPOTENCY_KEYS] = DGEN__TEXT,
		[DGEN__MANY_HEADERS] = DGEN__JSONB,
	};

	for (int i = 0; i < DGEN__MANY_PARAMETERS; i++)
		dgen__array_begin(&arrays[i], types[i]);
}

static void
add_operation(dgen__array *arrays, const dgen__operation *operation)
{
	const dgen__send_arrays parts = {
		.types = &arrays[DGEN__MANY_TYPES],
		.keys = &arrays[DGEN__MANY_KEYS],
		.messages = &arrays[DGEN__MANY_MESSAGES],
		.requests = &arrays[DGEN__MANY_REQUESTS],
		.delays_ms = &arrays[DGEN__MANY_DELAYS_MS],
		.priorities = &arrays[DGEN__MANY_PRIORITIES],
		.idempotency_keys = &arrays[DGEN__MANY_IDEMPOTENCY_KEYS],
		.headers = &arrays[DGEN__MANY_HEADERS],
	};

	dgen__send_encode(&operation->send, operation->length, &parts);
}

static int
send_arrays(dgen_client *client)
{
	dgen__array *arrays = client->async->arrays;
	const char *values[DGEN__MANY_PARAMETERS] = {NULL};
	int lengths[DGEN__MANY_PARAMETERS] = {0};
	int formats[DGEN__MANY_PARAMETERS];

	for (int i = 0; i < DGEN__MANY_PARAMETERS; i++)
	{
		formats[i] = 1;
		dgen__array_end(&arrays[i]);
		if (arrays[i].data.failed)
			return no_memory(client);
		if (!arrays[i].any)
			continue;
		values[i] = arrays[i].data.data;
		lengths[i] = (int) arrays[i].data.length;
	}
	if (dgen__pipeline_expect(client, DGEN__CAME_SEND, DGEN__CAME_SEND_SYNC) != 0)
		return client->error.code;
	client->async->sending = true;
	return dgen__pipeline_section(client, &dgen__sql_send_many, values, lengths, formats);
}

static void
fill_arrays(dgen__async *async)
{
	size_t bytes = 0;
	size_t most = async->suspects > 0 ? async->most : MOST_OPERATIONS;

	begin_arrays(async->arrays);
	while (async->waiting.first != NULL && async->sent.count < most &&
		   (bytes == 0 || bytes + async->waiting.first->bytes <= MOST_BYTES))
	{
		dgen__operation *operation = async->waiting.first;

		bytes += operation->bytes;
		dgen__queue_remove(&async->waiting, operation);
		dgen__queue_add(&async->sent, operation);
		operation->place = DGEN__SENT;
		add_operation(async->arrays, operation);
	}
}

/* Out of memory is the end of what was to be sent; an error of the connection is returned. */
static int
send_waiting(dgen_client *client)
{
	dgen__error error = {0};

	fill_arrays(client->async);
	if (send_arrays(client) == 0)
		return 0;
	if (client->async->sending)
		return client->error.code;
	(void) dgen__fail_error(&error, &client->error);
	dgen__operations_end_sent(client, &error);
	dgen__error_free(&error);
	return 0;
}

/* ---- awaiting ---- */

static int
send_await(dgen_client *client, const char *timeout)
{
	dgen__async *async = client->async;
	dgen__array *ids = &async->arrays[0];
	const char *values[2] = {NULL, timeout};
	int lengths[2] = {0};
	const int formats[2] = {1, 0};

	dgen__array_begin(ids, DGEN__INT8);
	for (size_t i = 0; i < async->nopen; i++)
		dgen__array_int8(ids, async->open[i]->id);
	dgen__array_end(ids);
	values[0] = ids->data.data;
	lengths[0] = (int) ids->data.length;
	if (ids->data.failed ||
		dgen__pipeline_expect(client, DGEN__CAME_AWAIT, DGEN__CAME_AWAIT_SYNC) != 0)
	{
		async->await_at = dgen__now_ms() + NO_MEMORY_MS;
		return 0;
	}
	async->awaiting = true;
	async->nudge_at = DGEN__NEVER;
	async->nudge_ms = FIRST_NUDGE_MS;
	return dgen__pipeline_section(client, &dgen__sql_await_any, values, lengths, formats);
}

static int
nudge(dgen_client *client)
{
	dgen__async *async = client->async;
	int64_t now = dgen__now_ms();

	if (!async->awaiting || (!async->sending && !async->explaining))
		return 0;
	if (async->nudge_at != DGEN__NEVER && now < async->nudge_at)
		return 0;
	if (async->nudge_at != DGEN__NEVER)
	{
		if (dgen__answers_add(&async->answers, DGEN__CAME_SYNC) == 0 &&
			!PQpipelineSync(client->connection))
			return dgen__fail_connection(&client->error, client->connection);
		async->nudge_ms = async->nudge_ms < LAST_NUDGE_MS ? async->nudge_ms * 2 : LAST_NUDGE_MS;
	}
	async->nudge_at = now + async->nudge_ms;
	return 0;
}

int
dgen__pipeline_send(dgen_client *client)
{
	dgen__async *async = client->async;
	int code = 0;

	if (async->link != DGEN__LINK_RUNNING)
		return 0;
	dgen__operations_sweep(client);
	code = dgen__explain_send(client);
	if (code == 0 && !async->sending && !async->awaiting && !async->explaining &&
		async->nopen > 0 && dgen__now_ms() >= async->await_at)
		code = send_await(client, async->waiting.count > 0 ? "0" : NULL);
	if (code == 0 && !async->sending && async->waiting.count > 0)
		code = send_waiting(client);
	return code == 0 ? nudge(client) : code;
}
