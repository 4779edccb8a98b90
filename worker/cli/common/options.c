/*
 * The command line: the options of all commands, in one list, and their values.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/common/options.h"
#include "cli/common/report.h"

#define FIRST_CODE 256 /* getopt's code of an option is this and its place in the list */

const cli_option_info cli_option_list[CLI_OPTIONS] = {
	[CLI_HOST] = {"host", 'h', "HOSTNAME", "database server host or socket directory"},
	[CLI_PORT] = {"port", 'p', "PORT", "database server port"},
	[CLI_USER] = {"username", 'U', "USERNAME", "database user name"},
	[CLI_DATABASE] = {"dbname", 'd', "DBNAME", "database name, connection string or URI"},
	[CLI_NO_PASSWORD] = {"no-password", 'w', NULL, "never prompt for a password (the default)"},
	[CLI_PASSWORD] = {"password", 'W', NULL, "prompt for a password"},
	[CLI_HELP] = {"help", '?', NULL, "show this help, then exit"},
	[CLI_VERSION] = {"version", 'V', NULL, "show the version, then exit"},
	[CLI_JSON] = {"json", 0, NULL, "one JSON object per line"},
	[CLI_LIMIT] = {"limit", 'n', "N", "show at most N rows (0: no limit); top: print N times"},
	[CLI_TIMEOUT] = {"timeout", 't', "TIME",
					 "how long to wait for the reply (default: 5s; 0: no limit)"},
	[CLI_DELAY] = {"delay", 0, "TIME", "handle the message only after this time has passed"},
	[CLI_PRIORITY] = {"priority", 0, "N", "-32768 to 32767; higher is handled first (default: 0)"},
	[CLI_IDEMPOTENCY_KEY] = {"idempotency-key", 0, "TEXT",
							 "send nothing if this key was used for the actor"},
	[CLI_HEADERS] = {"headers", 0, "JSON", "JSON object that is delivered with the message"},
	[CLI_FILE] = {"file", 'f', "FILE", "read lines from FILE; -: standard input"},
	[CLI_KEY_FROM] = {"key-from", 'k', "POINTER",
					  "take the key of each line from this JSON pointer"},
	[CLI_IDEMPOTENCY_KEY_FROM] = {"idempotency-key-from", 0, "POINTER",
								  "the same for its idempotency key; skips lines sent before"},
	[CLI_QUIET] = {"quiet", 'q', NULL, "no progress and no summary"},
	[CLI_JOBS] = {"jobs", 'j', "N", "run N workers (default: 1; bench: see --workers)"},
	[CLI_NAME] = {"name", 0, "NAME", "name in dgen.workers (default: file, host and process id)"},
	[CLI_DRAIN] = {"drain", 0, "TIME",
				   "how long a stop waits for the commit in progress (default: 30s)"},
	[CLI_VERBOSE] = {"verbose", 'v', NULL, "log more"},
	[CLI_LANE] = {"lane", 0, "LANE", "where workers run: c (default) or database"},
	[CLI_HANDLER_NAME] = {"handler", 0, "NAME",
						  "handler of the lane database: plpgsql (default), sql, or a function"},
	[CLI_ACTORS] = {"actors", 0, "N", "number of actors; chain: of each chain"},
	[CLI_MESSAGES] = {"messages", 0, "N", "drain: messages for each actor and round (default: 10)"},
	[CLI_CLIENTS] = {"clients", 'c', "N", "number of clients, each with a thread and a connection"},
	[CLI_WORKERS] = {"workers", 0, "N", "the same as --jobs (default: 2; idle: 16)"},
	[CLI_TIME] = {"time", 'T', "TIME", "how long to measure (default: 10s; idle: 20s)"},
	[CLI_WARM_UP] = {"warm-up", 0, "TIME",
					 "time before measuring; drain: one round, 0 for none (default: 2s)"},
	[CLI_ROUNDS] = {"rounds", 0, "N", "drain: rounds; the result is the median (default: 3)"},
	[CLI_SEED] = {"seed", 0, "N", "seed of the choice of actors (default: 1)"},
	[CLI_RATE] = {"rate", 'R', "N",
				  "messages/s of all clients together (default: as fast as they can)"},
	[CLI_IDLE_ACTORS] = {"idle-actors", 0, "N",
						 "create N other actors that do nothing (default: 0)"},
	[CLI_HOLD_SNAPSHOT] = {"hold-snapshot", 0, NULL,
						   "another session holds a snapshot during the measurement"},
	[CLI_NO_BASELINE] = {"no-baseline", 0, NULL, "measure actors only"},
	[CLI_PROGRESS] = {"progress", 'P', NULL, "show progress each second, even without a terminal"},
	[CLI_INTERVAL] = {"interval", 's', "TIME", "time between two refreshes (default: 2s)"},
	[CLI_THREADS] = {"threads", 0, NULL, "run the workers as threads of one process"},
	[CLI_GRACE] = {"grace", 0, "TIME", "how long a process can take to stop (default: 60s)"},
	[CLI_TURN_TIMEOUT] = {"turn-timeout", 0, "TIME",
						  "kill a process whose turn takes longer (0: no limit)"},
	[CLI_REPLACE_TIMEOUT] = {"replace-timeout", 0, "TIME",
							 "SIGHUP: how long a new process can take to attach (default: 60s)"},
	[CLI_MAX_DEATHS] = {"max-deaths", 0, "N",
						"end after more than N deaths in a minute (default: no limit)"},
};

/* ---- reading ---- */

/*
 * "-": getopt returns an argument in its place as that of option 1, so that options can
 * stand anywhere, also under POSIXLY_CORRECT. ":": getopt prints nothing.
 */
static void
make_getopt_lists(struct option *options, char *letters)
{
	char *next = letters;

	*next++ = '-';
	*next++ = ':';
	for (int i = 0; i < CLI_OPTIONS; i++)
	{
		const cli_option_info *info = &cli_option_list[i];

		options[i] =
			(struct option){.name = info->name,
							.has_arg = info->argument != NULL ? required_argument : no_argument,
							.val = FIRST_CODE + i};
		if (info->letter == 0 || info->letter == '?')
			continue;
		*next++ = info->letter;
		if (info->argument != NULL)
			*next++ = ':';
	}
	options[CLI_OPTIONS] = (struct option){0};
	*next = '\0';
}

/* -1: none. */
static int
option_of_code(int code)
{
	if (code >= FIRST_CODE)
		return code - FIRST_CODE;
	for (int i = 0; i < CLI_OPTIONS && code != 0; i++)
		if (cli_option_list[i].letter == code)
			return i;
	return -1;
}

static void
take(cli_arguments *arguments, int option)
{
	if (option >= 0)
		arguments->option[option] = optarg != NULL ? optarg : "";
}

static void
refuse_option(cli_arguments *arguments, int code, const char *text)
{
	arguments->bad = true;
	if (code == ':')
		(void) cli_usage(NULL, "option %s needs an argument", text);
	else if (option_of_code(optopt) >= 0)
		(void) cli_usage(NULL, "option %s takes no argument", text);
	else
		(void) cli_usage(NULL, "unknown or ambiguous option %s", text);
}

void
cli_arguments_read(cli_arguments *arguments, int argc, char **argv)
{
	struct option options[CLI_OPTIONS + 1];
	char letters[2 * CLI_OPTIONS + 3];
	int code;

	make_getopt_lists(options, letters);
	for (int at = optind; (code = getopt_long(argc, argv, letters, options, NULL)) != -1;
		 at = optind)
	{
		if (code == 1)
			arguments->list[arguments->count++] = optarg;
		else if (code == '?' && strcmp(argv[at], "-?") == 0)
			take(arguments, CLI_HELP);
		else if (code == '?' || code == ':')
		{
			refuse_option(arguments, code, argv[at]);
			return;
		}
		else
			take(arguments, option_of_code(code));
	}
	for (; optind < argc; optind++)
		arguments->list[arguments->count++] = argv[optind];
}

/* ---- values ---- */

static bool
refuse(cli_option option, const char *text, const char *wanted)
{
	cli_error("--%s must be %s, not \"%s\"", cli_option_list[option].name, wanted, text);
	return false;
}

bool
cli_integer(const cli_arguments *arguments, cli_option option, long least, long most, long *value)
{
	const char *text = arguments->option[option];
	char wanted[80];
	char *end;
	long number;

	if (text == NULL)
		return true;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && number >= least && number <= most)
	{
		*value = number;
		return true;
	}
	snprintf(wanted, sizeof(wanted), "a whole number from %ld to %ld", least, most);
	return refuse(option, text, wanted);
}

/* 0: no such unit. */
static double
unit_ms(const char *unit)
{
	static const struct
	{
		const char *name;
		double ms;
	} units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ms;
	return 0;
}

bool
cli_duration(const cli_arguments *arguments, cli_option option, long most_ms, long *value_ms)
{
	const char *text = arguments->option[option];
	char *end;
	double ms;

	if (text == NULL)
		return true;
	if (!isdigit((unsigned char) text[0]))
		return refuse(option, text, "a time like 500ms, 5s, 10min, 2h or 1d");
	ms = strtod(text, &end);
	while (*end == ' ')
		end++;
	if (unit_ms(end) == 0)
		return refuse(option, text, "a time like 500ms, 5s, 10min, 2h or 1d");
	ms *= unit_ms(end);
	if (ms > (double) most_ms)
		return refuse(option, text, "a shorter time");
	*value_ms = ms > 0 && ms < 1 ? 1 : (long) ms;
	return true;
}
