/*
 * What a worker and a client in UTF-8 do with a database in another encoding, driven by
 * test/t/146_encodings.pl.
 *
 *   encodings CONNINFO           a worker of type "euro", which says in "what" what it is to do; until SIGTERM
 *   encodings CONNINFO client    several operations under way, some of which the database cannot hold
 *
 * Half of the texts here have a euro sign, which LATIN1 lacks.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dgen.h"

#include "check.h"
#include "until_term.h"

#define PATIENCE 60000
#define EURO "5 \xe2\x82\xac"
#define UMLAUT "\xc3\xbc"

/* ---- the worker ---- */

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *what = dgen_turn_arg_string(turn, "/what", "");

	(void) message;
	(void) length;
	(void) user;
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	if (strcmp(what, "state") == 0)
		dgen_turn_set_string(turn, "price", EURO);
	else if (strcmp(what, "umlaut") == 0)
		dgen_turn_set_string(turn, "name", UMLAUT);
	else if (strcmp(what, "sql") == 0)
	{
		PQclear(PQexec(dgen_turn_connection(turn), dgen_turn_arg_string(turn, "/sql", "")));
		dgen_turn_set_string(turn, "name", UMLAUT);
		dgen_turn_cast(turn, "euro", UMLAUT " sent", "{}", DGEN_STRLEN, NULL);
	}
	else if (strcmp(what, "send") == 0)
		dgen_turn_cast(turn, "euro", "sent", "\"" EURO "\"", DGEN_STRLEN, NULL);
	else if (strcmp(what, "send to") == 0)
		dgen_turn_cast(turn, "euro", EURO, NULL, 0, NULL);
	else if (strcmp(what, "fail") == 0)
		return dgen_turn_fail(turn, "costs " EURO, "ZD4XX");
	else if (strcmp(what, "raise") == 0)
		return dgen_turn_raise(turn, "costs " EURO, NULL);
	else if (strcmp(what, "no text") == 0)
		return dgen_turn_fail(turn, "bytes \xff\xfe", NULL);
	else if (strcmp(what, "lock") == 0)
		return dgen_turn_lock(turn);
	else if (strcmp(what, "reply") == 0)
		return dgen_turn_reply_string(turn, EURO);
	return dgen_turn_reply_string(turn, UMLAUT);
}

static int
handle_locked(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	(void) user;
	return dgen_turn_fail(turn, "costs " EURO, NULL);
}

static int
work(const char *conninfo)
{
	const dgen_actor_type type = {
		.size = sizeof(type),
		.name = "euro",
		.handle_cast = handle,
		.handle_locked = handle_locked,
		.max_attempts = 2,
		.backoff_ms = 10,
		.max_backoff_ms = 20,
	};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;

	return work_until_term(conninfo, &options, &type, 1);
}

/* ---- the client ---- */

#define MANY 300
#define is_bad(i) ((i) % 97 == 5)

static int codes[MANY];
static int ended;

static void
note(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	(void) client;
	(void) reply;
	(void) length;
	codes[(int) (intptr_t) user] = code;
	ended++;
}

/* All in one statement at first; each bad one is found. */
static void
bad_ones_fail_alone(dgen_client *client)
{
	int wrong = 0;
	int bad = 0;

	for (int i = 0; i < MANY; i++)
	{
		char key[16];

		snprintf(key, sizeof(key), "many%d", i);
		codes[i] = 1;
		(void) dgen_client_start_cast(client, "euro", key,
									  is_bad(i) ? "\"" EURO "\"" : "\"" UMLAUT "\"", DGEN_STRLEN,
									  NULL, note, (void *) (intptr_t) i);
	}
	check_int(dgen_client_finish(client, PATIENCE), 0, "several hundred casts end");
	check_int(ended, MANY, "each gets its callback");
	for (int i = 0; i < MANY; i++)
	{
		wrong += is_bad(i) ? codes[i] != DGEN_EJSON && codes[i] != DGEN_ESERVER : codes[i] != 0;
		bad += codes[i] != 0;
	}
	check_int(wrong, 0, "those that the database cannot hold fail, and no other");
	printf("# %d failed\n", bad);
}

/*
 * Calls that are over, while nobody knows yet which of them the database cannot hold, are not
 * sent again. What is sent then, one by one, gets through however much there is of it.
 */
static void
bad_ones_that_are_over_are_forgotten(dgen_client *client)
{
	int wrong = 0;

	ended = 0;
	for (int i = 0; i < 128; i++)
		(void) dgen_client_start_call(client, "euro", "over",
									  i == 5 ? "\"" EURO "\"" : "\"" UMLAUT "\"", DGEN_STRLEN, NULL,
									  300, note, NULL);
	check_int(dgen_client_step(client), 1, "calls are sent");
	while (dgen_client_timeout(client) > 0)
		(void) poll(NULL, 0, dgen_client_timeout(client));
	check_int(dgen_client_finish(client, PATIENCE), 0, "and are over before they are answered");
	check_int(ended, 128, "all of them");
	for (int i = 0; i < 100 && wrong == 0; i++)
	{
		codes[0] = 1;
		(void) dgen_client_start_cast(client, "euro", "later", "{}", 2, NULL, note, NULL);
		wrong = dgen_client_finish(client, PATIENCE / 10) != 0 || codes[0] != 0;
	}
	check_int(wrong, 0, "what is sent later gets through");
}

static void
afterwards_all_is_as_before(dgen_client *client)
{
	int code = 1;

	ended = 0;
	(void) dgen_client_start_cast(client, "euro", UMLAUT, "{}", 2, NULL, note, NULL);
	code = dgen_client_start_call(client, "euro", UMLAUT, "{}", 2, NULL, PATIENCE, note,
								  (void *) (intptr_t) 1);
	check_int(code, 0, "a call");
	check_int(dgen_client_finish(client, PATIENCE), 0, "behind a cast ends");
	check_int(codes[0] + codes[1], 0, "and both are well");
}

static void
a_reply_that_cannot_be_is_an_error(dgen_client *client)
{
	int code = dgen_client_call(client, "euro", "reply", "{\"what\": \"reply\"}", DGEN_STRLEN,
								PATIENCE, NULL, NULL);

	check(code != 0, "a reply that the database cannot hold is an error");
	check_text(dgen_client_sqlstate(client), "22P05", "that says why");
	code = dgen_client_call(client, "euro", "fail", "{\"what\": \"fail\"}", DGEN_STRLEN, PATIENCE,
							NULL, NULL);
	check_int(code, DGEN_EFAILED, "a refusal with such a text");
	check_text(dgen_client_error(client), "costs 5 ?", "has what ASCII has of it");
}

static int
ask(const char *conninfo)
{
	dgen_client *client;
	int code = dgen_client_open(&client, conninfo, NULL);

	if (check_int(code, 0, "connected"))
	{
		bad_ones_fail_alone(client);
		bad_ones_that_are_over_are_forgotten(client);
		afterwards_all_is_as_before(client);
		a_reply_that_cannot_be_is_an_error(client);
	}
	else
		printf("# %s\n", dgen_client_error(client));
	dgen_client_close(client);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *conninfo = argc > 1 ? argv[1] : "";

	return argc > 2 ? ask(conninfo) : work(conninfo);
}
