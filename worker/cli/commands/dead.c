/*
 * dgen dead: lists dead letters, sends them again, deletes them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/queries.h"
#include "cli/common/report.h"

static bool
is_message_id(const char *text)
{
	char *end;
	long long id;

	errno = 0;
	id = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && id > 0;
}

static void
print_done(const char *id, const char *done, bool json)
{
	const long long number = strtoll(id, NULL, 10);

	if (json)
		printf("{\"message_id\":%lld,\"%s\":true}\n", number, done);
	else
		printf("%s %lld\n", done, number);
}

/* One statement each: one that fails leaves the others as they are. */
static cli_exit
treat(PGconn *connection, const char *sql, const char *id, const char *done, bool json)
{
	PGresult *result = PQexecParams(connection, sql, 1, NULL, &id, NULL, NULL, 0);
	cli_exit status = CLI_OK;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		status = cli_query_failed(connection, result);
	else if (strcmp(PQgetvalue(result, 0, 0), "t") == 0)
		print_done(id, done, json);
	else
	{
		cli_error("there is no dead letter %s", id);
		status = CLI_NOT_FOUND;
	}
	PQclear(result);
	return status;
}

static cli_exit
treat_all(const cli_arguments *arguments, const char *sql, const char *done)
{
	cli_exit status;
	cli_exit first = CLI_OK;
	PGconn *connection;

	if (arguments->option[CLI_LIMIT] != NULL)
		return cli_usage("dead", "--limit is for \"dgen dead list\"");
	if (arguments->count < 3)
		return cli_usage("dead", "dead %s takes message ids", arguments->list[1]);
	for (int i = 2; i < arguments->count; i++)
		if (!is_message_id(arguments->list[i]))
			return cli_usage("dead", "\"%s\" is no message id", arguments->list[i]);
	connection = cli_open_connection(arguments, &status);
	if (connection == NULL)
		return status;
	for (int i = 2; i < arguments->count && PQstatus(connection) == CONNECTION_OK; i++)
	{
		status =
			treat(connection, sql, arguments->list[i], done, arguments->option[CLI_JSON] != NULL);
		if (first == CLI_OK)
			first = status;
	}
	PQfinish(connection);
	return first;
}

cli_exit
cli_dead(const cli_arguments *arguments)
{
	const char *verb = arguments->count > 1 ? arguments->list[1] : "list";

	if (strcmp(verb, "redrive") == 0)
		return treat_all(arguments, cli_sql_redrive, "redriven");
	if (strcmp(verb, "discard") == 0)
		return treat_all(arguments, cli_sql_discard, "discarded");
	if (strcmp(verb, "list") != 0)
		return cli_usage("dead", "\"%s\" is not list, redrive or discard", verb);
	if (arguments->count > 4)
		return cli_usage("dead", "dead list takes [TYPE [KEY]]");
	return cli_dead_letters(arguments);
}
