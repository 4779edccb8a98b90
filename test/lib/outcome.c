/*
 * What a client is told whose connection is cut in the middle of a statement: one line per
 * operation, its name, code and error. test/t/185_outcome.pl cuts.
 *
 *   outcome CONNINFO MODE KEY [IDEMPOTENCY_KEY]
 */
#include <stdio.h>
#include <string.h>

#include "dgen.h"

static void
say(const char *name, int code, dgen_client *client)
{
	printf("%s %d %s\n", name, code, code == 0 ? "" : dgen_client_error(client));
	fflush(stdout);
}

static void
done(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	(void) reply;
	(void) length;
	say(user, code, client);
}

static void
run(dgen_client *client, const char *mode, const char *key, const dgen_send_options *options)
{
	dgen_message many[2] = {{key, NULL, 0, options->idempotency_key}, {key, NULL, 0, NULL}};

	if (strcmp(mode, "cast") == 0)
		say(mode, dgen_client_cast(client, "silent", key, NULL, 0, options, NULL), client);
	else if (strcmp(mode, "request") == 0)
		say(mode, dgen_client_request(client, "silent", key, NULL, 0, options, NULL), client);
	else if (strcmp(mode, "many") == 0)
		say(mode, dgen_client_cast_many(client, "silent", many, 2), client);
	else if (strcmp(mode, "call") == 0)
		say(mode, dgen_client_call(client, "silent", key, NULL, 0, 100, NULL, NULL), client);
	else
	{
		dgen_client_start_cast(client, "silent", key, NULL, 0, options, done, "first");
		dgen_client_start_cast(client, "silent", key, NULL, 0, NULL, done, "second");
		dgen_client_finish(client, 60000);
	}
}

int
main(int argc, char **argv)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	dgen_client *client = NULL;
	int code;

	if (argc < 4)
		return 2;
	if (argc > 4)
		options.idempotency_key = argv[4];
	code = dgen_client_open(&client, argv[1], NULL);
	if (code == 0)
		run(client, argv[2], argv[3], &options);
	else
		say("open", code, client);
	dgen_client_close(client);
	return 0;
}
