/*
 * Errors, the way psql writes them, and the exit status.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sqlstate.h"
#include "cli/common/report.h"
#include "cli/common/show.h"
#include "client/client.h"
#include "work/worker.h"

/* ---- lines on the standard error ---- */

/* One write each, so that lines of several threads do not mix. */
static void
put_line(const char *label, const char *format, va_list arguments)
{
	char *text = NULL;
	char *visible = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	if (text != NULL)
		visible = cli_visible(text);
	fprintf(stderr, "dgen: %s%s%s\n", label != NULL ? label : "", label != NULL ? ": " : "",
			visible != NULL ? visible : "out of memory");
	free(visible);
	free(text);
}

void
cli_say(const char *label, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_line(label, format, arguments);
	va_end(arguments);
}

void
cli_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_line("error", format, arguments);
	va_end(arguments);
}

void
cli_hint(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_line("hint", format, arguments);
	va_end(arguments);
}

cli_exit
cli_usage(const char *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_line("error", format, arguments);
	va_end(arguments);
	cli_hint("Try \"dgen %s%s--help\" for more information.", command != NULL ? command : "",
			 command != NULL ? " " : "");
	return CLI_USAGE;
}

cli_exit
cli_no_memory(void)
{
	cli_error("out of memory");
	return CLI_USAGE;
}

/* ---- errors of the library ---- */

/* A refused login and a database that does not exist are no connection to the user. */
static bool
is_about_connecting(const char *sqlstate)
{
	return strncmp(sqlstate, DGEN__CLASS_CONNECTION, 2) == 0 ||
		   strncmp(sqlstate, DGEN__CLASS_AUTHORIZATION, 2) == 0 ||
		   strcmp(sqlstate, DGEN__NO_DATABASE) == 0;
}

static cli_exit
exit_of_code(int code, const char *sqlstate)
{
	if (code == DGEN_EFAILED)
		return CLI_HANDLER;
	if (is_about_connecting(sqlstate))
		return CLI_CONNECTION;
	switch (code)
	{
		case DGEN_OK:
			return CLI_OK;
		case DGEN_EINVAL:
		case DGEN_EJSON:
		case DGEN_ENOMEM:
			return CLI_USAGE;
		case DGEN_ECONNECT:
		case DGEN_EUNKNOWN:
			return CLI_CONNECTION;
		case DGEN_ETIMEOUT:
		case DGEN_ENOTFOUND:
			return CLI_NOT_FOUND;
		default:
			return CLI_SERVER;
	}
}

static cli_exit
report_failure(int code, const char *text, const char *sqlstate, const char *hint)
{
	if (sqlstate[0] != '\0')
		cli_error("%s (SQLSTATE %s)", text, sqlstate);
	else
		cli_error("%s", text[0] != '\0' ? text : dgen_strerror(code));
	if (hint[0] != '\0')
		cli_hint("%s", hint);
	return exit_of_code(code, sqlstate);
}

cli_exit
cli_client_failed(dgen_client *client, int code)
{
	return report_failure(code, dgen_client_error(client), dgen_client_sqlstate(client),
						  dgen_client_hint(client));
}

cli_exit
cli_worker_failed(dgen_worker *worker, int code)
{
	cli_exit status = report_failure(code, dgen_worker_error(worker), dgen_worker_sqlstate(worker),
									 dgen_worker_hint(worker));

	/* The extension, or a type that cannot be created: what the server lacks, not an actor. */
	return status == CLI_NOT_FOUND ? CLI_SERVER : status;
}

/* ---- errors of libpq ---- */

static cli_exit
exit_of_sqlstate(const char *sqlstate)
{
	static const struct
	{
		const char *prefix;
		cli_exit status;
	} list[] = {
		{DGEN__CLASS_CONNECTION, CLI_CONNECTION},    /* connection exception */
		{DGEN__CLASS_AUTHORIZATION, CLI_CONNECTION}, /* invalid authorization */
		{DGEN__CLASS_SHUTDOWN, CLI_CONNECTION},      /* shutdown */
		{DGEN__NO_ENCODED_TEXT, CLI_USAGE},          /* no valid UTF-8 */
		{DGEN__UNKNOWN_TYPE, CLI_NOT_FOUND},         /* actor type */
		{DGEN__INVALID_KEY, CLI_USAGE},              /* key */
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strncmp(sqlstate, list[i].prefix, strlen(list[i].prefix)) == 0)
			return list[i].status;
	return CLI_SERVER;
}

/* What the server says when the extension is not there: no such schema, or no such relation. */
static bool
lacks_extension(const char *sqlstate)
{
	return strcmp(sqlstate, DGEN__NO_SCHEMA) == 0 || strcmp(sqlstate, DGEN__NO_TABLE) == 0;
}

static const char *
field(const PGresult *result, int code)
{
	const char *text = PQresultErrorField(result, code);

	return text != NULL ? text : "";
}

static cli_exit
connection_failed(PGconn *connection)
{
	const char *text = PQerrorMessage(connection);
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == '\n')
		length--;
	cli_error("%.*s", length > 0 ? (int) length : 20, length > 0 ? text : "no connection");
	return CLI_CONNECTION;
}

cli_exit
cli_query_failed(PGconn *connection, const PGresult *result)
{
	const char *sqlstate = field(result, PG_DIAG_SQLSTATE);
	const char *detail = field(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = field(result, PG_DIAG_MESSAGE_HINT);

	if (*sqlstate == '\0')
		return connection_failed(connection);
	cli_error("%s (SQLSTATE %s)", field(result, PG_DIAG_MESSAGE_PRIMARY), sqlstate);
	if (*detail != '\0')
		cli_say("detail", "%s", detail);
	if (*hint != '\0')
		cli_hint("%s", hint);
	else if (lacks_extension(sqlstate))
		cli_hint("Run CREATE EXTENSION dgen in database \"%s\", or connect to another one.",
				 PQdb(connection));
	return exit_of_sqlstate(sqlstate);
}

/* ---- output ---- */

static int output_errno; /* of the first write that failed; 0: unknown */

bool
cli_output_works(void)
{
	if (!ferror(stdout))
		return true;
	if (output_errno == 0)
		output_errno = errno;
	return false;
}

cli_exit
cli_finish_output(cli_exit status)
{
	bool works = cli_output_works();

	if (fflush(stdout) != 0)
		works = cli_output_works();
	if (works)
		return status;
	cli_error("could not write to the standard output: %s",
			  output_errno != 0 ? strerror(output_errno) : "unknown error");
	return status == CLI_OK ? CLI_USAGE : status;
}
