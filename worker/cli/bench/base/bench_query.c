/*
 * The connection that controls a run: a signal cancels its statements. Also the other
 * connections, which tell the server what they are for.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/base/wait.h"
#include "cli/common/report.h"

/* ---- one statement ---- */

static void
cancel(PGconn *connection)
{
	char error[256];
	PGcancel *cancelling = PQgetCancel(connection);

	if (cancelling != NULL)
		(void) PQcancel(cancelling, error, sizeof(error));
	PQfreeCancel(cancelling);
}

/* Cleaning up is what a signal asks for: its statements are run to the end. */
static bool
await_result(bench_run *run, bool *cancelled)
{
	struct pollfd poll_socket = {.fd = PQsocket(run->control), .events = POLLIN};

	while (PQisBusy(run->control))
	{
		if (bench_interrupted() && !run->cleaning && !*cancelled)
		{
			*cancelled = true;
			cancel(run->control);
		}
		if (poll(&poll_socket, 1, 100) < 0 && errno != EINTR)
			return false;
		if (poll_socket.revents != 0 && !PQconsumeInput(run->control))
			return false;
	}
	return true;
}

/* The last result, as PQexec; NULL: the connection is gone, or memory is out. */
static PGresult *
collect(bench_run *run, bool *cancelled)
{
	PGresult *last = NULL;
	PGresult *next;

	while (await_result(run, cancelled) && (next = PQgetResult(run->control)) != NULL)
	{
		PQclear(last);
		last = next;
	}
	return last;
}

static bool
succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
}

/* Without parameters, one text can have several statements. */
static bool
send_query(bench_run *run, const char *sql, int count, const char *const *values)
{
	if (count == 0)
		return PQsendQuery(run->control, sql) == 1;
	return PQsendQueryParams(run->control, sql, count, NULL, values, NULL, NULL, 0) == 1;
}

PGresult *
bench_query(bench_run *run, const char *sql, int count, const char *const *values)
{
	bool cancelled = false;
	PGresult *result = NULL;

	if (bench_interrupted() && !run->cleaning)
		return NULL;
	if (send_query(run, sql, count, values))
		result = collect(run, &cancelled);
	if (succeeded(result))
		return result;
	if (!cancelled)
		bench_fail(run, cli_query_failed(run->control, result));
	PQclear(result);
	return NULL;
}

int64_t
bench_number(bench_run *run, const char *sql, int count, const char *const *values,
			 int64_t otherwise)
{
	PGresult *result = bench_query(run, sql, count, values);
	int64_t number = otherwise;

	if (result != NULL && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
		number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return number;
}

bool
bench_do(bench_run *run, const char *sql)
{
	PGresult *result = bench_query(run, sql, 0, NULL);

	PQclear(result);
	return result != NULL;
}

void
bench_try(bench_run *run, const char *sql)
{
	bool cancelled = false;

	if (send_query(run, sql, 0, NULL))
		PQclear(collect(run, &cancelled));
}

/* ---- connections ---- */

char *
bench_conninfo(bench_run *run, const char *role)
{
	char *text = NULL;

	if (asprintf(&text, "%s application_name='" BENCH_NAME " %s'", run->conninfo, role) >= 0)
		return text;
	bench_fail(run, cli_no_memory());
	return NULL;
}

/* Warnings are about actor types of superusers, which these are on purpose. */
PGconn *
bench_connect(bench_run *run, const char *role)
{
	char *conninfo = bench_conninfo(run, role);
	PGconn *connection;
	PGresult *result = NULL;

	if (conninfo == NULL)
		return NULL;
	connection = PQconnectdb(conninfo);
	free(conninfo);
	if (connection != NULL && PQstatus(connection) == CONNECTION_OK)
		result = PQexec(connection, bench_sql_session);
	if (!succeeded(result))
	{
		bench_fail(run,
				   connection == NULL ? cli_no_memory() : cli_query_failed(connection, result));
		PQfinish(connection);
		connection = NULL;
	}
	PQclear(result);
	return connection;
}

/* Without its numbers the run is the same. */
static void
describe_server(bench_run *run)
{
	PGresult *result = bench_query(run, bench_sql_server, 0, NULL);

	snprintf(run->server, sizeof(run->server), "%s",
			 result != NULL ? PQgetvalue(result, 0, 0) : "unknown");
	snprintf(run->settings, sizeof(run->settings), "%s",
			 result != NULL ? PQgetvalue(result, 0, 1) : "{}");
	PQclear(result);
}

bool
bench_connect_control(bench_run *run)
{
	run->control = bench_connect(run, "control");
	if (run->control == NULL)
		return false;
	describe_server(run);
	return true;
}
