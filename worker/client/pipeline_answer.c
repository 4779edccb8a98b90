/*
 * What the server's answers mean to a client that has several operations in progress.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "json/json.h"
#include "server/answers.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/result.h"
#include "server/sql.h"

/* ---- what was sent ---- */

static void
open_call(dgen__async *async, dgen__operation *call, int64_t id)
{
	size_t i = async->nopen++;

	for (; i > 0 && async->open[i - 1]->id > id; i--)
		async->open[i] = async->open[i - 1];
	async->open[i] = call;
	call->place = DGEN__OPEN;
	call->id = id;
	async->any_over |= call->over;
}

/* What became of one that has a row: a request, or what failed. */
static void
take_row(dgen_client *client, dgen__operation *operation, const PGresult *rows, int row)
{
	if (PQgetisnull(rows, row, DGEN__MANY_ID))
		(void) dgen__fail_server(&client->error, PQgetvalue(rows, row, DGEN__MANY_SQLSTATE),
								 PQgetvalue(rows, row, DGEN__MANY_ERROR),
								 PQgetvalue(rows, row, DGEN__MANY_HINT));
	else if (operation->send.request)
		open_call(client->async, operation, dgen__result_number(rows, row, DGEN__MANY_ID));
}

/* row -1: it has none, and is a cast that was sent. */
static void
was_sent(dgen_client *client, dgen__operation *operation, const PGresult *rows, int row)
{
	dgen__error_clear(&client->error);
	if (row >= 0)
		take_row(client, operation, rows, row);
	else if (operation->send.request)
		(void) dgen__fail(&client->error, DGEN_ESERVER, "the server did not answer a request");
	if (operation->place == DGEN__SENT && !operation->over)
		dgen__operation_end(client, operation, NULL, 0);
	dgen__queue_remove(&client->async->sent, operation);
	if (operation->place == DGEN__SENT)
		dgen__operation_free(client, operation);
}

/* Rows are in the order in which it was sent. */
static void
all_were_sent(dgen_client *client, const PGresult *rows)
{
	const int count = PQntuples(rows);
	int row = 0;

	for (long element = 1; client->async->sent.first != NULL; element++)
	{
		bool is_next = row < count && dgen__result_number(rows, row, DGEN__MANY_ELEMENT) == element;

		was_sent(client, client->async->sent.first, rows, is_next ? row++ : -1);
	}
}

/*
 * Text that the database's encoding lacks, or JSON that it cannot take, is an error of the statement, and
 * of no element: the server finds it before it looks at elements.
 */
static bool
is_about_one(const dgen__error *error)
{
	return strncmp(error->sqlstate, DGEN__CLASS_DATA, 2) == 0 ||
		   strncmp(error->sqlstate, DGEN__CLASS_LIMIT, 2) == 0 ||
		   strncmp(error->sqlstate, DGEN__CLASS_UNSUPPORTED, 2) == 0;
}

/* Of statements that are to find the one: what has come of the last, of so many. */
static void
narrow(dgen__async *async, size_t count, bool again)
{
	if (again && async->suspects < count)
		async->suspects = count;
	else if (!again && async->suspects > 0)
	{
		async->suspects -= count < async->suspects ? count : async->suspects;
		if (async->most < async->suspects) /* those that are over do not come again */
			async->most *= 2;
	}
}

/* The statement has come to its end. */
static void
end_sent(dgen_client *client, const dgen__error *error, const PGresult *rows)
{
	dgen__async *async = client->async;
	size_t count = async->sent.count;
	bool again = error->code != 0 && count > 1 && is_about_one(error);

	narrow(async, count, again);
	if (again)
		dgen__operations_send_apart(client);
	else if (error->code != 0)
		dgen__operations_end_sent(client, error);
	else
		all_were_sent(client, rows);
}

/* Callbacks run while these are in use, so they are freed when an exception passes, too. */
static void
clear_result(PGresult **result)
{
	PQclear(*result);
}

/* Only the sync says that the transaction is committed. */
static int
sent(dgen_client *client)
{
	dgen__async *async = client->async;
	PGresult *rows __attribute__((cleanup(clear_result))) = async->rows;
	dgen__error error __attribute__((cleanup(dgen__error_free))) = async->error;
	bool updating;

	async->rows = NULL;
	async->sending = false;
	memset(&async->error, 0, sizeof(async->error));
	if (error.code == 0 && rows == NULL)
		(void) dgen__fail(&error, DGEN_ESERVER, "the server has not answered");
	updating = dgen__is_updating(&error);
	if (error.code == 0 && dgen__many_check(rows, async->sent.count, &client->error) != 0)
		return client->error.code;
	end_sent(client, &error, rows);
	if (updating)
		(void) dgen__fail_error(&client->error, &error);
	return updating ? client->error.code : 0;
}

/* ---- answers ---- */

typedef struct Found
{
	dgen_json request;
	dgen_json reply;
	dgen_json error;
	dgen_json sqlstate;
	dgen_json hint;
	bool given; /* the error is the answer, and not of the search for it */
} Found;

static bool
is_named(const dgen_json *name, const char *expected)
{
	return name->length == strlen(expected) + 2 &&
		   memcmp(name->text + 1, expected, name->length - 2) == 0;
}

static int
find_members(const dgen_json *object, Found *found)
{
	dgen__json_walk walk;
	dgen_json name;
	dgen_json value;

	memset(found, 0, sizeof(*found));
	if (dgen__json_walk_begin(&walk, object->text, object->length, '{') != 0)
		return DGEN_ETYPE;
	while (dgen__json_walk_next(&walk, &name, &value))
		if (is_named(&name, "request"))
			found->request = value;
		else if (is_named(&name, "reply"))
			found->reply = value;
		else if (is_named(&name, "error"))
			found->error = value;
		else if (is_named(&name, "sqlstate"))
			found->sqlstate = value;
		else if (is_named(&name, "hint"))
			found->hint = value;
		else if (is_named(&name, "given"))
			found->given = true;
	return 0;
}

/* To be freed; NULL: none, or no memory. */
static char *
text_of(const dgen_json *string)
{
	char *text = string->text == NULL ? NULL : dgen__strndup(string->text, string->length);

	if (text != NULL)
		(void) dgen__json_unescape(text, string->length);
	return text;
}

static void
set_error(dgen__error *error, const Found *found)
{
	char *text = text_of(&found->error);
	char *sqlstate = text_of(&found->sqlstate);
	char *hint = text_of(&found->hint);

	if (sqlstate == NULL || text == NULL)
		(void) dgen__fail(error, DGEN_EFAILED, "the request failed");
	else
	{
		(void) dgen__fail_server(error, sqlstate, text, hint);
		if (found->given)
			error->code = DGEN_EFAILED;
	}
	dgen__free(text);
	dgen__free(sqlstate);
	dgen__free(hint);
}

/* The first open one with that id or a higher one. */
static size_t
find_open(const dgen__async *async, int64_t id)
{
	size_t low = 0;
	size_t high = async->nopen;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (async->open[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
end_call(dgen_client *client, dgen__operation *call, const Found *found)
{
	char *end;
	char last;

	if (found->reply.text == NULL)
	{
		set_error(&client->error, found);
		dgen__operation_end(client, call, NULL, 0);
		return;
	}
	/* The text is part of the result, which is ours: the reply ends in a NUL for a while. */
	dgen__error_clear(&client->error);
	end = (char *) found->reply.text + found->reply.length;
	last = *end;
	*end = '\0';
	dgen__operation_end(client, call, found->reply.text, found->reply.length);
	*end = last;
}

/* Several calls with one idempotency key have one request. */
static void
answered(dgen_client *client, const Found *found)
{
	dgen__async *async = client->async;
	int64_t id;

	if (dgen_json_int64(&found->request, &id) != 0)
		return;
	for (size_t i = find_open(async, id); i < async->nopen && async->open[i]->id == id; i++)
		if (!async->open[i]->over)
			end_call(client, async->open[i], found);
}

static void
answers_came(dgen_client *client, const PGresult *result)
{
	dgen__json_walk walk;
	dgen_json name;
	dgen_json object;
	Found found;

	client->async->attempts = 0;
	if (dgen__result_check(result, "dgen.await_any", 1, false, &client->async->error) != 0)
		return;
	if (dgen__json_walk_begin(&walk, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0),
							  '[') != 0)
		return;
	while (dgen__json_walk_next(&walk, &name, &object))
		if (find_members(&object, &found) == 0 && found.request.text != NULL)
			answered(client, &found);
}

/* A canceled or timed out statement, or a server that lacks something, is no answer to a request. */
static bool
may_try_again(const dgen__error *error)
{
	return strncmp(error->sqlstate, DGEN__CLASS_INTERVENTION, 2) == 0 ||
		   strncmp(error->sqlstate, DGEN__CLASS_RESOURCES, 2) == 0 ||
		   strncmp(error->sqlstate, DGEN__CLASS_ROLLBACK, 2) == 0 ||
		   strncmp(error->sqlstate, DGEN__CLASS_SYSTEM, 2) == 0;
}

/* A session that has an old library is replaced by another one. */
static int
awaited(dgen_client *client)
{
	dgen__async *async = client->async;
	dgen__error error = async->error;
	int updating = 0;

	memset(&async->error, 0, sizeof(async->error));
	if (dgen__is_updating(&error))
		updating = dgen__fail_error(&client->error, &error);
	else if (error.code != 0 && may_try_again(&error))
		async->await_at = dgen__now_ms() + dgen__pipeline_backoff_ms(async);
	else if (error.code != 0)
		dgen__pipeline_end_all(client, &error);
	dgen__error_free(&error);
	return updating;
}

/* ---- what has come ---- */

static int
version_came(dgen_client *client, const PGresult *result)
{
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
	{
		client->async->attempts = 0;
		client->async->link = DGEN__LINK_RUNNING;
		client->async->deadline = DGEN__NEVER;
	}
	return dgen__client_greet(client, result);
}

int
dgen__pipeline_lost(dgen_client *client)
{
	if (client->async->error.code != 0)
		return dgen__fail_error(&client->error, &client->async->error);
	return dgen__fail_connection(&client->error, client->connection);
}

/* An error in the place of a sync is that of its transaction's commit; the sync is still to come. */
static int
sync_came(dgen_client *client, dgen__came answer, const PGresult *result)
{
	dgen__answers *answers = &client->async->answers;

	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
	{
		(void) dgen__fail_result(&client->async->error, result);
		if (answers->first == 0)
			return dgen__answers_add(answers, (unsigned char) answer);
		answers->list[--answers->first] = (unsigned char) answer;
		answers->count++;
		return 0;
	}
	if (answer == DGEN__CAME_SEND_SYNC)
		return sent(client);
	if (answer == DGEN__CAME_EXPLAIN_SYNC)
		return dgen__explain_synced(client);
	return answer == DGEN__CAME_AWAIT_SYNC ? awaited(client) : 0;
}

static int
statement_came(dgen_client *client, dgen__came answer, PGresult *result)
{
	dgen__async *async = client->async;

	if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		return dgen__pipeline_lost(client);
	if (answer == DGEN__CAME_VERSION)
		return version_came(client, result);
	if (answer == DGEN__CAME_AWAIT)
		async->awaiting = false;
	if (answer == DGEN__CAME_EXPLAIN)
		dgen__explain_came(client, result);
	else if (PQresultStatus(result) != PGRES_TUPLES_OK)
		(void) dgen__fail_result(&async->error, result);
	else if (answer == DGEN__CAME_SEND)
		async->rows = result;
	else
		answers_came(client, result);
	return 0;
}

static int
take_result(dgen_client *client, PGresult *result)
{
	dgen__came answer = (dgen__came) dgen__answers_take(&client->async->answers);

	if (answer == DGEN__CAME_SYNC || answer == DGEN__CAME_SEND_SYNC ||
		answer == DGEN__CAME_AWAIT_SYNC || answer == DGEN__CAME_EXPLAIN_SYNC)
		return sync_came(client, answer, result);
	return statement_came(client, answer, result);
}

/* After each statement's result comes one NULL. */
int
dgen__pipeline_take(dgen_client *client)
{
	dgen__async *async = client->async;
	PGconn *connection = client->connection;
	int nothing = 0;
	int code = 0;

	while (code == 0 && async->answers.count > 0 && nothing < 2 && !PQisBusy(connection))
	{
		PGresult *result __attribute__((cleanup(clear_result))) = PQgetResult(connection);

		nothing = result == NULL ? nothing + 1 : 0;
		if (result != NULL)
			code = take_result(client, result);
		if (result == async->rows || result == async->reason)
			result = NULL; /* until its transaction is committed */
	}
	if (code == 0 && (nothing == 2 || PQstatus(connection) == CONNECTION_BAD))
		return dgen__pipeline_lost(client);
	return code;
}
