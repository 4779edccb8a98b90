/*
 * Connection options, as psql has them, and connecting.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/report.h"
#include "client/client.h"

/* ---- one connection string ---- */

/* As libpq decides it. */
static bool
is_connection_string(const char *database)
{
	return strncmp(database, "postgresql://", 13) == 0 ||
		   strncmp(database, "postgres://", 11) == 0 || strchr(database, '=') != NULL;
}

static void
add(FILE *conninfo, const char *keyword, const char *value)
{
	if (value == NULL)
		return;
	fprintf(conninfo, "%s='", keyword);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			fputc('\\', conninfo);
		fputc(*value, conninfo);
	}
	fputs("' ", conninfo);
}

/* What it says about the same comes later, and so wins over the options: psql's way. */
static bool
add_connection_string(FILE *conninfo, const char *text)
{
	char *message = NULL;
	PQconninfoOption *list = PQconninfoParse(text, &message);

	if (list == NULL)
	{
		/* libpq ends it with a line end. */
		if (message != NULL)
			message[strcspn(message, "\n")] = '\0';
		cli_error("connection string: %s", message != NULL ? message : "out of memory");
		PQfreemem(message);
		return false;
	}
	for (PQconninfoOption *option = list; option->keyword != NULL; option++)
		add(conninfo, option->keyword, option->val);
	PQconninfoFree(list);
	return true;
}

/* ---- a password ---- */

static volatile sig_atomic_t interrupted;

static void
interrupt(int number)
{
	interrupted = number;
}

/* Ctrl-C ends the program only once the terminal shows again what is typed. */
static bool
read_silently(int terminal, char *text, size_t size)
{
	struct sigaction catch = {.sa_handler = interrupt};
	struct sigaction before;
	struct termios shown;
	struct termios silent;
	ssize_t length;

	if (tcgetattr(terminal, &shown) != 0)
		return false;
	sigemptyset(&catch.sa_mask);
	sigaction(SIGINT, &catch, &before);
	silent = shown;
	silent.c_lflag &= ~(tcflag_t) ECHO;
	(void) tcsetattr(terminal, TCSAFLUSH, &silent);
	length = write(terminal, "Password: ", 10) == 10 ? read(terminal, text, size - 1) : 0;
	(void) tcsetattr(terminal, TCSAFLUSH, &shown);
	(void) !write(terminal, "\n", 1);
	sigaction(SIGINT, &before, NULL);
	if (interrupted)
		raise(SIGINT);
	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static bool
ask_password(char *password, size_t size)
{
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
	bool asked = terminal >= 0 && read_silently(terminal, password, size);

	if (terminal >= 0)
		close(terminal);
	if (asked)
		return true;
	cli_error("there is no terminal to ask for a password on");
	cli_hint("Set PGPASSWORD or use a password file.");
	return false;
}

/* ---- all of them ---- */

static bool
add_options(FILE *conninfo, const cli_arguments *arguments)
{
	const char *database = arguments->option[CLI_DATABASE];
	char password[1024];

	add(conninfo, "host", arguments->option[CLI_HOST]);
	add(conninfo, "port", arguments->option[CLI_PORT]);
	add(conninfo, "user", arguments->option[CLI_USER]);
	if (arguments->option[CLI_PASSWORD] != NULL)
	{
		if (!ask_password(password, sizeof(password)))
			return false;
		add(conninfo, "password", password);
	}
	if (database != NULL && is_connection_string(database))
		return add_connection_string(conninfo, database);
	add(conninfo, "dbname", database);
	return true;
}

char *
cli_conninfo(const cli_arguments *arguments)
{
	char *text = NULL;
	size_t length = 0;
	FILE *conninfo = open_memstream(&text, &length);
	bool good;

	if (conninfo == NULL)
	{
		(void) cli_no_memory();
		return NULL;
	}
	good = add_options(conninfo, arguments);
	if (fclose(conninfo) != 0 && good)
	{
		(void) cli_no_memory();
		good = false;
	}
	if (good)
		return text;
	free(text);
	return NULL;
}

/* ---- connecting ---- */

/* That the extension is missing is the server's answer, not an actor that was not found. */
static cli_exit
open_failed(dgen_client *client, int code)
{
	cli_exit status = client != NULL ? cli_client_failed(client, code) : cli_no_memory();

	return status == CLI_NOT_FOUND ? CLI_SERVER : status;
}

dgen_client *
cli_open_client(const cli_arguments *arguments, cli_exit *status)
{
	char *conninfo = cli_conninfo(arguments);
	dgen_client *client = NULL;
	int code;

	*status = CLI_USAGE;
	if (conninfo == NULL)
		return NULL;
	code = dgen_client_open(&client, conninfo, NULL);
	free(conninfo);
	*status = CLI_OK;
	if (code == 0)
		return client;
	*status = open_failed(client, code);
	dgen_client_close(client);
	return NULL;
}

static PGconn *
connect_with(const char *conninfo)
{
	const char *names[] = {"connect_timeout", "fallback_application_name", "dbname",
						   "client_encoding", NULL};
	const char *values[] = {"10", "dgen", conninfo, "UTF8", NULL};

	return PQconnectdbParams(names, values, 1);
}

PGconn *
cli_open_connection(const cli_arguments *arguments, cli_exit *status)
{
	char *conninfo = cli_conninfo(arguments);
	PGconn *connection;

	*status = CLI_USAGE;
	if (conninfo == NULL)
		return NULL;
	connection = connect_with(conninfo);
	free(conninfo);
	if (connection == NULL)
		*status = cli_no_memory();
	else if (PQstatus(connection) != CONNECTION_OK)
		*status = cli_query_failed(connection, NULL);
	else
	{
		*status = CLI_OK;
		return connection;
	}
	PQfinish(connection);
	return NULL;
}
