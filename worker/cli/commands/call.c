/*
 * dgen call and dgen state: one answer, as JSON on a line of its own.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/report.h"
#include "cli/common/show.h"
#include "client/client.h"

/* The whole of the standard input, to be freed; NULL: the error was reported. */
static char *
read_input(size_t *length)
{
	char *text = NULL;
	FILE *copy = open_memstream(&text, length);
	char part[8192];
	size_t count;
	bool good;

	if (copy == NULL)
		return NULL;
	while ((count = fread(part, 1, sizeof(part), stdin)) > 0)
		fwrite(part, 1, count, copy);
	good = !ferror(stdin) && !ferror(copy);
	if (fclose(copy) == 0 && good)
		return text;
	cli_error("could not read the standard input");
	free(text);
	return NULL;
}

static cli_exit
call(dgen_client *client, const cli_arguments *arguments, const char *message, size_t length,
	 int timeout_ms)
{
	const char *reply;
	int code = dgen_client_call(client, arguments->list[1], arguments->list[2], message, length,
								timeout_ms, &reply, NULL);

	if (code != 0)
		return cli_client_failed(client, code);
	cli_print_json(reply);
	return CLI_OK;
}

cli_exit
cli_call(const cli_arguments *arguments)
{
	const char *message = arguments->count > 3 ? arguments->list[3] : "null";
	size_t length = strlen(message);
	char *input = NULL;
	long timeout_ms = 5000;
	cli_exit status;
	dgen_client *client;

	if (!cli_duration(arguments, CLI_TIMEOUT, INT_MAX, &timeout_ms))
		return CLI_USAGE;
	if (strcmp(message, "-") == 0)
	{
		message = input = read_input(&length);
		if (input == NULL)
			return CLI_USAGE;
	}
	client = cli_open_client(arguments, &status);
	if (client != NULL)
		status = call(client, arguments, message, length, timeout_ms == 0 ? -1 : (int) timeout_ms);
	dgen_client_close(client);
	free(input);
	return status;
}

cli_exit
cli_state(const cli_arguments *arguments)
{
	cli_exit status;
	dgen_client *client = cli_open_client(arguments, &status);
	const char *state;
	int code;

	if (client == NULL)
		return status;
	code = dgen_client_state(client, arguments->list[1], arguments->list[2], &state, NULL);
	if (code == 0)
		cli_print_json(state);
	else
		status = cli_client_failed(client, code);
	dgen_client_close(client);
	return status;
}
