/*
 * The client: sends, asks and reads, each in one round trip. async.c has several in progress.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/memory.h"
#include "client/client.h"
#include "json/check.h"
#include "server/array.h"
#include "server/connection.h"
#include "server/result.h"
#include "server/sql.h"

#define CALL_TIMEOUT_MS 5000
#define INTERVAL_SIZE 28

/* ---- opening and closing ---- */

static int
connect_client(dgen_client *client)
{
	int code;

	dgen__disconnect(client->connection, client->process);
	client->connection =
		dgen__connect(client->conninfo, client->application_name, client->connect_timeout_ms);
	if (client->connection == NULL)
		return dgen__fail(&client->error, DGEN_ENOMEM, "out of memory");
	if (PQstatus(client->connection) == CONNECTION_OK)
		code = dgen__client_check_extension(client);
	else
		code = dgen__fail_connection(&client->error, client->connection);
	if (code != 0)
	{
		dgen__disconnect(client->connection, client->process);
		client->connection = NULL;
	}
	return code;
}

static int
open_client(dgen_client *client, const char *conninfo, const dgen_client_options *options)
{
	dgen_client_options copy = {0};
	int code = 0;

	if (options != NULL)
		code =
			dgen__check_struct(&client->error, "dgen_client_options", options, &copy, sizeof(copy));
	if (code == 0 && conninfo == NULL)
		code = dgen__fail(&client->error, DGEN_EINVAL,
						  "conninfo must not be NULL: \"\" takes all from the environment");
	if (code == 0)
		code = dgen__conninfo_check(conninfo, &client->error);
	if (code != 0)
		return code;
	client->connect_timeout_ms = copy.connect_timeout_ms;
	client->under_way_bytes = copy.under_way_bytes;
	client->conninfo = dgen__strdup(conninfo);
	client->application_name = dgen__strdup(
		copy.application_name != NULL ? copy.application_name : program_invocation_short_name);
	if (client->conninfo == NULL || client->application_name == NULL)
		return dgen__fail(&client->error, DGEN_ENOMEM, "out of memory");
	return connect_client(client);
}

int
dgen_client_open(dgen_client **client, const char *conninfo, const dgen_client_options *options)
{
	if (client == NULL)
		return DGEN_EINVAL;
	*client = dgen__calloc(1, sizeof(dgen_client));
	if (*client == NULL)
		return DGEN_ENOMEM;
	(*client)->process = dgen__this_process();
	return open_client(*client, conninfo, options);
}

static int
check_encoding(dgen_client *client)
{
	return dgen__check_encoding(client->connection,
								"Call PQsetClientEncoding(connection, \"UTF8\").", &client->error);
}

int
dgen_client_wrap(dgen_client **client, PGconn *connection)
{
	int code;

	if (client == NULL)
		return DGEN_EINVAL;
	*client = dgen__calloc(1, sizeof(dgen_client));
	if (*client == NULL)
		return DGEN_ENOMEM;
	(*client)->process = dgen__this_process();
	(*client)->wrapped = true;
	if (connection == NULL)
		return dgen__fail(&(*client)->error, DGEN_EINVAL, "connection must not be NULL");
	if (PQstatus(connection) != CONNECTION_OK)
		return dgen__fail_connection(&(*client)->error, connection);
	(*client)->connection = connection;
	code = check_encoding(*client);
	if (code == 0 && PQtransactionStatus(connection) == PQTRANS_IDLE &&
		PQpipelineStatus(connection) == PQ_PIPELINE_OFF)
		code = dgen__client_check_extension(*client);
	return code;
}

void
dgen_client_close(dgen_client *client)
{
	if (client == NULL)
		return;
	if (client->async != NULL && client->async->running)
	{
		dgen__async_close_later(client);
		return;
	}
	dgen__async_close(client);
	if (!client->wrapped)
		dgen__disconnect(client->connection, client->process);
	PQclear(client->result);
	dgen__buffer_free(&client->message);
	dgen__error_free(&client->error);
	dgen__free(client->conninfo);
	dgen__free(client->application_name);
	dgen__free(client);
}

const char *
dgen_client_error(const dgen_client *client)
{
	return client == NULL ? "" : dgen__error_text(&client->error);
}

const char *
dgen_client_sqlstate(const dgen_client *client)
{
	return client == NULL ? "" : client->error.sqlstate;
}

const char *
dgen_client_hint(const dgen_client *client)
{
	return client == NULL ? "" : dgen__error_hint(&client->error);
}

/* ---- one round trip ---- */

static int
check_idle(dgen_client *client, bool waits)
{
	PGTransactionStatusType status = PQtransactionStatus(client->connection);

	if (PQpipelineStatus(client->connection) != PQ_PIPELINE_OFF)
		return dgen__fail(&client->error, DGEN_ESTATE, "the connection is in pipeline mode");
	if (status == PQTRANS_ACTIVE)
		return dgen__fail(&client->error, DGEN_ESTATE,
						  "a statement is in progress on the connection");
	if (waits && status != PQTRANS_IDLE)
		return dgen__fail_hint(&client->error, DGEN_ESTATE,
							   "Commit first. No worker can see the request before.",
							   "cannot wait for a reply in an open transaction");
	return 0;
}

/* Between two calls the connection is the application's. */
static int
check_wrapped(dgen_client *client, bool waits)
{
	int code;

	if (client->connection == NULL)
		return dgen__fail(&client->error, DGEN_ESTATE, "client could not be opened");
	code = check_idle(client, waits);
	return code == 0 && PQstatus(client->connection) == CONNECTION_OK ? check_encoding(client)
																	  : code;
}

/* What the last call returned ends here. The session that found an update can be too old for it. */
static int
begin(dgen_client *client, bool waits)
{
	bool stale = client != NULL && dgen__is_updating(&client->error);
	int code;

	if (client == NULL)
		return DGEN_EINVAL;
	if (dgen__is_child(client->process))
		return dgen__refuse_child(&client->error, "client");
	code = dgen__async_refuse(client);
	if (code != 0)
		return code;
	dgen__error_clear(&client->error);
	PQclear(client->result);
	client->result = NULL;
	if (client->wrapped)
		return check_wrapped(client, waits);
	if (client->conninfo == NULL)
		return dgen__fail(&client->error, DGEN_ESTATE, "client could not be opened");
	return client->connection != NULL && !stale && dgen__client_is_alive(client->connection)
			   ? 0
			   : connect_client(client);
}

static int
fail(dgen_client *client, const char *doubt, const PGresult *result)
{
	dgen__error *error = &client->error;

	if (result == NULL)
		(void) dgen__fail_connection(error, client->connection); /* it was not even sent */
	else
		(void) dgen__fail_result(error, result);
	if (PQstatus(client->connection) == CONNECTION_BAD)
		return doubt != NULL ? dgen__fail_doubtful(error, doubt, error)
							 : (error->code = DGEN_ECONNECT);
	if (dgen__result_is_answer(result))
		error->code = DGEN_EFAILED;
	return error->code;
}

typedef struct Parameters
{
	const char *values[8];
	int lengths[8];
	int formats[8];
	int count;
} Parameters;

static void
add_text(Parameters *parameters, const char *text)
{
	parameters->values[parameters->count++] = text;
}

static void
add_binary(Parameters *parameters, const dgen__buffer *data)
{
	parameters->values[parameters->count] = data->data;
	parameters->lengths[parameters->count] = (int) data->length;
	parameters->formats[parameters->count++] = 1;
}

static const char *
interval(char *text, int64_t ms)
{
	snprintf(text, INTERVAL_SIZE, "%lld ms", (long long) ms);
	return text;
}

/* True if the statement is prepared; if it cannot be, the error is that of the statement itself. */
static bool
prepare(dgen_client *client, const dgen__statement *statement)
{
	unsigned bit = 1;
	PGresult *result;

	for (const dgen__statement *const *s = dgen__sql_client; *s != statement; s++)
		bit <<= 1;
	if (!client->prepares || (client->prepared & bit) != 0)
		return client->prepares;
	result = PQprepare(client->connection, statement->name, statement->sql, 0, NULL);
	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		client->prepared |= bit;
	PQclear(result);
	return (client->prepared & bit) != 0;
}

/*
 * doubt is the hint if the connection is lost and the outcome is unknown; NULL: it
 * only reads. What was done in an open transaction is undone for certain.
 */
static int
run(dgen_client *client, const dgen__statement *statement, const Parameters *p, const char *doubt)
{
	ExecStatusType status;
	bool prepared;

	prepared = prepare(client, statement);
	if (PQtransactionStatus(client->connection) != PQTRANS_IDLE)
		doubt = NULL; /* also when the connection is lost already */
	client->result = prepared ? PQexecPrepared(client->connection, statement->name, p->count,
											   p->values, p->lengths, p->formats, 0)
							  : PQexecParams(client->connection, statement->sql, p->count, NULL,
											 p->values, p->lengths, p->formats, 0);
	status = PQresultStatus(client->result);
	if (status != PGRES_TUPLES_OK)
		return fail(client, doubt, client->result);
	return dgen__result_check(client->result, statement->sql, 1, true, &client->error);
}

/* ---- sending ---- */

/* In binary form a text needs no NUL at its end. */
static int
set_message(dgen_client *client, const char *message, size_t length)
{
	const char version = 1;
	int code;

	if (message == NULL)
	{
		message = "null";
		length = DGEN_STRLEN;
	}
	code = dgen__check_json(&client->error, "message", message, &length);
	if (code != 0)
		return code;
	dgen__buffer_clear(&client->message);
	dgen__buffer_add(&client->message, &version, 1);
	dgen__buffer_add(&client->message, message, length);
	return client->message.failed ? dgen__fail(&client->error, DGEN_ENOMEM, "out of memory") : 0;
}

static int
check_send(dgen_client *client, const char *type, const char *key, const char *message,
		   size_t length)
{
	int code = dgen__check_actor(&client->error, type, key);

	return code == 0 ? set_message(client, message, length) : code;
}

static int
run_send(dgen_client *client, const dgen__statement *statement, const char *type, const char *key,
		 const dgen_send_options *options, int64_t *id)
{
	Parameters parameters = {.count = 0};
	char delay[INTERVAL_SIZE];
	char priority[12];
	int code;

	snprintf(priority, sizeof(priority), "%d", options->priority);
	add_text(&parameters, type);
	add_text(&parameters, key);
	add_binary(&parameters, &client->message);
	add_text(&parameters, options->delay_ms == 0 ? NULL : interval(delay, options->delay_ms));
	add_text(&parameters, priority);
	add_text(&parameters, options->idempotency_key);
	add_text(&parameters, options->headers);
	code = run(client, statement, &parameters, DGEN__DOUBT_SENT);
	if (code == 0 && id != NULL)
		*id = strtoll(PQgetvalue(client->result, 0, 0), NULL, 10);
	return code;
}

/* Once more on a new connection: with the same key it is done once. Else the doubt remains. */
static int
send_again(dgen_client *client, const dgen__statement *statement, const char *type, const char *key,
		   const dgen_send_options *options, int64_t *id)
{
	dgen__error doubt = client->error;
	int code;

	memset(&client->error, 0, sizeof(client->error));
	PQclear(client->result);
	client->result = NULL;
	code = connect_client(client);
	if (code == 0)
		code = run_send(client, statement, type, key, options, id);
	else
		code = dgen__fail_error(&client->error, &doubt);
	dgen__error_free(&doubt);
	return code;
}

static int
send_one(dgen_client *client, const dgen__statement *statement, const char *type, const char *key,
		 const char *message, size_t length, const dgen_send_options *options, int64_t *id)
{
	dgen_send_options copy;
	int code = begin(client, false);

	if (code == 0)
		code = check_send(client, type, key, message, length);
	if (code == 0)
		code = dgen__check_send_options(&client->error, options, &copy);
	if (code == 0)
		code = run_send(client, statement, type, key, &copy, id);
	if (code == DGEN_EUNKNOWN && copy.idempotency_key != NULL && !client->wrapped)
		code = send_again(client, statement, type, key, &copy, id);
	return code;
}

int
dgen_client_cast(dgen_client *client, const char *type, const char *key, const char *message,
				 size_t length, const dgen_send_options *options, int64_t *id)
{
	return send_one(client, &dgen__sql_cast, type, key, message, length, options, id);
}

int
dgen_client_request(dgen_client *client, const char *type, const char *key, const char *message,
					size_t length, const dgen_send_options *options, int64_t *request)
{
	return send_one(client, &dgen__sql_request, type, key, message, length, options, request);
}

typedef struct Messages
{
	dgen__array keys;
	dgen__array texts;
	dgen__array idempotency_keys;
} Messages;

static int
add_message(dgen_client *client, const dgen_message *message, Messages *all)
{
	const char *text = message->message == NULL ? "null" : message->message;
	size_t length = message->message == NULL ? DGEN_STRLEN : message->length;
	int code = dgen__check_json(&client->error, "message", text, &length);

	if (code == 0 && message->idempotency_key != NULL)
		code = dgen__check_text(&client->error, "idempotency key", message->idempotency_key,
								DGEN__MAX_KEY_BYTES);
	if (code != 0)
		return code;
	dgen__array_text(&all->keys, message->key, strlen(message->key));
	dgen__array_text(&all->texts, text, length);
	dgen__array_text_or_null(&all->idempotency_keys, message->idempotency_key);
	return 0;
}

static int
add_messages(dgen_client *client, const char *type, const dgen_message *messages, size_t count,
			 Messages *all)
{
	int code = 0;

	dgen__array_begin(&all->keys, DGEN__TEXT);
	dgen__array_begin(&all->texts, DGEN__JSONB);
	dgen__array_begin(&all->idempotency_keys, DGEN__TEXT);
	for (size_t i = 0; code == 0 && i < count; i++)
	{
		code = dgen__check_actor(&client->error, type, messages[i].key);
		if (code == 0)
			code = add_message(client, &messages[i], all);
	}
	if (code != 0)
		return code;
	dgen__array_end(&all->keys);
	dgen__array_end(&all->texts);
	dgen__array_end(&all->idempotency_keys);
	return all->keys.data.failed || all->texts.data.failed || all->idempotency_keys.data.failed
			   ? dgen__fail(&client->error, DGEN_ENOMEM, "out of memory")
			   : 0;
}

static int
send_messages(dgen_client *client, const char *type, const Messages *all)
{
	Parameters parameters = {.count = 0};
	int code;

	add_text(&parameters, type);
	add_binary(&parameters, &all->keys.data);
	add_binary(&parameters, &all->texts.data);
	if (all->idempotency_keys.any)
		add_binary(&parameters, &all->idempotency_keys.data);
	else
		add_text(&parameters, NULL);
	code =
		run(client, &dgen__sql_cast_many, &parameters,
			"Send them again with the idempotency keys that they had, or find out in another way.");
	if (code == 0)
		client->sent = (size_t) strtoull(PQgetvalue(client->result, 0, 0), NULL, 10);
	return code;
}

int
dgen_client_cast_many(dgen_client *client, const char *type, const dgen_message *messages,
					  size_t count)
{
	Messages all = {0};
	int code = begin(client, false);

	if (client != NULL)
		client->sent = 0;
	if (code == 0 && messages == NULL && count > 0)
		code = dgen__fail(&client->error, DGEN_EINVAL, "messages must not be NULL");
	if (code != 0 || count == 0)
		return code;
	code = add_messages(client, type, messages, count, &all);
	if (code == 0)
		code = send_messages(client, type, &all);
	dgen__array_free(&all.keys);
	dgen__array_free(&all.texts);
	dgen__array_free(&all.idempotency_keys);
	return code;
}

size_t
dgen_client_sent(const dgen_client *client)
{
	return client == NULL ? 0 : client->sent;
}

/* ---- replies and states ---- */

static int
return_json(dgen_client *client, const char **json, size_t *length)
{
	if (json != NULL)
		*json = PQgetvalue(client->result, 0, 0);
	if (length != NULL)
		*length = (size_t) PQgetlength(client->result, 0, 0);
	return 0;
}

/* NULL: no limit. */
static const char *
timeout_interval(char *text, int timeout_ms)
{
	return timeout_ms == -1 ? NULL : interval(text, timeout_ms);
}

static int
check_timeout(dgen_client *client, int timeout_ms)
{
	return timeout_ms >= -1 ? 0
							: dgen__fail(&client->error, DGEN_EINVAL,
										 "timeout_ms must be at least -1, not %d", timeout_ms);
}

int
dgen_client_await(dgen_client *client, int64_t request, int timeout_ms, const char **reply,
				  size_t *reply_length)
{
	Parameters parameters = {.count = 0};
	char id[24];
	char timeout[INTERVAL_SIZE];
	int code = begin(client, true);

	if (code == 0)
		code = check_timeout(client, timeout_ms);
	if (code != 0)
		return code;
	snprintf(id, sizeof(id), "%lld", (long long) request);
	add_text(&parameters, id);
	add_text(&parameters, timeout_interval(timeout, timeout_ms));
	code = run(client, &dgen__sql_await, &parameters,
			   "Await it again: if it is not found then, its reply was lost on the way.");
	return code == 0 ? return_json(client, reply, reply_length) : code;
}

int
dgen_client_call(dgen_client *client, const char *type, const char *key, const char *message,
				 size_t length, int timeout_ms, const char **reply, size_t *reply_length)
{
	Parameters parameters = {.count = 0};
	char timeout[INTERVAL_SIZE];
	int code = begin(client, true);

	if (code == 0)
		code = check_timeout(client, timeout_ms);
	if (code == 0)
		code = check_send(client, type, key, message, length);
	if (code != 0)
		return code;
	add_text(&parameters, type);
	add_text(&parameters, key);
	add_binary(&parameters, &client->message);
	add_text(&parameters,
			 timeout_interval(timeout, timeout_ms == 0 ? CALL_TIMEOUT_MS : timeout_ms));
	code = run(client, &dgen__sql_ask, &parameters,
			   "Use dgen_client_request with an idempotency key, which can be repeated.");
	return code == 0 ? return_json(client, reply, reply_length) : code;
}

int
dgen_client_state(dgen_client *client, const char *type, const char *key, const char **state,
				  size_t *length)
{
	Parameters parameters = {.count = 0};
	int code = begin(client, false);

	if (code == 0)
		code = dgen__check_actor(&client->error, type, key);
	if (code != 0)
		return code;
	add_text(&parameters, type);
	add_text(&parameters, key);
	code = run(client, &dgen__sql_state, &parameters, NULL);
	if (code == 0 && PQgetisnull(client->result, 0, 0))
		code = dgen__fail(&client->error, DGEN_ENOTFOUND, "there is no actor \"%s\" of type \"%s\"",
						  key, type);
	return code == 0 ? return_json(client, state, length) : code;
}
