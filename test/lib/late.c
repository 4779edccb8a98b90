/*
 * Several calls under way that have no reply in time: what their callbacks are told. Against a
 * database with actor types "silent" and "hidden" that nobody works for; the second connection
 * string is that of a role which may send to "hidden" and read nothing.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dgen.h"

#include "client/client.h"
#include "server/loop.h"

#include "check.h"

#define PATIENCE 60000

static const char *conninfo;
static const char *conninfo_sender;
static PGconn *beside;

static char *
sql(const char *query)
{
	static char answer[1024];
	PGresult *result = PQexec(beside, query);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		printf("# %s: %s", query, PQresultErrorMessage(result));
	snprintf(answer, sizeof(answer), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return answer;
}

/* ---- one call's end ---- */

typedef struct Done
{
	int times;
	int code;
	bool closes; /* the client */
	char reply[64];
	char error[512];
	char hint[256];
	char sqlstate[6];
} Done;

static void
note(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	Done *done = user;

	done->times++;
	done->code = code;
	snprintf(done->reply, sizeof(done->reply), "%.*s", (int) length, reply == NULL ? "" : reply);
	snprintf(done->error, sizeof(done->error), "%s", dgen_client_error(client));
	snprintf(done->hint, sizeof(done->hint), "%s", dgen_client_hint(client));
	snprintf(done->sqlstate, sizeof(done->sqlstate), "%s", dgen_client_sqlstate(client));
	if (done->closes)
		dgen_client_close(client);
}

static dgen_client *
open_client(const char *where)
{
	dgen_client *client;

	if (dgen_client_open(&client, where, NULL) != 0)
		printf("not ok - open: %s\n", dgen_client_error(client));
	return client;
}

static void
call(dgen_client *client, const char *type, int timeout_ms, Done *done)
{
	memset(done, 0, sizeof(*done));
	if (dgen_client_start_call(client, type, "k", NULL, 0, NULL, timeout_ms, note, done) != 0)
		printf("not ok - start: %s\n", dgen_client_error(client));
}

/* As a loop would that only knows the descriptor. */
static bool
step_until(dgen_client *client, bool (*condition)(const dgen__async *async))
{
	for (int i = 0; i < 10000 && !condition(client->async); i++)
	{
		struct pollfd descriptor = {.fd = dgen_client_fd(client), .events = POLLIN};

		if (poll(&descriptor, 1, PATIENCE) == 0)
			break;
		dgen_client_step(client);
	}
	return condition(client->async);
}

static bool
is_open(const dgen__async *async)
{
	return async->nopen > 0;
}

static bool
is_awaiting(const dgen__async *async)
{
	return async->awaiting;
}

static bool
is_explaining(const dgen__async *async)
{
	return async->explaining;
}

static bool
is_over(const dgen__async *async)
{
	return async->under_way == 0;
}

static void
check_explained(const Done *done, const char *reason, const char *name)
{
	check_int(done->times == 1 ? done->code : -done->times, DGEN_ETIMEOUT, name);
	check_text(done->sqlstate, "ZD010", "with the SQLSTATE of the server");
	check_contains(done->error, reason, "and the reason");
	check_contains(done->hint, "dgen.await_reply", "and the hint");
}

static void
check_unexplained(const Done *done, const char *name)
{
	check_int(done->times == 1 ? done->code : -done->times, DGEN_ETIMEOUT, name);
	check_text(done->error, "no reply in time", "without a reason");
}

/* ---- the reason ---- */

static void
test_reason(void)
{
	dgen_client *client = open_client(conninfo);
	Done done;

	check_int(dgen_client_call(client, "silent", "k", NULL, 0, 20, NULL, NULL), DGEN_ETIMEOUT,
			  "a call by itself times out");
	check_contains(dgen_client_error(client), "no external worker is attached", "and says why");
	call(client, "silent", 20, &done);
	check_int(dgen_client_finish(client, PATIENCE), 0, "several under way");
	check_explained(&done, "no external worker is attached", "time out, too");
	check_int(dgen_client_call(client, "silent", "k", NULL, 0, 20, NULL, NULL), DGEN_ETIMEOUT,
			  "and then one by itself again");
	dgen_client_close(client);

	client = open_client(conninfo_sender);
	call(client, "hidden", 20, &done);
	(void) dgen_client_finish(client, PATIENCE);
	check_explained(&done, "no external worker is attached", "who may only send is told, too");
	dgen_client_close(client);
}

static void
test_many(void)
{
	enum
	{
		CALLS = 500
	};
	static Done done[CALLS];
	dgen_client *client = open_client(conninfo);
	int late = 0;
	int explained = 0;

	for (int i = 0; i < CALLS; i++)
		call(client, "silent", 3000, &done[i]);
	check_int(dgen_client_finish(client, PATIENCE), 0, "many calls end");
	for (int i = 0; i < CALLS; i++)
	{
		late += done[i].times == 1 && done[i].code == DGEN_ETIMEOUT;
		explained += strcmp(done[i].sqlstate, "ZD010") == 0;
	}
	check_int(late, CALLS, "they time out together");
	check(explained > 0 && explained < CALLS / 10, "for some the reason is asked, not for all");
	dgen_client_close(client);
}

/* ---- an answer that nobody has awaited ---- */

/* The session's await fails and is not repeated before its time: here, never. */
static void
test_answered(const char *answer, Done *done)
{
	dgen_client *client = open_client(conninfo);

	call(client, "silent", 1000, done);
	client->async->await_at = DGEN__NEVER;
	check(step_until(client, is_open), "a call is sent");
	check_text(sql(answer), "t", "is answered");
	check_int(dgen_client_finish(client, PATIENCE), 0, "and asked for when its time is over");
	dgen_client_close(client);
}

#define NEWEST "(SELECT max(id) FROM dgen.request WHERE status = 'p')"

static void
test_answers(void)
{
	Done done;

	test_answered("SELECT dgen.send_reply(" NEWEST ", '[7]')", &done);
	check_int(done.code, 0, "gets the reply");
	check_text(done.reply, "[7]", "which came in time");
	test_answered("SELECT dgen.fail_request(" NEWEST ", 'broken', 'ZD010')", &done);
	check_int(done.code, DGEN_EFAILED, "gets the error of the handler");
	check_text(done.error, "broken", "which is not the server's");
}

/* ---- without an answer ---- */

/* A client whose server stands still while it is asked for the reason. */
static dgen_client *
stand_still(Done *done, pid_t *server)
{
	dgen_client *client = open_client(conninfo);

	*server = PQbackendPID(client->connection);
	call(client, "silent", 500, done);
	check(step_until(client, is_awaiting), "a call is open");
	kill(*server, SIGSTOP);
	check(step_until(client, is_explaining), "its time is over, the server is asked");
	check_int(done->times, 0, "and nobody told yet");
	return client;
}

static void
test_silence(void)
{
	pid_t server;
	Done done;
	dgen_client *client = stand_still(&done, &server);
	Done next;

	call(client, "silent", 100, &next);
	check(step_until(client, is_over), "without an answer");
	check_unexplained(&done, "it ends all the same");
	check_int(next.code, DGEN_ETIMEOUT, "and so does what waits behind it");
	kill(server, SIGCONT);
	check_int(dgen_client_cast(client, "silent", "k", NULL, 0, NULL, NULL), 0,
			  "the late answer is no harm");
	check_int(PQbackendPID(client->connection), server, "to the connection");
	call(client, "silent", 100, &next);
	(void) dgen_client_finish(client, PATIENCE);
	check_explained(&next, "no external worker", "nor to the next call");
	dgen_client_close(client);
}

static void
test_lost(void)
{
	char query[100];
	pid_t server;
	Done done;
	dgen_client *client = stand_still(&done, &server);

	snprintf(query, sizeof(query), "SELECT pg_terminate_backend(%d)", (int) server);
	(void) sql(query);
	kill(server, SIGCONT);
	check_int(dgen_client_finish(client, PATIENCE), 0, "the session ends");
	check_int(done.times == 1 ? done.code : -done.times, DGEN_ETIMEOUT, "the call has timed out");
	dgen_client_close(client);
}

static void
test_close(void)
{
	pid_t server;
	Done done;
	dgen_client *client = stand_still(&done, &server);

	dgen_client_close(client);
	kill(server, SIGCONT);
	check_unexplained(&done, "at close it has timed out");
}

static void
test_fork(void)
{
	pid_t server;
	Done done;
	dgen_client *client = stand_still(&done, &server);
	int status = -1;
	pid_t child = fork();

	if (child == 0)
	{
		int code = dgen_client_step(client);

		dgen_client_close(client);
		_exit(code == DGEN_ESTATE && done.times == 0 ? 0 : 1);
	}
	(void) waitpid(child, &status, 0);
	check_int(status, 0, "in a child nobody is told");
	kill(server, SIGCONT);
	check_int(dgen_client_finish(client, PATIENCE), 0, "the parent goes on");
	check_explained(&done, "no external worker", "and is told");
	dgen_client_close(client);
}

static void
test_callback_closes(void)
{
	dgen_client *client = open_client(conninfo);
	Done done;

	call(client, "silent", 20, &done);
	done.closes = true;
	check_int(dgen_client_finish(client, PATIENCE), DGEN_ESTATE, "a callback closes the client");
	check_explained(&done, "no external worker", "that it had the reason from");
}

int
main(int argc, char **argv)
{
	conninfo = argc > 2 ? argv[1] : "";
	conninfo_sender = argc > 2 ? argv[2] : "";
	beside = PQconnectdb(conninfo);
	test_reason();
	test_many();
	test_answers();
	test_silence();
	test_lost();
	test_close();
	test_fork();
	test_callback_closes();
	PQfinish(beside);
	return 0;
}
