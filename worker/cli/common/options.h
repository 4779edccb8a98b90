/*
 * The command line.
 */
#ifndef DGEN_CLI_COMMON_OPTIONS_H
#define DGEN_CLI_COMMON_OPTIONS_H

#include "dgen.h"

typedef enum cli_option
{
	CLI_HOST,
	CLI_PORT,
	CLI_USER,
	CLI_DATABASE,
	CLI_NO_PASSWORD,
	CLI_PASSWORD,
	CLI_HELP,
	CLI_VERSION,
	CLI_JSON,
	CLI_LIMIT,
	CLI_TIMEOUT,
	CLI_DELAY,
	CLI_PRIORITY,
	CLI_IDEMPOTENCY_KEY,
	CLI_HEADERS,
	CLI_FILE,
	CLI_KEY_FROM,
	CLI_IDEMPOTENCY_KEY_FROM,
	CLI_QUIET,
	CLI_JOBS,
	CLI_NAME,
	CLI_DRAIN,
	CLI_VERBOSE,
	CLI_LANE,
	CLI_HANDLER_NAME,
	CLI_ACTORS,
	CLI_MESSAGES,
	CLI_CLIENTS,
	CLI_WORKERS,
	CLI_TIME,
	CLI_WARM_UP,
	CLI_ROUNDS,
	CLI_SEED,
	CLI_RATE,
	CLI_IDLE_ACTORS,
	CLI_HOLD_SNAPSHOT,
	CLI_NO_BASELINE,
	CLI_PROGRESS,
	CLI_INTERVAL,
	CLI_THREADS,
	CLI_GRACE,
	CLI_TURN_TIMEOUT,
	CLI_REPLACE_TIMEOUT,
	CLI_MAX_DEATHS,
	CLI_OPTIONS
} cli_option;

#define CLI_BIT(option) (UINT64_C(1) << (option))
#define CLI_CONNECTION_OPTIONS                                                           \
	(CLI_BIT(CLI_HOST) | CLI_BIT(CLI_PORT) | CLI_BIT(CLI_USER) | CLI_BIT(CLI_DATABASE) | \
	 CLI_BIT(CLI_NO_PASSWORD) | CLI_BIT(CLI_PASSWORD))
#define CLI_GENERAL_OPTIONS (CLI_BIT(CLI_HELP) | CLI_BIT(CLI_VERSION))

typedef struct cli_option_info
{
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* NULL: a flag */
	const char *help;
} cli_option_info;

extern const cli_option_info cli_option_list[CLI_OPTIONS];

/* All text is the command line's own. */
typedef struct cli_arguments
{
	const char *option[CLI_OPTIONS]; /* NULL: not given; a flag that was given: "" */
	const char **list;               /* what is not an option, the command's name first */
	int count;
	bool bad; /* what was wrong has been reported */
} cli_arguments;

/* list has room for as many as argv has. */
extern void cli_arguments_read(cli_arguments *arguments, int argc, char **argv);

/* The option as a number; *value stays as it is if it was not given. False: it was reported. */
extern bool cli_integer(const cli_arguments *arguments, cli_option option, long least, long most,
						long *value);
/* The same for "500ms", "5s" or "5", "10min", "2h", "1d", in milliseconds. */
extern bool cli_duration(const cli_arguments *arguments, cli_option option, long most_ms,
						 long *value_ms);

#endif /* DGEN_CLI_COMMON_OPTIONS_H */
