/*
 * dgen top: actor types, workers and stuck actors, repeatedly.
 *
 * The server calculates rates: each refresh passes what the previous one saw.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/queries.h"
#include "cli/common/report.h"
#include "cli/common/show.h"

#define INTERVAL_MS 2000
#define FIRST_MS 500 /* before the first refresh */

typedef struct Top
{
	PGconn *connection;
	long interval_ms;
	long count; /* refreshes; 0: no limit */
	bool json;
	bool screen;  /* a terminal that is drawn on */
	char *before; /* turns of each worker at the previous refresh; NULL: there was none */
	char *since;  /* when that was, in seconds of the epoch */
	struct termios shown;
} Top;

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	stopped = number;
}

/* ---- the terminal ---- */

/* The previous screen is restored at the end; keys are read immediately and not shown. */
static void
open_screen(Top *top)
{
	struct termios keys;

	top->screen = !top->json && isatty(STDOUT_FILENO) && tcgetattr(STDIN_FILENO, &top->shown) == 0;
	if (!top->screen)
		return;
	keys = top->shown;
	keys.c_lflag &= ~(tcflag_t) (ECHO | ICANON);
	keys.c_cc[VSUSP] = _POSIX_VDISABLE;
	(void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys);
	fputs("\033[?1049h\033[?25l", stdout);
}

static void
close_screen(const Top *top)
{
	if (!top->screen)
		return;
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	(void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &top->shown);
}

/* Until the next refresh. False: a key, or a signal, ends it. */
static bool
wait_for_next(const Top *top, long ms)
{
	struct pollfd keys = {.fd = top->screen ? STDIN_FILENO : -1, .events = POLLIN};
	char key;

	if (poll(&keys, 1, (int) ms) <= 0)
		return stopped == 0;
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 4)
		return false;
	return stopped == 0; /* any other key refreshes */
}

/* ---- a refresh ---- */

static PGresult *
ask(const Top *top, const char *sql, cli_exit *status)
{
	const char *parameters[] = {top->before, top->since};
	PGresult *result = PQexecParams(top->connection, sql, 2, NULL, parameters, NULL, NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	close_screen(top); /* the error would go with it */
	*status = cli_query_failed(top->connection, result);
	PQclear(result);
	return NULL;
}

static cli_exit
print_part(const Top *top, const char *sql, const char *nothing)
{
	cli_exit status = CLI_OK;
	PGresult *result = ask(top, sql, &status);

	if (result == NULL)
		return status;
	putchar('\n');
	if (PQntuples(result) > 0)
		cli_print_table(result, INT_MAX, cli_terminal_width());
	else
		printf("%s\n", nothing);
	PQclear(result);
	return CLI_OK;
}

static cli_exit
print_line(const Top *top, const char *sql)
{
	cli_exit status = CLI_OK;
	PGresult *result = ask(top, sql, &status);

	if (result != NULL && PQntuples(result) > 0)
	{
		if (top->json)
			cli_print_json(PQgetvalue(result, 0, 0));
		else if (!cli_print_lines(PQgetvalue(result, 0, 0)))
			status = cli_no_memory();
	}
	PQclear(result);
	return status;
}

/* What the next refresh compares with. */
static cli_exit
remember(Top *top)
{
	cli_exit status = CLI_OK;
	PGresult *result = ask(top, cli_sql_top_turns, &status);

	if (result == NULL)
		return status;
	free(top->before);
	free(top->since);
	top->before = strdup(PQgetvalue(result, 0, 0));
	top->since = strdup(PQgetvalue(result, 0, 1));
	PQclear(result);
	return top->before != NULL && top->since != NULL ? CLI_OK : cli_no_memory();
}

static cli_exit
look(Top *top)
{
	cli_exit status;

	if (top->json)
		status = print_line(top, cli_sql_top_json);
	else
	{
		if (top->screen)
			fputs("\033[H\033[2J", stdout);
		status = print_line(top, cli_sql_top_head);
		if (status == CLI_OK)
			status =
				print_part(top, cli_sql_top_types, "There are no actor types that you can read.");
		if (status == CLI_OK)
			status = print_part(top, cli_sql_top_workers, "There are no workers.");
		if (status == CLI_OK)
			status = print_part(top, cli_sql_top_stuck, "Nothing is stuck.");
		if (status == CLI_OK)
			fputs(top->screen ? "\nq: quit" : "\n", stdout);
	}
	fflush(stdout);
	return status == CLI_OK ? remember(top) : status;
}

static cli_exit
prepare(Top *top)
{
	PGresult *result = PQexec(top->connection, cli_sql_top_session);
	cli_exit status = CLI_OK;

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		status = cli_query_failed(top->connection, result);
	PQclear(result);
	return status == CLI_OK ? remember(top) : status;
}

/* Rates need two moments, also for the first refresh. */
static cli_exit
look_again_and_again(Top *top)
{
	cli_exit status = prepare(top);
	long ms = top->interval_ms < FIRST_MS ? top->interval_ms : FIRST_MS;

	for (long n = 1; status == CLI_OK && cli_output_works() && wait_for_next(top, ms); n++)
	{
		status = look(top);
		if (n == top->count)
			break;
		ms = top->interval_ms;
	}
	return status;
}

/* ---- the command ---- */

static void
catch_signals(void)
{
	struct sigaction catch = {.sa_handler = on_signal};

	sigemptyset(&catch.sa_mask);
	sigaction(SIGINT, &catch, NULL);
	sigaction(SIGTERM, &catch, NULL);
	sigaction(SIGHUP, &catch, NULL);
}

/* Ctrl-C is how many end it on a terminal; elsewhere a signal ends it as others do. */
static void
end_by_signal(const Top *top)
{
	if (stopped == 0 || (top->screen && stopped == SIGINT))
		return;
	signal(stopped, SIG_DFL);
	raise(stopped);
}

cli_exit
cli_top(const cli_arguments *arguments)
{
	Top top = {.interval_ms = INTERVAL_MS, .json = arguments->option[CLI_JSON] != NULL};
	cli_exit status;

	if (!cli_integer(arguments, CLI_LIMIT, 0, LONG_MAX, &top.count) ||
		!cli_duration(arguments, CLI_INTERVAL, INT_MAX, &top.interval_ms))
		return CLI_USAGE;
	top.connection = cli_open_connection(arguments, &status);
	if (top.connection == NULL)
		return status;
	catch_signals();
	open_screen(&top);
	status = look_again_and_again(&top);
	if (status == CLI_OK)
		close_screen(&top);
	PQfinish(top.connection);
	free(top.before);
	free(top.since);
	end_by_signal(&top);
	return status;
}
