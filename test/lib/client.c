/*
 * The client functions, against a database with the actor types of worker.c and such a
 * worker running.
 */

#include "dgen.h"

#include "check.h"

static dgen_client *client;

static void
execute(PGconn *connection, const char *sql)
{
	PQclear(PQexec(connection, sql));
}

static long
count(PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql);
	long n =
		PQresultStatus(result) == PGRES_TUPLES_OK ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;

	PQclear(result);
	return n;
}

/* ---- calls ---- */

static void
test_call(void)
{
	const char *reply;
	size_t length;

	check_int(dgen_client_call(client, "counter", "c1", NULL, 0, 20000, &reply, &length), 0,
			  "a call");
	check_text(reply, "1", "returns the reply");
	check_int((long long) length, 1, "with its length");
	check_int(dgen_client_call(client, "counter", "c1", "{} garbage", 2, 0, &reply, NULL), 0,
			  "a message with a length");
	check_text(reply, "2", "is cut there");
	check_int(dgen_client_state(client, "counter", "c1", &reply, NULL), 0, "state");
	check_text(reply, "{\"n\": 2, \"inits\": 1}", "is the committed one");
	check_int(dgen_client_state(client, "counter", "never", &reply, NULL), DGEN_ENOTFOUND,
			  "no such actor");
}

static void
test_await(void)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	int64_t request = 0;
	const char *reply = "";

	options.delay_ms = 300;
	check_int(dgen_client_request(client, "counter", "c2", "{}", DGEN_STRLEN, &options, &request),
			  0, "a request");
	check(request > 0, "gets an id");
	check_int(dgen_client_await(client, request, 0, &reply, NULL), DGEN_ETIMEOUT,
			  "timeout 0 only looks");
	check_int(dgen_client_await(client, request, 20, &reply, NULL), DGEN_ETIMEOUT,
			  "a short timeout passes");
	check_int(dgen_client_await(client, request, -1, &reply, NULL), 0,
			  "without a limit the reply comes");
	check_text(reply, "1", "and is there");
	check_int(dgen_client_await(client, request, 0, &reply, NULL), DGEN_ENOTFOUND,
			  "a second time it is gone");
	check_text(dgen_client_sqlstate(client), "ZD013", "as the SQLSTATE says");
	check_int(dgen_client_await(client, 1, -2, &reply, NULL), DGEN_EINVAL, "-2 is no timeout");
}

/* Whatever SQLSTATE a handler fails with, it is the handler that failed. */
static void
test_failure_like(const char *sqlstate)
{
	int64_t request = 0;
	char fail[64];

	snprintf(fail, sizeof(fail), "{\"fail\": true, \"sqlstate\": \"%s\"}", sqlstate);
	check_int(dgen_client_call(client, "counter", "c3", fail, DGEN_STRLEN, 20000, NULL, NULL),
			  DGEN_EFAILED, "a handler that fails as the server might");
	check_text(dgen_client_sqlstate(client), sqlstate, "is told by its SQLSTATE");
	check_int(dgen_client_request(client, "counter", "c3", fail, DGEN_STRLEN, NULL, &request), 0,
			  "a request that fails so");
	check_int(dgen_client_await(client, request, 20000, NULL, NULL), DGEN_EFAILED, "is awaited");
	check_text(dgen_client_sqlstate(client), sqlstate, "with the same SQLSTATE");
}

static void
test_failure(void)
{
	const char *fail = "{\"fail\": true}";

	check_int(dgen_client_call(client, "counter", "c3", fail, DGEN_STRLEN, 20000, NULL, NULL),
			  DGEN_EFAILED, "a handler that fails");
	check_text(dgen_client_sqlstate(client), "ZD4XX", "its SQLSTATE");
	check_contains(dgen_client_error(client), "as you wish", "its text");
	test_failure_like("ZD013"); /* what await_reply raises itself */
	test_failure_like("42501"); /* and what the server raises */
	test_failure_like("08006");
	check_int(dgen_client_call(client, "nosuch", "k", NULL, 0, 0, NULL, NULL), DGEN_ENOTFOUND,
			  "an unknown type");
	check_text(dgen_client_sqlstate(client), "ZD001", "says so");
	check(dgen_client_hint(client)[0] != '\0', "and what to do");
}

/* ---- casts ---- */

static void
test_refused(void)
{
	check_int(dgen_client_cast(client, "counter", "", NULL, 0, NULL, NULL), DGEN_EINVAL,
			  "an empty key");
	check_int(dgen_client_cast(client, "counter", NULL, NULL, 0, NULL, NULL), DGEN_EINVAL,
			  "a NULL key");
	check_int(dgen_client_cast(client, "counter", "k", "{", DGEN_STRLEN, NULL, NULL), DGEN_EJSON,
			  "no JSON");
	check_int(dgen_client_cast(client, "counter", "k", "\"\xff\"", DGEN_STRLEN, NULL, NULL),
			  DGEN_EJSON, "no UTF-8");
	check_int(dgen_client_cast(NULL, "counter", "k", NULL, 0, NULL, NULL), DGEN_EINVAL,
			  "a NULL client");
	check_text(dgen_client_error(NULL), "", "which has no error");
}

static void
test_idempotency(void)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	int64_t first = 0;
	int64_t second = 0;

	options.idempotency_key = "once";
	options.headers = "{\"trace\": 1}";
	options.priority = 3;
	check_int(dgen_client_cast(client, "counter", "c4", NULL, 0, &options, &first), 0,
			  "a cast with an idempotency key");
	check_int(dgen_client_cast(client, "counter", "c4", NULL, 0, &options, &second), 0,
			  "and again");
	check_int(second, first, "is the same message");
	options.priority = 40000;
	check_int(dgen_client_cast(client, "counter", "c4", NULL, 0, &options, NULL), DGEN_EINVAL,
			  "too high a priority");
}

static void
test_cast_many(void)
{
	const char *reply = "";
	dgen_message messages[300];
	char keys[300][8];

	for (int i = 0; i < 300; i++)
	{
		snprintf(keys[i], sizeof(keys[i]), "m%d", i % 3);
		messages[i] = (dgen_message){
			.key = keys[i], .message = i % 2 ? NULL : "{\"a\": 1}", .length = DGEN_STRLEN};
	}
	check_int(dgen_client_cast_many(client, "counter", messages, 300), 0,
			  "300 messages in one round trip");
	check_int(dgen_client_cast_many(client, "counter", NULL, 0), 0, "none at all");
	check_int(dgen_client_call(client, "counter", "m1", NULL, 0, 20000, &reply, NULL), 0,
			  "a call after them");
	check_text(reply, "101", "is handled after them");
	messages[299].message = "nonsense";
	check_int(dgen_client_cast_many(client, "counter", messages, 300), DGEN_EJSON,
			  "one bad message");
	check_int(dgen_client_call(client, "counter", "m1", NULL, 0, 20000, &reply, NULL), 0,
			  "and none is sent");
	check_text(reply, "102", "of all of them");
}

static void
test_cast_many_once(void)
{
	const char *reply = "";
	dgen_message messages[] = {
		{.key = "once", .idempotency_key = "1"}, {.key = "once", .idempotency_key = "2"},
		{.key = "once", .idempotency_key = "1"}, {.key = "once"},
		{.key = "once", .idempotency_key = "3"},
	};

	check_int(dgen_client_cast_many(client, "counter", messages, 4), 0, "idempotency keys");
	check_int((int) dgen_client_sent(client), 3, "one of them twice");
	check_int(dgen_client_cast_many(client, "counter", messages, 5), 0, "run again");
	check_int((int) dgen_client_sent(client), 2, "sends what is new, and what has no key");
	check_int(dgen_client_call(client, "counter", "once", NULL, 0, 20000, &reply, NULL), 0,
			  "a call after them");
	check_text(reply, "6", "is handled after five");
	messages[4].idempotency_key = "";
	check_int(dgen_client_cast_many(client, "counter", messages, 5), DGEN_EINVAL,
			  "an empty idempotency key");
	check_int((int) dgen_client_sent(client), 0, "sends none");
	check_int((int) dgen_client_sent(NULL), 0, "nor does no client");
}

/* ---- a connection of the application ---- */

static void
test_wrap(const char *conninfo)
{
	PGconn *connection = PQconnectdb(conninfo);
	dgen_client *wrapped = NULL;
	const char *reply = "";
	const char *held = "SELECT count(*) FROM dgen.mailbox('counter', 'held')";
	int64_t request;

	check_int(dgen_client_wrap(&wrapped, connection), 0, "a connection of the application");
	execute(connection, "BEGIN");
	check_int(dgen_client_cast(wrapped, "counter", "held", NULL, 0, NULL, NULL), 0,
			  "a cast in its transaction");
	check_int(count(connection, held), 1, "is seen there");
	check_int(dgen_client_call(wrapped, "counter", "k", NULL, 0, 0, NULL, NULL), DGEN_ESTATE,
			  "a call is not possible");
	execute(connection, "ROLLBACK");
	check_int(count(connection, held), 0, "and is rolled back with it");

	check_int(dgen_client_call(wrapped, "counter", "c5", NULL, 0, 20000, &reply, NULL), 0,
			  "outside of one it is");
	check_text(reply, "1", "and answered");
	execute(connection, "BEGIN");
	check_int(dgen_client_request(wrapped, "counter", "c5", NULL, 0, NULL, &request), 0,
			  "a request in a transaction");
	execute(connection, "COMMIT");
	check_int(dgen_client_await(wrapped, request, 20000, &reply, NULL), 0, "is awaited after it");
	PQsetClientEncoding(connection, "LATIN1");
	check_int(dgen_client_cast(wrapped, "counter", "caf\xc3\xa9", NULL, 0, NULL, NULL), DGEN_ESTATE,
			  "once the application has another encoding than UTF-8, nothing is sent");
	check_contains(dgen_client_error(wrapped), "LATIN1", "and the error names it");
	check_contains(dgen_client_hint(wrapped), "PQsetClientEncoding", "and the hint says how to go on");
	execute(connection, "SET client_encoding = 'UTF8'");
	check_int(dgen_client_call(wrapped, "counter", "c5", NULL, 0, 20000, &reply, NULL), 0,
			  "when it is UTF-8 again, all is as before");
	PQsetClientEncoding(connection, "LATIN1");
	dgen_client_close(wrapped);
	check_int(dgen_client_wrap(&wrapped, connection), DGEN_ESTATE,
			  "another encoding than UTF-8 is refused");
	check_contains(dgen_client_error(wrapped), "LATIN1", "by name");
	dgen_client_close(wrapped);
	check_int(PQstatus(connection), CONNECTION_OK, "and the connection stays open");
	PQfinish(connection);
}

/* ---- connections that end ---- */

/* Returns when they are gone. */
static void
terminate_others(const char *conninfo)
{
	PGconn *connection = PQconnectdb(conninfo);

	execute(
		connection,
		"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'victim'");
	PQfinish(connection);
}

static void
test_reconnect(const char *conninfo)
{
	dgen_client_options options = DGEN_CLIENT_OPTIONS_INIT;
	dgen_client *victim;
	const char *sleep = "{\"sleep_ms\": 400}";

	options.application_name = "victim";
	check_int(dgen_client_open(&victim, conninfo, &options), 0, "a client with a name");
	terminate_others(conninfo);
	check_int(dgen_client_cast(victim, "counter", "c6", NULL, 0, NULL, NULL), 0,
			  "whose idle connection ends, connects again");
	check_int(dgen_client_call(victim, "counter", "c6", sleep, DGEN_STRLEN, 1, NULL, NULL),
			  DGEN_ETIMEOUT, "a late reply");
	check_int(dgen_client_call(victim, "counter", "c6", NULL, 0, 20000, NULL, NULL), 0,
			  "is no harm to the next one");
	dgen_client_close(victim);
}

static void
test_open(const char *conninfo)
{
	dgen_client_options options = {0};
	dgen_client *other = NULL;
	char text[1024];

	check_int(dgen_client_open(&other, conninfo, &options), DGEN_EINVAL, "options of size 0");
	check_contains(dgen_client_error(other), "size", "are named");
	dgen_client_close(other);
	check_int(dgen_client_open(&other, "nonsense=1", NULL), DGEN_EINVAL,
			  "a wrong connection string");
	dgen_client_close(other);
	check_int(dgen_client_open(&other, "host=/nowhere port=1", NULL), DGEN_ECONNECT,
			  "nobody there");
	check(dgen_client_error(other)[0] != '\0', "with a text");
	check_int(dgen_client_cast(other, "counter", "k", NULL, 0, NULL, NULL), DGEN_ECONNECT,
			  "nor later");
	dgen_client_close(other);
	snprintf(text, sizeof(text), "%s dbname=template1", conninfo);
	check_int(dgen_client_open(&other, text, NULL), DGEN_ENOTFOUND,
			  "a database without the extension");
	check_contains(dgen_client_hint(other), "CREATE EXTENSION", "what to do");
	dgen_client_close(other);
	dgen_client_close(NULL);
}

int
main(int argc, char **argv)
{
	const char *conninfo = argc > 1 ? argv[1] : "";

	if (!check_int(dgen_client_open(&client, conninfo, NULL), 0, "open"))
		printf("# %s\n", dgen_client_error(client));
	test_call();
	test_await();
	test_failure();
	test_refused();
	test_idempotency();
	test_cast_many();
	test_cast_many_once();
	test_wrap(conninfo);
	test_reconnect(conninfo);
	test_open(conninfo);
	dgen_client_close(client);
	return 0;
}
