/*
 * Several operations in progress on one connection, as the application sees them: starting,
 * stepping, and the callback that each of them gets once. pipeline.c talks to the server.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/memory.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "json/check.h"
#include "server/array.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/send.h"
#include "server/sql.h"

#define CALL_TIMEOUT_MS 5000
#define UNDER_WAY_BYTES ((size_t) 64 * 1024 * 1024)

/* What an operation takes besides its texts, in memory and in the array statement. */
#define OPERATION_BYTES (sizeof(dgen__operation) + 128)

/* ---- when it is first used ---- */

static int
open_async(dgen_client *client)
{
	dgen__async *async = dgen__calloc(1, sizeof(dgen__async));

	if (async == NULL)
		return dgen__fail(&client->error, DGEN_ENOMEM, "out of memory");
	if (dgen__loop_open(&async->loop) != 0)
	{
		dgen__free(async);
		return dgen__fail(&client->error, DGEN_ESTATE, "no descriptors: %s", strerror(errno));
	}
	async->deadline = async->nudge_at = DGEN__NEVER;
	async->random = dgen__random_begin(async);
	client->async = async;
	return 0;
}

static int
check_usable(dgen_client *client)
{
	if (client == NULL)
		return DGEN_EINVAL;
	if (dgen__is_child(client->process))
		return dgen__refuse_child(&client->error, "client");
	if (client->wrapped)
		return dgen__fail_hint(&client->error, DGEN_ESTATE,
							   "Open a client of its own with dgen_client_open.",
							   "a wrapped connection cannot have several operations in progress");
	if (client->conninfo == NULL || client->application_name == NULL)
		return dgen__fail(&client->error, DGEN_ESTATE, "client could not be opened");
	return client->async == NULL ? open_async(client) : 0;
}

/* ---- starting ---- */

static size_t
size_of(const char *text)
{
	return text == NULL ? 0 : strlen(text);
}

static int
check_room(dgen_client *client, size_t bytes)
{
	const dgen__async *async = client->async;
	size_t limit = client->under_way_bytes > 0 ? client->under_way_bytes : UNDER_WAY_BYTES;

	if (async->bytes == 0 || (async->bytes < limit && bytes <= limit - async->bytes))
		return 0;
	return dgen__fail_hint(
		&client->error, DGEN_EBUSY,
		"Call dgen_client_step or dgen_client_finish, and start it again; or set "
		"under_way_bytes in dgen_client_options.",
		"%zu operations in progress take %zu of %zu bytes", async->under_way, async->bytes, limit);
}

/* Room for whatever becomes of a call, so that only its start can run out of memory. */
static int
reserve(dgen__async *async)
{
	if (dgen__timeouts_reserve(&async->timeouts, async->calls + 1) != 0)
		return DGEN_ENOMEM;
	if (async->calls + 1 > async->open_size)
	{
		void *grown =
			dgen__grow(async->open, &async->open_size, async->calls + 1, sizeof(dgen__operation *));

		if (grown == NULL)
			return DGEN_ENOMEM;
		async->open = grown;
	}
	return 0;
}

static dgen__operation *
make_operation(dgen__async *async, const dgen__send *send, size_t length)
{
	dgen__operation *operation;

	if (send->request && reserve(async) != 0)
		return NULL;
	operation = dgen__calloc(1, sizeof(dgen__operation));
	if (operation == NULL)
		return NULL;
	operation->send = *send;
	operation->length = length;
	if (dgen__send_copy(&operation->send, length) == 0)
		return operation;
	dgen__free(operation);
	return NULL;
}

static int
start(dgen_client *client, const dgen__send *send, size_t length, int64_t deadline,
	  dgen_client_callback callback, void *user)
{
	dgen__async *async = client->async;
	size_t bytes = OPERATION_BYTES + size_of(send->type) + size_of(send->key) + length +
				   size_of(send->idempotency_key) + size_of(send->headers);
	int code = check_room(client, bytes);
	dgen__operation *operation;

	if (code != 0)
		return code;
	operation = make_operation(async, send, length);
	if (operation == NULL)
		return dgen__fail(&client->error, DGEN_ENOMEM, "out of memory");
	operation->bytes = bytes;
	operation->deadline = deadline;
	operation->callback = callback;
	operation->user = user;
	async->bytes += bytes;
	async->under_way++;
	async->calls += send->request;
	dgen__timeouts_add(&async->timeouts, operation);
	dgen__queue_add(&async->waiting, operation);
	if (async->waiting.count == 1)
		dgen__loop_alarm(&async->loop, dgen__now_ms());
	return 0;
}

/* What both have in common; *length gets the message's. */
static int
check_start(dgen_client *client, dgen__send *send, size_t *length, const dgen_send_options *options)
{
	dgen_send_options copy;
	int code = check_usable(client);

	if (code == 0 && client->async->refusing)
		code = dgen__fail(&client->error, DGEN_ESTATE, "the client is being closed");
	if (code == 0)
		code = dgen__check_actor(&client->error, send->type, send->key);
	if (send->message == NULL)
	{
		send->message = "null";
		*length = DGEN_STRLEN;
	}
	if (code == 0)
		code = dgen__check_json(&client->error, "message", send->message, length);
	if (code == 0)
		code = dgen__check_send_options(&client->error, options, &copy);
	if (code != 0)
		return code;
	send->delay_ms = copy.delay_ms;
	send->priority = copy.priority;
	send->idempotency_key = copy.idempotency_key;
	send->headers = copy.headers;
	return 0;
}

int
dgen_client_start_cast(dgen_client *client, const char *type, const char *key, const char *message,
					   size_t length, const dgen_send_options *options,
					   dgen_client_callback callback, void *user)
{
	dgen__send send = {.type = type, .key = key, .message = message};
	int code = check_start(client, &send, &length, options);

	return code == 0 ? start(client, &send, length, DGEN__NEVER, callback, user) : code;
}

int
dgen_client_start_call(dgen_client *client, const char *type, const char *key, const char *message,
					   size_t length, const dgen_send_options *options, int timeout_ms,
					   dgen_client_callback callback, void *user)
{
	dgen__send send = {.type = type, .key = key, .message = message, .request = true};
	int64_t deadline = DGEN__NEVER;
	int code = check_start(client, &send, &length, options);

	if (code == 0 && callback == NULL)
		code = dgen__fail(&client->error, DGEN_EINVAL, "callback must not be NULL");
	if (code == 0 && timeout_ms < -1)
		code = dgen__fail(&client->error, DGEN_EINVAL, "timeout_ms must be at least -1, not %d",
						  timeout_ms);
	if (code != 0)
		return code;
	if (timeout_ms >= 0)
		deadline = dgen__now_ms() + (timeout_ms == 0 ? CALL_TIMEOUT_MS : timeout_ms);
	return start(client, &send, length, deadline, callback, user);
}

/* ---- stepping ---- */

static int
check_outside(dgen_client *client)
{
	if (client->async->running)
		return dgen__fail(&client->error, DGEN_ESTATE,
						  "a callback cannot wait for the server, nor step");
	return 0;
}

/* A step that runs callbacks. */
typedef struct Entry
{
	dgen__async *async;
	bool returned; /* false: an exception has left a callback */
} Entry;

/* Also called while an exception passes. */
static void
leave(Entry *entry)
{
	entry->async->running = false;
	entry->async->left = !entry->returned;
}

static void
enter(dgen_client *client)
{
	Entry entry __attribute__((cleanup(leave))) = {.async = client->async};

	client->async->running = true;
	dgen__pipeline_step(client);
	entry.returned = true;
}

/* Returns 1 unless a callback has closed the client. */
static int
step(dgen_client *client)
{
	dgen__async *async = client->async;

	dgen__error_clear(&client->error);
	enter(client);
	if (async->closing)
	{
		dgen_client_close(client);
		return DGEN_ESTATE;
	}
	if (dgen__is_child(client->process)) /* a callback has forked, and the child came back */
		return dgen__refuse_child(&client->error, "client");
	dgen__loop_alarm(&async->loop, dgen__pipeline_deadline(async));
	return 1;
}

static int
report(dgen_client *client)
{
	dgen__async *async = client->async;
	int code = async->failure.code;

	if (code == 0)
		return async->under_way > 0;
	(void) dgen__fail_error(&client->error, &async->failure);
	dgen__error_clear(&async->failure);
	return code;
}

int
dgen_client_step(dgen_client *client)
{
	int code = check_usable(client);

	if (code == 0)
		code = check_outside(client);
	if (code != 0)
		return code;
	code = step(client);
	return code == 1 ? report(client) : code;
}

int
dgen_client_timeout(dgen_client *client)
{
	int64_t deadline;
	int64_t ms;

	if (client == NULL || client->async == NULL)
		return -1;
	deadline = dgen__pipeline_deadline(client->async);
	if (deadline == DGEN__NEVER)
		return -1;
	ms = deadline - dgen__now_ms();
	return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int) ms;
}

int
dgen_client_fd(dgen_client *client)
{
	int code = check_usable(client);

	return code == 0 ? client->async->loop.epoll : code;
}

size_t
dgen_client_under_way(const dgen_client *client)
{
	return client == NULL || client->async == NULL ? 0 : client->async->under_way;
}

/* False when the time is over. */
static bool
sleep_until(dgen_client *client, int64_t deadline)
{
	struct pollfd descriptor = {.fd = client->async->loop.epoll, .events = POLLIN};
	int64_t left = deadline == DGEN__NEVER ? -1 : deadline - dgen__now_ms();

	if (deadline != DGEN__NEVER && left <= 0)
		return false;
	(void) poll(&descriptor, 1, left > INT32_MAX ? INT32_MAX : (int) left);
	return true;
}

int
dgen_client_finish(dgen_client *client, int timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? DGEN__NEVER : dgen__now_ms() + timeout_ms;
	int code = check_usable(client);

	if (code == 0)
		code = check_outside(client);
	if (code == 0 && timeout_ms < -1)
		code = dgen__fail(&client->error, DGEN_EINVAL, "timeout_ms must be at least -1, not %d",
						  timeout_ms);
	if (code != 0)
		return code;
	while ((code = step(client)) == 1 && client->async->under_way > 0)
		if (!sleep_until(client, deadline))
			return dgen__fail_hint(
				&client->error, DGEN_ETIMEOUT,
				"They continue: call dgen_client_finish or dgen_client_step again.",
				"%zu operations are still in progress", client->async->under_way);
	return code == 1 ? report(client) : code;
}

/* ---- other functions of the client ---- */

int
dgen__async_refuse(dgen_client *client)
{
	dgen__async *async = client->async;

	if (async == NULL)
		return 0;
	if (check_outside(client) != 0)
		return client->error.code;
	if (async->under_way > 0)
		return dgen__fail_hint(&client->error, DGEN_EBUSY, "Call dgen_client_finish first.",
							   "%zu operations are in progress", async->under_way);
	dgen__pipeline_leave(client);
	return 0;
}

static void
forget(dgen_client *client, dgen__operation *sent)
{
	dgen__queue_remove(&client->async->sent, sent);
	dgen__operation_free(client, sent);
}

static void
end_at_close(dgen_client *client, dgen__operation *operation, const char *text)
{
	(void) dgen__fail(&client->error, DGEN_ECONNECT, "the client was closed; %s", text);
	dgen__operation_end(client, operation, NULL, 0);
}

static void
doubt_at_close(dgen_client *client, dgen__operation *operation)
{
	const dgen__error why = {.text = "the client was closed", .code = DGEN_ECONNECT};

	(void) dgen__fail_doubtful(&client->error, DGEN__DOUBT_SENT, &why);
	dgen__operation_end(client, operation, NULL, 0);
}

static void
end_waiting_at_close(dgen_client *client, dgen__operation *operation)
{
	if (operation->doubts > 0)
		doubt_at_close(client, operation);
	else
		end_at_close(client, operation, "the message was not sent");
}

/* They are the parent's, which still waits. */
static void
forget_callbacks(dgen__async *async)
{
	for (dgen__operation *o = async->waiting.first; o != NULL; o = o->next)
		o->callback = NULL;
	for (dgen__operation *o = async->sent.first; o != NULL; o = o->next)
		o->callback = NULL;
	for (size_t i = 0; i < async->nopen; i++)
		async->open[i]->callback = NULL;
}

/* In a callback: when the step that runs it is left. In a child no callback runs any more. */
void
dgen__async_close_later(dgen_client *client)
{
	client->async->closing = true;
	if (!dgen__is_child(client->process))
		return;
	forget_callbacks(client->async);
	dgen__leave_session(client->connection, client->process);
}

void
dgen__async_close(dgen_client *client)
{
	dgen__async *async = client->async;

	if (async == NULL)
		return;
	async->running = async->refusing = true;
	if (dgen__is_child(client->process))
		forget_callbacks(async);
	while (async->waiting.first != NULL)
		end_waiting_at_close(client, async->waiting.first);
	for (dgen__operation *sent = async->sent.first; sent != NULL; sent = sent->next)
		if (!sent->over)
			doubt_at_close(client, sent);
	if (async->explained != NULL)
		dgen__operation_time_out(client, async->explained);
	for (size_t i = 0; i < async->nopen; i++)
		if (!async->open[i]->over)
			end_at_close(client, async->open[i], "the request is still open");
	dgen__pipeline_disconnect(client);
	while (async->sent.first != NULL)
		forget(client, async->sent.first);
	for (int i = 0; i < DGEN__MANY_PARAMETERS; i++)
		dgen__array_free(&async->arrays[i]);
	for (size_t i = 0; i < async->nopen; i++)
		dgen__operation_free(client, async->open[i]);
	dgen__free(async->open);
	dgen__free(async->timeouts.heap);
	dgen__free(async->answers.list);
	dgen__error_free(&async->error);
	dgen__error_free(&async->failure);
	dgen__loop_close(&async->loop);
	dgen__free(async);
	client->async = NULL;
}
