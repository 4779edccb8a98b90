/*
 * Several operations under way on one connection: against a database with the actor
 * types of worker.c, such a worker, and a type "silent" that nobody works for.
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>

#include "dgen.h"

#include "client/client.h"
#include "server/loop.h"

#include "check.h"

#define PATIENCE 60000

static const char *conninfo;
static PGconn *beside;

/* ---- the other side ---- */

static char *
sql(const char *format, ...)
{
	static char answer[1024];
	char text[1024];
	va_list arguments;
	PGresult *result;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	result = PQexec(beside, text);
	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		printf("# %s: %s", text, PQresultErrorMessage(result));
	snprintf(answer, sizeof(answer), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return answer;
}

static long
number(const char *query)
{
	return strtol(sql("%s", query), NULL, 10);
}

static bool
becomes(const char *query, long expected)
{
	for (int i = 0; i < PATIENCE / 10; i++, poll(NULL, 0, 10))
		if (number(query) == expected)
			return true;
	printf("# %s is %ld, not %ld\n", query, number(query), expected);
	return false;
}

/* ---- one operation's end ---- */

typedef struct Done
{
	int times;
	int code;
	int order;
	char reply[64];
	char error[256];
	char hint[256];
	char sqlstate[6];
} Done;

static int finished;

static void
note(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	Done *done = user;

	done->times++;
	done->code = code;
	done->order = finished++;
	snprintf(done->reply, sizeof(done->reply), "%s", reply == NULL ? "(none)" : reply);
	if (reply != NULL && strlen(reply) != length)
		snprintf(done->reply, sizeof(done->reply), "length %zu", length);
	snprintf(done->error, sizeof(done->error), "%s", dgen_client_error(client));
	snprintf(done->hint, sizeof(done->hint), "%s", dgen_client_hint(client));
	snprintf(done->sqlstate, sizeof(done->sqlstate), "%s", dgen_client_sqlstate(client));
}

static void
count_it(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	(void) client;
	(void) reply;
	(void) length;
	if (code == 0)
		++*(int *) user;
}

static dgen_client *
open_client(size_t under_way_bytes)
{
	dgen_client_options options = DGEN_CLIENT_OPTIONS_INIT;
	char named[1024];
	dgen_client *client;

	snprintf(named, sizeof(named), "%s application_name=async_client", conninfo);
	options.under_way_bytes = under_way_bytes;
	if (dgen_client_open(&client, named, &options) != 0)
		printf("not ok - open: %s\n", dgen_client_error(client));
	return client;
}

static int
call(dgen_client *client, const char *type, const char *key, const char *message, int timeout_ms,
	 Done *done)
{
	return dgen_client_start_call(client, type, key, message, DGEN_STRLEN, NULL, timeout_ms, note,
								  done);
}

/* Steps, as a loop would that only knows the descriptor, until so many have finished. */
static bool
step_until(dgen_client *client, int count)
{
	for (int i = 0; i < 10000 && finished < count; i++)
	{
		struct pollfd descriptor = {.fd = dgen_client_fd(client), .events = POLLIN};

		if (poll(&descriptor, 1, PATIENCE) == 0)
			break;
		dgen_client_step(client);
	}
	return finished >= count;
}

static bool
step_while(dgen_client *client, bool (*condition)(dgen_client *client))
{
	for (int i = 0; i < 10000 && condition(client); i++)
	{
		struct pollfd descriptor = {.fd = dgen_client_fd(client), .events = POLLIN};

		if (poll(&descriptor, 1, PATIENCE) == 0)
			break;
		dgen_client_step(client);
	}
	return !condition(client);
}

static bool
is_not_awaiting(dgen_client *client)
{
	return !client->async->awaiting;
}

/* ---- casts and calls ---- */

static void
test_thousand(void)
{
	enum
	{
		CALLS = 1000
	};
	dgen_client *client = open_client(0);
	static Done done[CALLS];
	char keys[CALLS][8];
	int right = 0;

	finished = 0;
	for (int i = 0; i < CALLS; i++)
	{
		snprintf(keys[i], sizeof(keys[i]), "t%d", i);
		if (call(client, "counter", keys[i], i == 0 ? "{\"sleep_ms\": 300}" : NULL, PATIENCE,
				 &done[i]) != 0)
			printf("# %s\n", dgen_client_error(client));
	}
	check_int((long long) dgen_client_under_way(client), CALLS, "a thousand calls are under way");
	check_int(number("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
					 "'async_client'"),
			  1, "on one connection");
	check_int(dgen_client_finish(client, -1), 0, "they finish");
	for (int i = 0; i < CALLS; i++)
		right += done[i].times == 1 && done[i].code == 0 && strcmp(done[i].reply, "1") == 0;
	check_int(right, CALLS, "each with its own reply, once");
	check_int((long long) dgen_client_under_way(client), 0, "and none is left");
	check_int((long long) client->async->bytes, 0, "nor their memory");
	check_int(number("SELECT count(*) FROM dgen.request"), 0, "nor their requests");
	dgen_client_close(client);
}

static bool
has_key(const char *key)
{
	char query[128];

	snprintf(query, sizeof(query), "SELECT count(*) FROM dgen.mailbox('silent', '%s')", key);
	return number(query) > 0;
}

static void
test_order(void)
{
	dgen_client *client = open_client(0);
	Done first = {0};
	Done second = {0};

	finished = 0;
	call(client, "silent", "first", NULL, PATIENCE, &first);
	call(client, "silent", "second", NULL, PATIENCE, &second);
	check(!has_key("second"), "nothing is sent before a step");
	while (!has_key("second"))
		dgen_client_step(client);
	sql("SELECT dgen.send_reply(message_id, '2') FROM dgen.mailbox('silent', 'second')");
	check(step_until(client, 1), "one is answered");
	check_text(second.reply, "2", "which was started second");
	sql("SELECT dgen.send_reply(message_id, '1') FROM dgen.mailbox('silent', 'first')");
	check_int(dgen_client_finish(client, PATIENCE), 0, "then the other one");
	check_text(first.reply, "1", "has its own reply");
	dgen_client_close(client);
}

static void
test_casts(void)
{
	dgen_client *client = open_client(0);
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	Done done[6] = {0};
	int sent = 0;

	finished = 0;
	options.idempotency_key = "once";
	options.priority = 1;
	options.headers = "{\"a\": 1}";
	for (int i = 0; i < 3; i++)
		dgen_client_start_cast(client, i == 1 ? "nosuch" : "counter", "cast", "1 garbage", 1, NULL,
							   note, &done[i]);
	dgen_client_start_cast(client, "counter", "cast", NULL, 0, &options, note, &done[3]);
	dgen_client_start_cast(client, "counter", "cast", NULL, 0, &options, note, &done[4]);
	call(client, "counter", "cast", NULL, PATIENCE, &done[5]);
	check_int(dgen_client_finish(client, PATIENCE), 0, "casts and a call");
	check_int(done[0].code + done[2].code + done[3].code + done[4].code + done[5].code, 0,
			  "are sent");
	check_text(done[0].reply, "(none)", "a cast has no reply");
	check_text(done[0].error, "", "and no error");
	check_int(done[1].code, DGEN_ENOTFOUND, "a bad one among them fails alone");
	check_text(done[1].sqlstate, "ZD001", "with its SQLSTATE");
	check_contains(done[1].error, "\"nosuch\" does not exist", "its text");
	check_contains(done[1].hint, "create_actor_type", "and what to do");
	check_text(done[5].reply, "4", "the call comes after them, and one was the same as another");
	check_int(number("SELECT (dgen.state('counter', 'cast')->>'n')::int"), 4,
			  "in the database, too");

	for (int i = 0; i < 25000; i++)
		if (dgen_client_start_cast(client, "silent", "many", "[1, 2, 3]", DGEN_STRLEN, NULL,
								   count_it, &sent) != 0)
			printf("# %s\n", dgen_client_error(client));
	check_int(dgen_client_finish(client, PATIENCE), 0, "25000 casts");
	check_int(sent, 25000, "are told to be committed");
	check_int(number("SELECT count(*) FROM dgen.mailbox('silent', 'many')"), 25000,
			  "and are there");
	sql("SELECT dgen.delete_actor('silent', 'many')");

	check_int(dgen_client_start_cast(client, "nosuch", "x", NULL, 0, NULL, NULL, NULL), 0,
			  "a cast without a callback");
	check_int(dgen_client_finish(client, PATIENCE), DGEN_ENOTFOUND, "fails in finish");
	check_contains(dgen_client_error(client), "\"nosuch\" does not exist", "with its text");
	check_int(dgen_client_finish(client, PATIENCE), 0, "once");
	dgen_client_close(client);
}

static void
test_failure(void)
{
	dgen_client *client = open_client(0);
	Done done[3] = {0};

	finished = 0;
	call(client, "counter", "f", "{\"fail\": true}", PATIENCE, &done[0]);
	call(client, "nosuch", "f", NULL, PATIENCE, &done[1]);
	call(client, "silent", "f", NULL, PATIENCE, &done[2]);
	check(step_until(client, 2), "calls that fail");
	check_int(done[0].code, DGEN_EFAILED, "by their handler");
	check_text(done[0].sqlstate, "ZD4XX", "have its SQLSTATE");
	check_contains(done[0].error, "as you wish", "and its text");
	check_int(done[1].code, DGEN_ENOTFOUND, "or because there is no such type");
	sql("SELECT dgen.cancel('silent', 'f', message_id) FROM dgen.mailbox('silent', 'f')");
	check_int(dgen_client_finish(client, PATIENCE), 0, "the third");
	check_int(done[2].code, DGEN_EFAILED, "was cancelled");
	check_text(done[2].sqlstate, "ZD012", "as its SQLSTATE tells");
	dgen_client_close(client);
}

static void
test_refused(void)
{
	dgen_client *client = open_client(0);
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	Done done = {0};

	check_int(dgen_client_timeout(client), -1, "before the first start there is nothing to do");
	check_int(dgen_client_step(client), 0, "in a step");
	check_int(call(client, "counter", "", NULL, 0, &done), DGEN_EINVAL, "an empty key");
	check_int(call(client, "counter", "k", "{", 0, &done), DGEN_EJSON, "no JSON");
	check_int(call(client, "counter", "k", NULL, -2, &done), DGEN_EINVAL, "no timeout");
	check_int(dgen_client_start_call(client, "counter", "k", NULL, 0, NULL, 0, NULL, NULL),
			  DGEN_EINVAL, "a call without a callback");
	options.priority = 40000;
	check_int(dgen_client_start_cast(client, "counter", "k", NULL, 0, &options, note, &done),
			  DGEN_EINVAL, "too high a priority");
	check_int(dgen_client_start_cast(NULL, "counter", "k", NULL, 0, NULL, note, &done), DGEN_EINVAL,
			  "a NULL client");
	check_int(dgen_client_fd(NULL), DGEN_EINVAL, "has no descriptor");
	check_int((long long) dgen_client_under_way(client), 0, "start nothing");
	check_int(done.times, 0, "and call nobody back");
	dgen_client_close(client);
	check_int(dgen_client_wrap(&client, beside), 0, "a wrapped connection");
	check_int(call(client, "counter", "k", NULL, 0, &done), DGEN_ESTATE, "has one at a time");
	check_int(dgen_client_fd(client), DGEN_ESTATE, "and no descriptor");
	dgen_client_close(client);
}

/* ---- side by side with functions of one round trip ---- */

static void
test_beside(void)
{
	dgen_client *client = open_client(0);
	const char *reply = "";
	Done done = {0};

	finished = 0;
	check_int(dgen_client_call(client, "counter", "b", NULL, 0, PATIENCE, &reply, NULL), 0,
			  "a call by itself");
	call(client, "counter", "b", NULL, PATIENCE, &done);
	check_int(dgen_client_call(client, "counter", "b", NULL, 0, PATIENCE, &reply, NULL), DGEN_EBUSY,
			  "is not possible while something is under way");
	check_contains(dgen_client_hint(client), "dgen_client_finish", "before it is finished");
	check_int(dgen_client_finish(client, PATIENCE), 0, "after that");
	check_text(done.reply, "2", "which has its reply");
	check_int(dgen_client_call(client, "counter", "b", NULL, 0, PATIENCE, &reply, NULL), 0,
			  "it is");
	check_text(reply, "3", "with the next one");
	call(client, "silent", "b", NULL, 20, &done);
	client->async->explain_at = DGEN__NEVER;
	check_int(dgen_client_finish(client, PATIENCE), 0, "a call that times out");
	check_int(done.code, DGEN_ETIMEOUT, "says so");
	check(client->async->awaiting, "while the server still waits for it");
	check_int(dgen_client_cast(client, "counter", "b", NULL, 0, NULL, NULL), 0,
			  "is no harm to the next one");
	call(client, "counter", "b", NULL, PATIENCE, &done);
	check_int(dgen_client_finish(client, PATIENCE), 0, "and then");
	check_text(done.reply, "5", "several can be under way again");
	check_int(number("SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE application_name = "
					 "'async_client'"),
			  1, "all on one connection");
	check_int(number("SELECT count(*) FROM dgen.mailbox('silent', 'b')"), 1,
			  "the request that was too late goes on");
	dgen_client_close(client);
}

/* ---- an await_any that does not end by itself ---- */

static void
test_input(void)
{
	dgen_client *client = open_client(0);
	Done never = {0};
	Done done[20] = {0};

	finished = 0;
	call(client, "silent", "never", NULL, -1, &never);
	check(step_while(client, is_not_awaiting), "a call that nobody answers is awaited");
	for (int i = 0; i < 20; i++)
	{
		call(client, "counter", "input", NULL, PATIENCE, &done[i]);
		check(step_until(client, i + 1), "a call that is started meanwhile is answered");
	}
	check_text(done[19].reply, "20", "each of them");
	check_int(never.times, 0, "the first is not");
	dgen_client_close(client);
	check_int(never.code, DGEN_ECONNECT, "until the client is closed");
	check_contains(never.error, "closed", "which its error says");
}

static bool
is_sending(dgen_client *client)
{
	return client->async->sending;
}

/* The server gets both sections in one piece: before 17 it takes the second one for none. */
static void
test_coalesced(void)
{
	dgen_client *client = open_client(0);
	Done never = {0};
	Done done = {0};

	finished = 0;
	call(client, "silent", "never", NULL, -1, &never);
	dgen_client_step(client);
	check(step_while(client, is_sending), "a call that nobody answers is sent");
	kill(PQbackendPID(client->connection), SIGSTOP);
	for (int i = 0; i < 1000 && !client->async->awaiting; i++)
		dgen_client_step(client);
	check(client->async->awaiting, "its await_any comes to a server that is stopped");
	call(client, "counter", "coalesced", NULL, PATIENCE, &done);
	dgen_client_step(client);
	check(client->async->sending, "and with it what is sent next");
	kill(PQbackendPID(client->connection), SIGCONT);
	check(step_until(client, 1), "which is answered all the same");
	dgen_client_close(client);
}

static int
read_results(PGconn *connection, int syncs)
{
	int rows = 0;

	while (syncs > 0)
	{
		PGresult *result = PQgetResult(connection);

		syncs -= PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		rows += PQresultStatus(result) == PGRES_TUPLES_OK;
		PQclear(result);
		if (PQstatus(connection) == CONNECTION_BAD)
			return -1;
	}
	return rows;
}

/* The protocol by itself: as a driver in another language would do it. */
static void
test_nudge(void)
{
	PGconn *connection = PQconnectdb(conninfo);
	char await[128];
	int version = PQserverVersion(connection);

	snprintf(await, sizeof(await), "CALL dgen.await_any(ARRAY[%s], NULL)",
			 sql("SELECT dgen.request('silent', 'nudge')"));
	PQenterPipelineMode(connection);
	check_int(kill(PQbackendPID(connection), SIGSTOP), 0, "a server that gets all in one piece");
	PQsendQueryParams(connection, await, 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(connection);
	PQsendQueryParams(connection, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(connection);
	kill(PQbackendPID(connection), SIGCONT);
	if (version < 170000)
	{
		check(
			becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.await_any%' "
					"AND state = 'active' AND wait_event_type = 'Extension'",
					1),
			"await_any does not see what came with it");
		check_int(number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
						 "'CALL dgen.await_any%' AND backend_xmin IS NOT NULL"),
				  0, "and holds no snapshot");
		PQpipelineSync(connection);
		PQflush(connection);
	}
	check_int(read_results(connection, version < 170000 ? 3 : 2), 2,
			  "a sync behind it, or from 17 on nothing, is enough");
	PQsendQueryParams(connection, await, 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(connection);
	PQflush(connection);
	check(
		becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.await_any%' AND "
				"state = 'active' AND wait_event_type = 'Extension' AND backend_xmin IS NULL",
				1),
		"a lone sync does not end it; it holds no snapshot");
	PQsendQueryParams(connection, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(connection);
	PQflush(connection);
	check_int(read_results(connection, 2), 2, "what comes later ends it");
	PQsendQueryParams(connection, await, 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(connection);
	PQflush(connection);
	becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.await_any%' AND "
			"state = 'active'",
			1);
	PQfinish(connection);
	check(
		becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.await_any%' AND "
				"state = 'active'",
				0),
		"as does the end of its client");
}

/* ---- one that always has something to send ---- */

static bool replied;

static void
cast_again(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	int *left = user;

	(void) code;
	(void) reply;
	(void) length;
	if (replied || --*left < 0)
		return;
	for (int i = 0; i < 2; i++)
		if (dgen_client_under_way(client) < 5)
			dgen_client_start_cast(client, "silent", "busy", NULL, 0, NULL, cast_again, left);
}

static void
note_reply(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	note(client, code, reply, length, user);
	replied = true;
}

static void
test_starvation(void)
{
	dgen_client *client = open_client(0);
	Done done = {0};
	int left = 5000;

	replied = false;
	dgen_client_start_call(client, "counter", "starving", NULL, 0, NULL, -1, note_reply, &done);
	dgen_client_start_cast(client, "silent", "busy", NULL, 0, NULL, cast_again, &left);
	check_int(dgen_client_finish(client, PATIENCE), 0, "a client that always has more to send");
	check(left > 0, "gets its reply all the same");
	check_text(done.reply, "1", "the right one");
	sql("SELECT dgen.delete_actor('silent', 'busy')");
	dgen_client_close(client);
}

/* ---- time ---- */

static void
test_timeouts(void)
{
	enum
	{
		CALLS = 50
	};
	dgen_client *client = open_client(0);
	Done done[CALLS] = {0};
	int in_order = 0;

	finished = 0;
	for (int i = 0; i < CALLS; i++)
		call(client, "silent", "timeout", NULL, 100 + (i * 37 % CALLS) * 3, &done[i]);
	client->async->explain_at = DGEN__NEVER; /* which would be some later than others */
	check(dgen_client_timeout(client) == 0, "what was started wants a step at once");
	check_int(dgen_client_finish(client, 0), DGEN_ETIMEOUT, "finish has a timeout, too");
	check_contains(dgen_client_error(client), "50 operations", "and says how many there are");
	check(dgen_client_timeout(client) <= 250, "the next step is due in time");
	check(step_until(client, CALLS), "calls time out");
	for (int i = 0; i < CALLS; i++)
		in_order += done[i].code == DGEN_ETIMEOUT && done[i].order == i * 37 % CALLS;
	check_int(in_order, CALLS, "one after the other");
	check_int(number("SELECT count(*) FROM dgen.mailbox('silent', 'timeout')"), CALLS,
			  "and the requests go on");
	sql("SELECT dgen.delete_actor('silent', 'timeout')");
	dgen_client_close(client);
}

/* ---- bounds ---- */

static void
test_busy(void)
{
	dgen_client *client = open_client(4000);
	int sent = 0;
	int started = 0;
	char large[6000];

	while (started < 100 &&
		   dgen_client_start_cast(client, "silent", "busy", NULL, 0, NULL, count_it, &sent) == 0)
		started++;
	check(started > 3 && started < 30, "only so much can be under way");
	check_int(client->error.code, DGEN_EBUSY, "then it is too much");
	check_contains(dgen_client_error(client), "of 4000 bytes", "as the error says");
	check_int(dgen_client_finish(client, PATIENCE), 0, "after a step");
	memset(large, '1', sizeof(large));
	check_int(dgen_client_start_cast(client, "silent", "busy", large, sizeof(large), NULL, count_it,
									 &sent),
			  0, "there is room, by itself also for something larger");
	check_int(dgen_client_start_cast(client, "silent", "busy", NULL, 0, NULL, count_it, &sent),
			  DGEN_EBUSY, "but not for more");
	check_int(dgen_client_finish(client, PATIENCE), 0, "all that");
	check_int(sent, started + 1, "was started is sent");
	sql("SELECT dgen.delete_actor('silent', 'busy')");
	dgen_client_close(client);
}

/* ---- in callbacks ---- */

static int chain;
static int refusals;
static int closed;

static void
start_next(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	const char *state;

	(void) reply;
	(void) length;
	chain += code == 0;
	refusals += dgen_client_state(client, "counter", "x", &state, NULL) == DGEN_ESTATE;
	refusals += dgen_client_step(client) == DGEN_ESTATE;
	refusals += dgen_client_finish(client, 0) == DGEN_ESTATE;
	if (chain < 50)
		dgen_client_start_call(client, "counter", "chain", NULL, 0, NULL, PATIENCE, start_next,
							   user);
}

static void
close_it(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	(void) code;
	(void) reply;
	(void) length;
	(void) user;
	dgen_client_close(client);
	dgen_client_close(client);
	closed++;
	if (dgen_client_start_cast(client, "silent", "x", NULL, 0, NULL, close_it, NULL) == DGEN_ESTATE)
		refusals++;
}

static void
test_callbacks(void)
{
	dgen_client *client = open_client(0);

	dgen_client_start_call(client, "counter", "chain", NULL, 0, NULL, PATIENCE, start_next, NULL);
	check_int(dgen_client_finish(client, PATIENCE), 0, "callbacks start calls");
	check_int(chain, 50, "which are answered");
	check_int(refusals, 150, "and cannot wait, nor step");
	check_int(number("SELECT (dgen.state('counter', 'chain')->>'n')::int"), 50, "once each");
	dgen_client_close(client);

	client = open_client(0);
	refusals = 0;
	for (int i = 0; i < 3; i++)
		dgen_client_start_call(client, "silent", "close", NULL, 0, NULL, -1, close_it, NULL);
	dgen_client_start_call(client, "counter", "close", NULL, 0, NULL, PATIENCE, close_it, NULL);
	check_int(dgen_client_finish(client, PATIENCE), DGEN_ESTATE,
			  "a client that is closed in a callback is gone after it");
	check_int(closed, 5, "all others have been called");
	check_int(refusals, 4, "and could start nothing");
}

static void
test_close(void)
{
	dgen_client *client = open_client(0);
	Done done[3] = {0};

	finished = 0;
	call(client, "silent", "close", NULL, -1, &done[0]);
	step_while(client, is_not_awaiting);
	call(client, "silent", "close", NULL, -1, &done[1]);
	dgen_client_step(client);
	call(client, "silent", "close", NULL, -1, &done[2]);
	dgen_client_close(client);
	check_int(done[0].times + done[1].times + done[2].times, 3, "close calls all back");
	check_contains(done[0].error, "the request is still open", "one whose request is there");
	check_contains(done[1].error, "is not known", "one that is being sent");
	check_contains(done[2].error, "was not sent", "and one that waits");
}

/* ---- connections that are lost ---- */

static bool
is_not_sending(dgen_client *client)
{
	return !client->async->sending;
}

static void
terminate(dgen_client *client)
{
	sql("SELECT pg_terminate_backend(%d, 10000)", PQbackendPID(client->connection));
}

static void
test_lost(void)
{
	dgen_client *client = open_client(0);
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	Done awaited = {0};
	Done doubtful[2] = {0};
	Done waiting = {0};

	finished = 0;
	call(client, "silent", "lost", "1", -1, &awaited);
	step_while(client, is_not_awaiting);
	terminate(client);
	sql("SELECT dgen.send_reply(message_id, '\"still\"') FROM dgen.mailbox('silent', 'lost')");
	check(step_until(client, 1), "a connection that is lost while a reply is awaited");
	check_text(awaited.reply, "\"still\"", "does not lose the reply");

	/* It waits for a lock, here for whoever uses the same idempotency key. */
	sql("BEGIN");
	sql("SELECT dgen.cast('silent', 'doubt', idempotency_key => 'k')");
	options.idempotency_key = "k";
	dgen_client_start_cast(client, "silent", "doubt", NULL, 0, &options, note, &doubtful[0]);
	call(client, "silent", "doubt", NULL, -1, &doubtful[1]);
	step_while(client, is_not_sending);
	dgen_client_step(client);
	call(client, "counter", "lost", NULL, PATIENCE, &waiting);
	terminate(client);
	sql("COMMIT");
	check_int(dgen_client_finish(client, PATIENCE), 0, "one that is lost while it sends");
	check_int(doubtful[1].code, DGEN_EUNKNOWN, "leaves in doubt what has no idempotency key");
	check_contains(doubtful[1].error, "whether it was done is not known", "as it says");
	check_contains(doubtful[1].hint, "idempotency key", "with what to do");
	check_int(doubtful[0].code, 0, "what has one is sent again");
	check_int(number("SELECT count(*) FROM dgen.mailbox('silent', 'doubt')"), 1, "once");
	check_text(waiting.reply, "1", "and so is what waited");

	terminate(client);
	for (int i = 0; i < 3; i++)
		dgen_client_step(client);
	check(client->connection == NULL, "an idle one is just gone");
	call(client, "counter", "lost", NULL, PATIENCE, &waiting);
	check_int(dgen_client_finish(client, PATIENCE), 0, "until it is needed");
	check_text(waiting.reply, "2", "again");
	dgen_client_close(client);
}

static void
test_cancelled(void)
{
	dgen_client *client = open_client(0);
	Done done[2] = {0};

	finished = 0;
	call(client, "silent", "cancel", NULL, -1, &done[0]);
	step_while(client, is_not_awaiting);
	check(
		becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.await_any%' AND "
				"state = 'active'",
				1),
		"the server waits");
	sql("SELECT pg_cancel_backend(%d)", PQbackendPID(client->connection));
	for (int i = 0; i < 3; i++)
	{
		struct pollfd descriptor = {.fd = dgen_client_fd(client), .events = POLLIN};

		poll(&descriptor, 1, 1000);
		dgen_client_step(client);
	}
	sql("SELECT dgen.send_reply(message_id, '1') FROM dgen.mailbox('silent', 'cancel')");
	check_int(dgen_client_finish(client, PATIENCE), 0, "a wait that is cancelled");
	check_text(done[0].reply, "1", "begins again");
	dgen_client_close(client);
}

static void
test_final(void)
{
	dgen_client *client = open_client(0);
	Done done[2] = {0};

	finished = 0;
	call(client, "silent", "final", NULL, -1, &done[0]);
	step_while(client, is_not_awaiting);
	sql("UPDATE pg_extension SET extversion = '7.7.7' WHERE extname = 'dgen'");
	terminate(client);
	call(client, "silent", "final", NULL, -1, &done[1]);
	check_int(dgen_client_finish(client, PATIENCE), DGEN_EVERSION,
			  "an error that trying again cannot mend");
	check_int(done[0].code + done[1].code, 2 * DGEN_EVERSION, "ends all that is under way");
	check_int((long long) dgen_client_under_way(client), 0, "once");
	sql("UPDATE pg_extension SET extversion = '" DGEN_VERSION_STRING "' WHERE extname = 'dgen'");
	dgen_client_close(client);
}

/* ---- driven from outside: the server restarts meanwhile ---- */

static void
test_restart(void)
{
	dgen_client *client = open_client(0);
	static Done done[100];
	int right = 0;

	for (int i = 0; i < 100; i++)
		call(client, "silent", "restart", NULL, -1, &done[i]);
	step_while(client, is_not_awaiting);
	printf("# started\n");
	fflush(stdout);
	check_int(dgen_client_finish(client, PATIENCE), 0, "calls are finished after a restart");
	for (int i = 0; i < 100; i++)
		right += done[i].times == 1 && done[i].code == 0 && done[i].reply[0] == '7';
	check_int(right, 100, "each with its reply");
	dgen_client_close(client);
}

int
main(int argc, char **argv)
{
	conninfo = argc > 1 ? argv[1] : "";
	if (argc > 2)
	{
		test_restart();
		return 0;
	}
	beside = PQconnectdb(conninfo);
	test_thousand();
	test_order();
	test_casts();
	test_failure();
	test_refused();
	test_beside();
	test_input();
	test_coalesced();
	test_nudge();
	test_starvation();
	test_timeouts();
	test_busy();
	test_callbacks();
	test_close();
	test_lost();
	test_cancelled();
	test_final();
	PQfinish(beside);
	return 0;
}
