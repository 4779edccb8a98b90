/*
 * The program dgen: its commands, help and version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands/commands.h"
#include "cli/common/options.h"
#include "cli/common/report.h"

#define LISTING (CLI_BIT(CLI_JSON) | CLI_BIT(CLI_LIMIT))

const cli_command cli_command_list[] = {
	{"cast", "TYPE KEY [JSON]", "send a message",
	 "Prints the id of the message. Without JSON the message is null, unless the standard\n"
	 "input is a pipe or a file: then each of its lines is one message. If JSON is -, lines\n"
	 "are read in any case. Lines are sent in batches and in order. A line that cannot be\n"
	 "sent is reported with its number, and the others are sent. With --key-from, leave KEY\n"
	 "out: each line contains its key. With --idempotency-key-from you can send the lines of\n"
	 "an interrupted run again: each is sent once. Put an argument that begins with a minus\n"
	 "sign after --: dgen cast counter a -- -5\n",
	 1, 3,
	 CLI_BIT(CLI_JSON) | CLI_BIT(CLI_DELAY) | CLI_BIT(CLI_PRIORITY) | CLI_BIT(CLI_IDEMPOTENCY_KEY) |
		 CLI_BIT(CLI_HEADERS) | CLI_BIT(CLI_FILE) | CLI_BIT(CLI_KEY_FROM) |
		 CLI_BIT(CLI_IDEMPOTENCY_KEY_FROM) | CLI_BIT(CLI_QUIET),
	 cli_cast},
	{"call", "TYPE KEY [JSON]", "send a message and print the reply",
	 "Prints the reply, which is JSON. Without JSON the message is null. If JSON is -, the\n"
	 "message is read from the standard input.\n",
	 2, 3, CLI_BIT(CLI_JSON) | CLI_BIT(CLI_TIMEOUT), cli_call},
	{"state", "TYPE KEY", "print an actor's state", "Prints the committed state, which is JSON.\n",
	 2, 2, CLI_BIT(CLI_JSON), cli_state},
	{"actors", "[TYPE [KEY]]", "show actors", "Shows the actors that have a state.\n", 0, 2,
	 LISTING, cli_actors},
	{"messages", "[TYPE [KEY]]", "show messages that wait or are being handled",
	 "Shows messages in the order in which they were sent; those of one actor in the order\n"
	 "in which they will be handled.\n",
	 0, 2, LISTING, cli_messages},
	{"dead", "[list [TYPE [KEY]]]", "show dead letters",
	 "  dgen dead redrive ID...      send dead letters again, to the ends of their mailboxes\n"
	 "  dgen dead discard ID...      delete dead letters\n",
	 0, -1, LISTING, cli_dead},
	{"explain", "TYPE KEY", "say why an actor does or does not make progress",
	 "Prints one sentence, with the process that blocks the actor.\n", 2, 2, CLI_BIT(CLI_JSON),
	 cli_explain},
	{"types", "", "show actor types", "Shows the actor types that you can read.\n", 0, 0, LISTING,
	 cli_types},
	{"workers", "", "show live workers", "Shows the workers of actor types that you can read.\n", 0,
	 0, LISTING, cli_workers},
	{"worker", "FILE.so", "run actor types in a shared object",
	 "Each worker is a process of its own. A supervisor replaces a process that dies. On SIGINT\n"
	 "and SIGTERM all workers finish the turns in progress and end; a second signal ends them\n"
	 "immediately. On SIGHUP the supervisor replaces one process after the other, and the new\n"
	 "ones load FILE.so again. \"Worker programs\" in dgen.h says what FILE.so must contain.\n",
	 1, 1,
	 CLI_BIT(CLI_JOBS) | CLI_BIT(CLI_NAME) | CLI_BIT(CLI_DRAIN) | CLI_BIT(CLI_QUIET) |
		 CLI_BIT(CLI_VERBOSE) | CLI_BIT(CLI_THREADS) | CLI_BIT(CLI_GRACE) |
		 CLI_BIT(CLI_TURN_TIMEOUT) | CLI_BIT(CLI_REPLACE_TIMEOUT) | CLI_BIT(CLI_MAX_DEATHS),
	 cli_worker},
	{"bench", "WORKLOAD", "measure speed, with actors and without",
	 "Workloads:\n"
	 "  drain      messages wait for many actors, and workers handle them until none waits\n"
	 "  send       clients send, one message per transaction\n"
	 "  cast       clients start as many casts as possible at the same time; callbacks report them\n"
	 "  sustained  clients send, and workers keep up with them\n"
	 "  call       clients send and wait for the reply\n"
	 "  chain      each actor sends to the next; the result is the time of one hop\n"
	 "  idle       workers wait; the result is what they run, and their processor time\n\n"
	 "Creates a schema and an actor type in the database, and drops them at the end. After the\n"
	 "actors, measures the same work twice without them: raw, the fewest statements that change\n"
	 "the same rows, and hand-made, a table of jobs, one per transaction with FOR UPDATE SKIP\n"
	 "LOCKED. bench/README.md describes the method.\n",
	 1, 1,
	 CLI_BIT(CLI_LANE) | CLI_BIT(CLI_HANDLER_NAME) | CLI_BIT(CLI_ACTORS) | CLI_BIT(CLI_MESSAGES) |
		 CLI_BIT(CLI_CLIENTS) | CLI_BIT(CLI_WORKERS) | CLI_BIT(CLI_JOBS) | CLI_BIT(CLI_TIME) |
		 CLI_BIT(CLI_WARM_UP) | CLI_BIT(CLI_ROUNDS) | CLI_BIT(CLI_SEED) | CLI_BIT(CLI_RATE) |
		 CLI_BIT(CLI_IDLE_ACTORS) | CLI_BIT(CLI_HOLD_SNAPSHOT) | CLI_BIT(CLI_NO_BASELINE) |
		 CLI_BIT(CLI_PROGRESS) | CLI_BIT(CLI_QUIET) | CLI_BIT(CLI_JSON),
	 cli_bench},
	{"top", "", "show actor types, workers and stuck actors, repeatedly",
	 "The key q ends the command, and any other key refreshes it. If the output is not a\n"
	 "terminal, it is repeated; --limit says how many times. For each type at most 10000\n"
	 "messages are counted.\n",
	 0, 0, LISTING | CLI_BIT(CLI_INTERVAL), cli_top},
	{NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
};

const cli_command *
cli_command_find(const char *name)
{
	for (const cli_command *command = cli_command_list; command->name != NULL; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* ---- help and version ---- */

static cli_exit
help(const char *name)
{
	const cli_command *command = name != NULL ? cli_command_find(name) : NULL;

	if (name == NULL)
		cli_help();
	else if (command != NULL)
		cli_help_command(command);
	else
		return cli_usage(NULL, "there is no command \"%s\"", name);
	return CLI_OK;
}

/* "dgen help" and "dgen help cast" work, too. */
static bool
wants_help(cli_arguments *arguments)
{
	if (arguments->count > 0 && strcmp(arguments->list[0], "help") == 0)
	{
		arguments->list++;
		arguments->count--;
		return true;
	}
	return arguments->option[CLI_HELP] != NULL;
}

/* ---- one command ---- */

static cli_exit
check(const cli_command *command, const cli_arguments *arguments)
{
	const uint64_t known = command->options | CLI_CONNECTION_OPTIONS | CLI_GENERAL_OPTIONS;
	const int count = arguments->count - 1;

	for (int i = 0; i < CLI_OPTIONS; i++)
		if (arguments->option[i] != NULL && (known & CLI_BIT(i)) == 0)
			return cli_usage(command->name, "%s has no option --%s", command->name,
							 cli_option_list[i].name);
	if (count < command->least || (command->most >= 0 && count > command->most))
		return cli_usage(command->name, "%s takes %s%s", command->name,
						 count < command->least ? "" : "only ",
						 command->most == 0 ? "options" : command->synopsis);
	return CLI_OK;
}

static cli_exit
run(const cli_arguments *arguments)
{
	const cli_command *command;
	cli_exit status;

	if (arguments->count == 0)
		return cli_usage(NULL, "no command was given");
	command = cli_command_find(arguments->list[0]);
	if (command == NULL)
		return cli_usage(NULL, "there is no command \"%s\"", arguments->list[0]);
	status = check(command, arguments);
	return status != CLI_OK ? status : command->run(arguments);
}

static cli_exit
start(cli_arguments *arguments)
{
	if (arguments->bad)
		return CLI_USAGE;
	if (arguments->option[CLI_VERSION] != NULL)
	{
		printf("dgen %s\n", dgen_version());
		return CLI_OK;
	}
	if (wants_help(arguments))
		return help(arguments->count > 0 ? arguments->list[0] : NULL);
	return run(arguments);
}

int
main(int argc, char **argv)
{
	const char **list = calloc((size_t) argc + 1, sizeof(*list));
	cli_arguments arguments = {.list = list};
	cli_exit status;

	if (list == NULL)
		return cli_no_memory();
	cli_arguments_read(&arguments, argc, argv);
	status = cli_finish_output(start(&arguments));
	free(list);
	return status;
}
