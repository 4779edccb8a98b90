/*
 * dgen cast: one message from the command line, or one per line of input, in batches.
 *
 *     lines that have arrived ──> batch ──cast_many──> all sent
 *                                   ^         │ one is bad
 *                                   └─ halves ┘ until it is alone: reported, left out
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/lines.h"
#include "cli/common/options.h"
#include "cli/common/progress.h"
#include "cli/common/report.h"
#include "client/client.h"

#define BATCH 1000 /* messages */
#define BATCH_BYTES ((size_t) 8 * 1024 * 1024)
#define KEY_MOST 512 /* bytes */

typedef struct Sender
{
	dgen_client *client;
	const char *type;
	const char *key;       /* NULL: each line has one */
	const char *key_from;  /* JSON pointer to it */
	const char *once_from; /* JSON pointer to the idempotency key; NULL: there are none */
	cli_lines lines;
	cli_progress progress;
	size_t count; /* of the batch */
	size_t bytes;
	dgen_message messages[BATCH];
	uint64_t numbers[BATCH];
	char keys[BATCH][KEY_MOST + 1];
	char idempotency_keys[BATCH][KEY_MOST + 1];
	uint64_t sent;
	uint64_t before; /* sent by an earlier run */
	uint64_t bad;
	uint64_t done; /* the line up to which all were sent or reported */
} Sender;

/* ---- stopping in the middle ---- */

static volatile sig_atomic_t interrupted;

static void
interrupt(int number)
{
	interrupted = number;
}

/* The batch in progress is finished, so that it is known what was sent. */
static void
catch_interrupts(void)
{
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int) SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- one batch ---- */

static void __attribute__((format(printf, 3, 4)))
refuse_line(Sender *sender, uint64_t number, const char *format, ...)
{
	char label[40];
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cli_progress_clear(&sender->progress);
	snprintf(label, sizeof(label), "line %" PRIu64, number);
	cli_say(label, "%s", text);
	sender->bad++;
}

/* Is the error about one message, so that the others can be sent? */
static bool
is_about_message(const dgen_client *client, int code)
{
	const char *sqlstate = dgen_client_sqlstate(client);

	if (code == DGEN_ESERVER) /* bad data, or beyond a limit of the server */
		return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "54", 2) == 0;
	return code == DGEN_EJSON;
}

/* Sends that part of the batch, but for messages that are bad. */
static int
send_part(Sender *sender, size_t first, size_t count)
{
	int code = dgen_client_cast_many(sender->client, sender->type, &sender->messages[first], count);

	if (code == 0)
	{
		sender->sent += dgen_client_sent(sender->client);
		sender->before += count - dgen_client_sent(sender->client);
		sender->done = sender->numbers[first + count - 1];
		return 0;
	}
	if (!is_about_message(sender->client, code))
		return code;
	if (count == 1)
	{
		sender->done = sender->numbers[first];
		refuse_line(sender, sender->done, "%s", dgen_client_error(sender->client));
		return 0;
	}
	code = send_part(sender, first, count / 2);
	return code != 0 ? code : send_part(sender, first + count / 2, count - count / 2);
}

static cli_exit
stopped(Sender *sender, int code)
{
	const uint64_t last = sender->numbers[sender->count - 1];
	cli_exit status;

	cli_progress_clear(&sender->progress);
	status = cli_client_failed(sender->client, code);
	if (sender->done > 0)
		cli_hint("All lines up to line %" PRIu64 " were sent or reported.", sender->done);
	if (status == CLI_CONNECTION)
		cli_hint(sender->once_from == NULL
					 ? "Whether lines %" PRIu64 " to %" PRIu64 " were sent is not known."
					 : "Whether lines %" PRIu64 " to %" PRIu64
					   " were sent is not known; run it again: each is sent once.",
				 sender->done + 1, last);
	return status;
}

static cli_exit
send_batch(Sender *sender)
{
	int code = sender->count > 0 ? send_part(sender, 0, sender->count) : 0;
	cli_exit status = code != 0 ? stopped(sender, code) : CLI_OK;

	sender->count = 0;
	sender->bytes = 0;
	if (code == 0)
		cli_progress_step(&sender->progress, sender->sent + sender->before, sender->lines.read,
						  sender->lines.total);
	return status;
}

/* ---- lines ---- */

static bool
is_blank(const char *line, size_t length)
{
	while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL && line[length - 1] != '\0')
		length--;
	return length == 0;
}

/* Strings without quotes, numbers as they are. False: there is none, and the line was reported. */
static bool
find_key(Sender *sender, const char *line, size_t length, const char *from, char *key)
{
	const uint64_t number = sender->lines.number;
	dgen_json value;
	int64_t whole;
	long bytes;

	if (dgen_json_find(line, length, from, &value) != 0)
	{
		refuse_line(sender, number, "nothing at \"%s\"", from);
		return false;
	}
	bytes = dgen_json_string(&value, key, KEY_MOST + 1);
	if (bytes > 0 && bytes <= KEY_MOST)
		return true;
	if (bytes == DGEN_ETYPE && dgen_json_int64(&value, &whole) == 0)
	{
		snprintf(key, KEY_MOST + 1, "%" PRId64, whole);
		return true;
	}
	refuse_line(sender, number, "the value at \"%s\" is not a key of 1 to %d bytes", from,
				KEY_MOST);
	return false;
}

/* Those that the line has in it. */
static bool
find_keys(Sender *sender, const char *line, size_t length)
{
	if (sender->key_from == NULL && sender->once_from == NULL)
		return true;
	if (dgen_json_check(line, length) != 0)
	{
		refuse_line(sender, sender->lines.number, "not valid JSON");
		return false;
	}
	return (sender->key_from == NULL ||
			find_key(sender, line, length, sender->key_from, sender->keys[sender->count])) &&
		   (sender->once_from == NULL || find_key(sender, line, length, sender->once_from,
												  sender->idempotency_keys[sender->count]));
}

static void
add_line(Sender *sender, const char *line, size_t length)
{
	if (sender->lines.too_long)
	{
		refuse_line(sender, sender->lines.number, "more than %zu bytes", CLI_LINE_MOST);
		return;
	}
	if (is_blank(line, length) || !find_keys(sender, line, length))
		return;
	sender->messages[sender->count] = (dgen_message){
		.key = sender->key != NULL ? sender->key : sender->keys[sender->count],
		.message = line,
		.length = length,
		.idempotency_key =
			sender->once_from != NULL ? sender->idempotency_keys[sender->count] : NULL};
	sender->numbers[sender->count++] = sender->lines.number;
	sender->bytes += length;
}

/* All lines that are here already. */
static cli_exit
send_lines(Sender *sender)
{
	const char *line;
	size_t length;
	cli_exit status = CLI_OK;

	while (status == CLI_OK && !interrupted && cli_lines_next(&sender->lines, &line, &length))
	{
		add_line(sender, line, length);
		if (sender->count == BATCH || sender->bytes >= BATCH_BYTES)
			status = send_batch(sender);
	}
	return status == CLI_OK ? send_batch(sender) : status;
}

static cli_exit
send_input(Sender *sender)
{
	cli_exit status = CLI_OK;

	while (status == CLI_OK && !interrupted && cli_lines_fill(&sender->lines))
		status = send_lines(sender);
	cli_progress_clear(&sender->progress);
	if (status != CLI_OK || interrupted || sender->lines.error == 0)
		return status;
	cli_error("could not read the input after line %" PRIu64 ": %s", sender->lines.number,
			  strerror(sender->lines.error));
	return CLI_USAGE;
}

/* ---- the end ---- */

static void
summarize(const Sender *sender, const cli_arguments *arguments)
{
	if (sender->bad > 0)
		cli_error("%" PRIu64 " line%s could not be sent", sender->bad, sender->bad == 1 ? "" : "s");
	if (arguments->option[CLI_JSON] != NULL)
		printf("{\"sent\":%" PRIu64 ",\"before\":%" PRIu64 ",\"bad\":%" PRIu64 "}\n", sender->sent,
			   sender->before, sender->bad);
	else if (arguments->option[CLI_QUIET] == NULL)
	{
		printf("%" PRIu64 " message%s sent", sender->sent, sender->sent == 1 ? "" : "s");
		if (sender->before > 0)
			printf(", %" PRIu64 " had been sent before", sender->before);
		putchar('\n');
	}
}

static void
die_of_signal(const Sender *sender)
{
	fflush(stdout);
	cli_error("interrupted; lines after %" PRIu64 " were not sent", sender->lines.number);
	signal(interrupted, SIG_DFL);
	raise(interrupted);
}

/* Where the input was not asked for, an empty one is most likely not meant to be it. */
static cli_exit
finish(const Sender *sender, const cli_arguments *arguments, bool asked, cli_exit status)
{
	if (status == CLI_OK && !interrupted && !asked && sender->lines.number == 0)
	{
		cli_error("no message: the standard input is empty");
		cli_hint("Give a message, such as null, or - to read lines.");
		return CLI_USAGE;
	}
	summarize(sender, arguments);
	if (interrupted)
		die_of_signal(sender);
	return status == CLI_OK && sender->bad > 0 ? CLI_BAD_LINES : status;
}

static cli_exit
cast_lines(const cli_arguments *arguments, const char *path, bool asked)
{
	Sender *sender = calloc(1, sizeof(*sender));
	cli_exit status;

	if (sender == NULL)
		return cli_no_memory();
	sender->type = arguments->list[1];
	sender->key_from = arguments->option[CLI_KEY_FROM];
	sender->once_from = arguments->option[CLI_IDEMPOTENCY_KEY_FROM];
	sender->key = sender->key_from == NULL ? arguments->list[2] : NULL;
	if (!cli_lines_open(&sender->lines, path))
		status = CLI_USAGE;
	else if ((sender->client = cli_open_client(arguments, &status)) != NULL)
	{
		catch_interrupts();
		cli_progress_begin(&sender->progress, arguments->option[CLI_QUIET] != NULL);
		status = finish(sender, arguments, asked, send_input(sender));
	}
	dgen_client_close(sender->client);
	cli_lines_close(&sender->lines);
	free(sender);
	return status;
}

/* ---- one message ---- */

static cli_exit
send_one(dgen_client *client, const cli_arguments *arguments, const dgen_send_options *options)
{
	const char *message = arguments->count > 3 ? arguments->list[3] : NULL;
	int64_t id;
	int code = dgen_client_cast(client, arguments->list[1], arguments->list[2], message,
								DGEN_STRLEN, options, &id);

	if (code != 0)
		return cli_client_failed(client, code);
	if (arguments->option[CLI_JSON] != NULL)
		printf("{\"message_id\":%" PRId64 "}\n", id);
	else if (arguments->option[CLI_QUIET] == NULL)
		printf("%" PRId64 "\n", id);
	return CLI_OK;
}

static cli_exit
cast_one(const cli_arguments *arguments)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	long delay_ms = 0;
	long priority = 0;
	cli_exit status;
	dgen_client *client;

	if (!cli_duration(arguments, CLI_DELAY, INT32_MAX * 1000L, &delay_ms) ||
		!cli_integer(arguments, CLI_PRIORITY, INT16_MIN, INT16_MAX, &priority))
		return CLI_USAGE;
	options.delay_ms = delay_ms;
	options.priority = (int) priority;
	options.idempotency_key = arguments->option[CLI_IDEMPOTENCY_KEY];
	options.headers = arguments->option[CLI_HEADERS];
	client = cli_open_client(arguments, &status);
	if (client != NULL)
		status = send_one(client, arguments, &options);
	dgen_client_close(client);
	return status;
}

/* ---- which of the two ---- */

static const cli_option single_options[] = {CLI_DELAY, CLI_PRIORITY, CLI_IDEMPOTENCY_KEY,
											CLI_HEADERS};

/* NULL: none of those that only one message can have. */
static const char *
single_option(const cli_arguments *arguments)
{
	for (size_t i = 0; i < sizeof(single_options) / sizeof(single_options[0]); i++)
		if (arguments->option[single_options[i]] != NULL)
			return cli_option_list[single_options[i]].name;
	return NULL;
}

/* A pipe or a file is meant to be read. A terminal, /dev/null and the like are just there. */
static bool
has_input(void)
{
	struct stat status;

	return fstat(STDIN_FILENO, &status) == 0 && !S_ISCHR(status.st_mode);
}

static cli_exit
check_lines(const cli_arguments *arguments, bool dash)
{
	const bool key_from = arguments->option[CLI_KEY_FROM] != NULL;
	const char *single = single_option(arguments);
	const size_t type_bytes = strlen(arguments->list[1]);

	if (arguments->count - dash != (key_from ? 2 : 3))
		return cli_usage("cast", "%s",
						 key_from
							 ? "with --key-from give a TYPE, but no KEY and no JSON"
							 : "to send lines give a TYPE and a KEY or --key-from, but no JSON");
	if (type_bytes < 1 || type_bytes > 128)
		return cli_usage("cast", "TYPE must have 1 to 128 bytes, not %zu", type_bytes);
	if (single != NULL)
		return cli_usage("cast", "--%s is for a message on the command line, not for lines",
						 single);
	return CLI_OK;
}

cli_exit
cli_cast(const cli_arguments *arguments)
{
	const char *file = arguments->option[CLI_FILE];
	const bool dash = arguments->count > 2 &&
					  strcmp(arguments->list[arguments->count - 1], "-") == 0 &&
					  (arguments->count == 4 || arguments->option[CLI_KEY_FROM] != NULL);
	const bool asked = file != NULL || dash || arguments->option[CLI_KEY_FROM] != NULL ||
					   arguments->option[CLI_IDEMPOTENCY_KEY_FROM] != NULL;

	if (asked || (arguments->count == 3 && single_option(arguments) == NULL && has_input()))
	{
		cli_exit status = check_lines(arguments, dash);

		if (file != NULL && strcmp(file, "-") == 0)
			file = NULL;
		return status != CLI_OK ? status : cast_lines(arguments, file, asked);
	}
	if (arguments->count < 3)
		return cli_usage("cast", "TYPE and KEY are needed");
	return cast_one(arguments);
}
