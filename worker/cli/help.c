/*
 * What --help prints, from the lists of commands and options.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands/commands.h"
#include "cli/common/options.h"

static void
print_option(cli_option option)
{
	const cli_option_info *info = &cli_option_list[option];
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", info->letter != 0 ? '-' : ' ',
			 info->letter != 0 ? info->letter : ' ', info->letter != 0 ? "," : " ", info->name,
			 info->argument != NULL ? "=" : "", info->argument != NULL ? info->argument : "");
	printf("  %-28s %s\n", left, info->help);
}

static void
print_options(const char *title, uint64_t options)
{
	if (options != 0)
		printf("\n%s:\n", title);
	for (int i = 0; i < CLI_OPTIONS; i++)
		if ((options & CLI_BIT(i)) != 0)
			print_option((cli_option) i);
}

static void
print_exit_status(void)
{
	fputs("\nExit status:\n"
		  "  0  success\n"
		  "  1  wrong arguments or input, or a file, memory or the output failed\n"
		  "  2  no connection to the server, or it was lost\n"
		  "  3  the server reported an error\n"
		  "  4  not found, or no reply before the timeout\n"
		  "  5  the handler of a call failed, or workers died too often\n"
		  "  6  cast: some lines were bad; the others were sent\n"
		  "  7  bench: messages were lost or handled twice\n",
		  stdout);
}

void
cli_help(void)
{
	fputs("dgen sends messages to durable actors in PostgreSQL, and runs and inspects them.\n\n"
		  "Usage:\n  dgen COMMAND [ARGUMENT]... [OPTION]...\n\nCommands:\n",
		  stdout);
	for (const cli_command *command = cli_command_list; command->name != NULL; command++)
	{
		char left[64];

		snprintf(left, sizeof(left), "%s %s", command->name, command->synopsis);
		printf("  %-28s %s\n", left, command->purpose);
	}
	print_options("Connection options", CLI_CONNECTION_OPTIONS);
	print_options("General options", CLI_GENERAL_OPTIONS);
	print_exit_status();
	fputs("\nThe environment variables of libpq (PGHOST, PGDATABASE, ...) work as in psql.\n"
		  "\"dgen COMMAND --help\" describes a command, and the manual page dgen(1) all of them.\n",
		  stdout);
}

void
cli_help_command(const cli_command *command)
{
	printf("dgen %s: %s\n\nUsage:\n  dgen %s %s [OPTION]...\n\n%s", command->name, command->purpose,
		   command->name, command->synopsis, command->text);
	print_options("Options", command->options);
	print_options("Connection options", CLI_CONNECTION_OPTIONS);
}
