/*
 * The conversation of a client that has several operations in progress, in pipeline mode:
 * when it connects, steps and rests. pipeline_send.c says what is sent, pipeline_answer.c
 * what the answers mean; pipeline_explain.c is about calls that time out.
 */
#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "server/answers.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/sql.h"

/* Between two nudges of a connection that is needed for something else. */
#define LAST_NUDGE_MS 100

/* ---- the connection ---- */

void
dgen__pipeline_disconnect(dgen_client *client)
{
	dgen__async *async = client->async;

	dgen__loop_forget(&async->loop);
	dgen__disconnect(client->connection, client->process);
	client->connection = NULL;
	PQclear(async->rows);
	PQclear(async->reason);
	async->rows = async->reason = NULL;
	async->answers.first = async->answers.count = 0;
	async->sending = async->awaiting = async->explaining = false;
	async->nudge_at = DGEN__NEVER;
	dgen__error_clear(&async->error);
	async->link = DGEN__LINK_IDLE;
	async->deadline = DGEN__NEVER;
}

static void
connection_lost(dgen_client *client)
{
	dgen__async *async = client->async;
	dgen__error why = {0};

	(void) dgen__fail_error(&why, &client->error);
	dgen__pipeline_disconnect(client);
	dgen__operations_lost(client, &why);
	if (dgen__is_final(&why))
		dgen__pipeline_end_all(client, &why);
	else if (async->under_way > 0)
	{
		async->link = DGEN__LINK_RESTING;
		async->deadline = dgen__now_ms() + dgen__pipeline_backoff_ms(async);
	}
	dgen__error_free(&why);
}

static int
enter_pipeline(dgen_client *client)
{
	if (PQsetnonblocking(client->connection, 1) != 0 ||
		PQenterPipelineMode(client->connection) != 1)
		return dgen__fail_connection(&client->error, client->connection);
	client->async->link = DGEN__LINK_RUNNING;
	client->async->deadline = DGEN__NEVER;
	return 0;
}

static int
connect_timeout_ms(const dgen_client *client)
{
	return client->connect_timeout_ms > 0 ? client->connect_timeout_ms
										  : dgen__connect_timeout_ms(client->conninfo);
}

static int
check_version(dgen_client *client)
{
	PQsetErrorVerbosity(client->connection, PQERRORS_DEFAULT);
	dgen__ignore_notices(client->connection);
	dgen__loop_forget(&client->async->loop);
	if (enter_pipeline(client) != 0 ||
		dgen__pipeline_expect(client, DGEN__CAME_VERSION, DGEN__CAME_SYNC) != 0)
		return client->error.code;
	client->async->link = DGEN__LINK_CHECKING;
	client->async->deadline = dgen__now_ms() + connect_timeout_ms(client);
	return dgen__pipeline_section(client, &dgen__sql_version, NULL, NULL, NULL);
}

static int
continue_connecting(dgen_client *client)
{
	dgen__async *async = client->async;
	int result = dgen__connect_continue(client->connection, &async->loop, async->deadline,
										connect_timeout_ms(client), &client->error);

	return result == 0 ? check_version(client) : result < 0 ? result : 0;
}

static int
begin_connecting(dgen_client *client)
{
	dgen__async *async = client->async;

	client->connection =
		dgen__connect_start(client->conninfo, client->application_name, async->attempts);
	if (client->connection == NULL || PQstatus(client->connection) == CONNECTION_BAD)
		return dgen__fail_connection(&client->error, client->connection);
	async->link = DGEN__LINK_CONNECTING;
	async->deadline = dgen__now_ms() + connect_timeout_ms(client);
	return continue_connecting(client);
}

/* The connection that functions of one round trip have used, if it is still good. */
static int
begin_running(dgen_client *client)
{
	if (client->connection != NULL && dgen__client_is_alive(client->connection))
		return enter_pipeline(client);
	dgen__disconnect(client->connection, client->process);
	client->connection = NULL;
	return begin_connecting(client);
}

/* ---- stepping ---- */

static int
converse(dgen_client *client)
{
	dgen__async *async = client->async;
	PGconn *connection = client->connection;
	bool alive;
	int unsent;
	int code;

	(void) dgen__read_input(connection);
	alive = dgen__client_is_alive(connection);
	code = dgen__pipeline_take(client); /* also what came before an error */
	if (code == 0 && !alive)
		code = dgen__pipeline_lost(client);
	if (code == 0 && async->link == DGEN__LINK_CHECKING && dgen__now_ms() >= async->deadline)
		code = dgen__fail(&client->error, DGEN_ECONNECT, "no answer from the server in time");
	if (code != 0)
		return code;
	dgen__operations_expire(client);
	if (dgen__is_child(client->process)) /* a callback has forked, and the child came back */
		return dgen__refuse_child(&client->error, "client");
	code = dgen__pipeline_send(client);
	if (code != 0)
		return code;
	unsent = PQflush(connection);
	if (unsent < 0)
		return dgen__fail_connection(&client->error, connection);
	dgen__loop_watch(&async->loop, PQsocket(connection), true, unsent > 0);
	return 0;
}

static int
go_on(dgen_client *client)
{
	dgen__async *async = client->async;

	if (async->link == DGEN__LINK_RESTING && dgen__now_ms() >= async->deadline)
		return begin_connecting(client);
	if (async->link == DGEN__LINK_IDLE && async->under_way > 0)
		return begin_running(client);
	return async->link == DGEN__LINK_CONNECTING ? continue_connecting(client) : 0;
}

/* The step that went through the answers is gone with the exception: what they were is not known. */
static int
give_up_section(dgen_client *client)
{
	client->async->left = false;
	return dgen__fail(&client->error, DGEN_ECONNECT, "an exception has left a callback");
}

void
dgen__pipeline_step(dgen_client *client)
{
	dgen__async *async = client->async;
	int code;

	PQclear(client->result);
	client->result = NULL;
	code = async->left ? give_up_section(client) : go_on(client);
	if (code == 0 && (async->link == DGEN__LINK_RUNNING || async->link == DGEN__LINK_CHECKING))
		code = converse(client);
	if (code != 0)
		connection_lost(client);
	dgen__operations_expire(client);
	if (async->under_way == 0 &&
		(async->link == DGEN__LINK_RESTING || async->link == DGEN__LINK_CONNECTING))
		dgen__pipeline_disconnect(client);
	dgen__operations_sweep(client);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
dgen__pipeline_deadline(const dgen__async *async)
{
	const dgen__operation *first = dgen__timeouts_first(&async->timeouts);
	int64_t deadline = earlier(async->deadline, first == NULL ? DGEN__NEVER : first->deadline);

	if (async->awaiting && (async->sending || async->explaining))
		deadline = earlier(deadline, async->nudge_at);
	if (async->link == DGEN__LINK_RUNNING && !async->sending &&
		(async->waiting.count > 0 || (!async->awaiting && !async->explaining && async->nopen > 0)))
		deadline = earlier(deadline, async->waiting.count > 0 ? 0 : async->await_at);
	if (dgen__explain_is_due(async) || (async->link == DGEN__LINK_IDLE && async->waiting.count > 0))
		deadline = 0;
	return deadline;
}

/* ---- making room for functions of one round trip ---- */

/* 1: something came; 0: not in that time (ms; -1: no limit). */
static int
wait_for_answer(dgen_client *client, int ms)
{
	struct pollfd socket = {.fd = PQsocket(client->connection), .events = POLLIN};
	int unsent = PQflush(client->connection);
	int came;

	if (unsent < 0)
		return DGEN_ECONNECT;
	if (unsent > 0)
		socket.events |= POLLOUT;
	came = poll(&socket, 1, ms);
	(void) dgen__read_input(client->connection);
	return came != 0;
}

/*
 * An await_any of calls that are all over ends when it is nudged: once more after some time, as the
 * server can get await_any and nudge in one piece.
 */
static int
drain(dgen_client *client)
{
	dgen__async *async = client->async;
	int nudge_ms = 1;
	int came = 0;
	int code;

	while ((code = dgen__pipeline_take(client)) == 0 && async->answers.count > 0)
	{
		if (async->awaiting && came == 0)
		{
			if (dgen__answers_add(&async->answers, DGEN__CAME_SYNC) != 0 ||
				!PQpipelineSync(client->connection))
				return DGEN_ECONNECT;
			nudge_ms = nudge_ms < LAST_NUDGE_MS ? nudge_ms * 2 : nudge_ms;
		}
		came = wait_for_answer(client, async->awaiting ? nudge_ms : -1);
		if (came < 0)
			return came;
	}
	return code;
}

/* Nothing is in progress, so no callback runs. */
void
dgen__pipeline_leave(dgen_client *client)
{
	dgen__async *async = client->async;

	if (async->link == DGEN__LINK_IDLE)
		return;
	if (async->link != DGEN__LINK_RUNNING || drain(client) != 0 ||
		PQexitPipelineMode(client->connection) != 1 || PQsetnonblocking(client->connection, 0) != 0)
		dgen__pipeline_disconnect(client);
	dgen__operations_sweep(client);
	dgen__loop_forget(&async->loop);
	async->link = DGEN__LINK_IDLE;
	dgen__error_clear(&client->error);
}
