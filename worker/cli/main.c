/*
 * The program dgen: its commands, and the way to them.
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
	 "input is a pipe or a file: then each of its lines is one message. JSON - reads lines\n"
	 "in any case. Lines are sent in batches, in order; one that is bad is reported with its\n"
	 "number and left out. With --key-from each line has its key in it, and KEY is left out.\n"
	 "With --idempotency-key-from lines that broke off can be run again: each is sent once.\n"
	 "What begins with - goes behind --: dgen cast counter a -- -5\n",
	 1, 3,
	 CLI_BIT(CLI_JSON) | CLI_BIT(CLI_DELAY) | CLI_BIT(CLI_PRIORITY) | CLI_BIT(CLI_IDEMPOTENCY_KEY) |
		 CLI_BIT(CLI_HEADERS) | CLI_BIT(CLI_FILE) | CLI_BIT(CLI_KEY_FROM) |
		 CLI_BIT(CLI_IDEMPOTENCY_KEY_FROM) | CLI_BIT(CLI_QUIET),
	 cli_cast},
	{"call", "TYPE KEY [JSON]", "send a message and print the reply",
	 "Prints the reply, which is JSON. Without JSON the message is null; JSON - takes it from\n"
	 "the standard input.\n",
	 2, 3, CLI_BIT(CLI_JSON) | CLI_BIT(CLI_TIMEOUT), cli_call},
	{"state", "TYPE KEY", "print an actor's state", "Prints the committed state, which is JSON.\n",
	 2, 2, CLI_BIT(CLI_JSON), cli_state},
	{"actors", "[TYPE [KEY]]", "show actors", "Shows the actors that have a state.\n", 0, 2,
	 LISTING, cli_actors},
	{"messages", "[TYPE [KEY]]", "show messages that wait",
	 "Shows messages in the order in which they were sent; those of one actor in the order\n"
	 "in which they will be handled.\n",
	 0, 2, LISTING, cli_messages},
	{"dead", "[list [TYPE [KEY]]]", "show dead letters",
	 "  dgen dead redrive ID...      send dead letters again, to the end of their mailboxes\n"
	 "  dgen dead discard ID...      drop dead letters\n",
	 0, -1, LISTING, cli_dead},
	{"explain", "TYPE KEY", "tell why an actor does or does not make progress",
	 "Tells it in a sentence, with the process that blocks the actor.\n", 2, 2, CLI_BIT(CLI_JSON),
	 cli_explain},
	{"types", "", "show actor types", "Shows the actor types that you can read.\n", 0, 0, LISTING,
	 cli_types},
	{"workers", "", "show live workers", "Shows the workers of actor types that you can read.\n", 0,
	 0, LISTING, cli_workers},
	{"worker", "FILE.so", "run actor types in a shared object",
	 "Each worker is a process of its own, which is replaced when it crashes. SIGINT or SIGTERM\n"
	 "ends them after the turns under way, a second signal at once. SIGHUP replaces one after\n"
	 "the other, and so brings a new FILE.so into use. What FILE.so has to contain stands in\n"
	 "dgen.h, \"worker programs\".\n",
	 1, 1,
	 CLI_BIT(CLI_JOBS) | CLI_BIT(CLI_NAME) | CLI_BIT(CLI_DRAIN) | CLI_BIT(CLI_QUIET) |
		 CLI_BIT(CLI_VERBOSE) | CLI_BIT(CLI_THREADS) | CLI_BIT(CLI_GRACE) |
		 CLI_BIT(CLI_TURN_TIMEOUT) | CLI_BIT(CLI_REPLACE_TIMEOUT) | CLI_BIT(CLI_MAX_DEATHS),
	 cli_worker},
	{"bench", "WORKLOAD", "measure speed, and that of the same work without actors",
	 "Workloads:\n"
	 "  drain      messages that wait on many actors, until none waits\n"
	 "  send       clients send, one message per transaction\n"
	 "  cast       clients start casts, as many at once as they may, and get a callback\n"
	 "  sustained  clients send, and workers keep up with them\n"
	 "  call       clients send and wait for the reply\n"
	 "  chain      each actor sends to the next; what one hop takes\n"
	 "  idle       workers wait; what that costs\n\n"
	 "Makes a schema and an actor type of its own in the database, and drops them at the end.\n"
	 "After that the same is measured without actors: raw, as the fewest statements that change\n"
	 "the same rows, and hand-made, as it is often written: a table of jobs, one per\n"
	 "transaction, FOR UPDATE SKIP LOCKED. bench/README.md has the method.\n",
	 1, 1,
	 CLI_BIT(CLI_LANE) | CLI_BIT(CLI_HANDLER_NAME) | CLI_BIT(CLI_ACTORS) | CLI_BIT(CLI_MESSAGES) |
		 CLI_BIT(CLI_CLIENTS) | CLI_BIT(CLI_WORKERS) | CLI_BIT(CLI_JOBS) | CLI_BIT(CLI_TIME) |
		 CLI_BIT(CLI_WARM_UP) | CLI_BIT(CLI_ROUNDS) | CLI_BIT(CLI_SEED) | CLI_BIT(CLI_RATE) |
		 CLI_BIT(CLI_IDLE_ACTORS) | CLI_BIT(CLI_HOLD_SNAPSHOT) | CLI_BIT(CLI_NO_BASELINE) |
		 CLI_BIT(CLI_PROGRESS) | CLI_BIT(CLI_QUIET) | CLI_BIT(CLI_JSON),
	 cli_bench},
	{"top", "", "show actor types, workers and what is stuck, again and again",
	 "The key q ends it, any other looks at once. If the output is no terminal, one look comes\n"
	 "after the other; --limit says how many. Messages are counted up to 10000 for each type.\n",
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

/* "dgen help" and "dgen help cast" are understood as well. */
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
