/*
 * The workers of test/torture that are outside of the database: actor types with the
 * semantics of the handler in test/torture/types.sql. "rows" writes a row of its own
 * table in each turn, "plain" keeps what it did in its state.
 *
 *   torture_worker CONNINFO MENDED
 *
 * MENDED is a file: once it exists messages with "raise" are handled.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dgen.h"

#include "pausing.h"
#include "until_term.h"

#define HASH_MODULUS 1000003

static const char *mended;
static bool rows = true; /* the user of "rows" points to it */

static int
write_row(dgen_turn *turn, const char *tag, int64_t n, int64_t h, const char *told)
{
	char numbers[3][24];
	const char *values[] = {dgen_turn_actor_type(turn),
							dgen_turn_actor_key(turn),
							tag,
							dgen_turn_kind(turn),
							numbers[0],
							numbers[1],
							numbers[2],
							told};
	PGconn *connection = dgen_turn_connection(turn);
	PGresult *result;
	int rc;

	if (connection == NULL)
		return dgen_turn_error(turn);
	snprintf(numbers[0], sizeof(numbers[0]), "%" PRId64, n);
	snprintf(numbers[1], sizeof(numbers[1]), "%" PRId64, dgen_turn_message_id(turn));
	snprintf(numbers[2], sizeof(numbers[2]), "%" PRId64, h);
	result =
		PQexecParams(connection,
					 "INSERT INTO torture.turn (actor_type, actor_key, tag, kind, n, id, h, told)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
					 8, NULL, values, NULL, NULL, 0);
	rc = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : dgen_turn_raise_result(turn, result);
	PQclear(result);
	return rc;
}

static int
append_log(dgen_turn *turn, const char *tag, int64_t n, int64_t h, const char *told)
{
	const char *log = dgen_turn_get_string(turn, "log", "");
	size_t size = strlen(log) + strlen(tag) + strlen(told) + 100;
	char *longer = malloc(size);
	int rc;

	if (longer == NULL)
		return DGEN_ENOMEM;
	snprintf(longer, size, "%s%" PRId64 " %" PRId64 " %" PRId64 " %s %s %s\n", log, n,
			 dgen_turn_message_id(turn), h, dgen_turn_kind(turn), tag, told);
	rc = dgen_turn_set_string(turn, "log", longer);
	free(longer);
	return rc;
}

/* What each turn does: count, chain the message's id to those before, and write it down. */
static int
note(dgen_turn *turn, const char *tag, int64_t *n, int64_t *h, const char *told, void *user)
{
	*n = dgen_turn_get_int64(turn, "n", 0) + 1;
	*h = (dgen_turn_get_int64(turn, "h", 7) * 31 + dgen_turn_message_id(turn)) % HASH_MODULUS;
	dgen_turn_set_int64(turn, "n", *n);
	dgen_turn_set_int64(turn, "h", *h);
	return user != NULL ? write_row(turn, tag, *n, *h, told) : append_log(turn, tag, *n, *h, told);
}

/* {"move": {"type", "key", "amount"}}: asks another actor to take it. */
static void
move(dgen_turn *turn, const char *tag)
{
	const char *key = dgen_turn_arg_string(turn, "/move/key", NULL);
	int64_t amount = dgen_turn_arg_int64(turn, "/move/amount", 0);
	char message[200];

	if (key == NULL)
		return;
	dgen_turn_set_int64(turn, "sum", dgen_turn_get_int64(turn, "sum", 0) - amount);
	snprintf(message, sizeof(message), "{\"tag\": \"%s>\", \"take\": %" PRId64 "}", tag, amount);
	dgen_turn_request(turn, dgen_turn_arg_string(turn, "/move/type", NULL), key, message,
					  DGEN_STRLEN, tag, NULL);
}

/* {"ask": {"type", "key", "tag", "once", "delay_ms"}}: asks another actor, who may never get to it. */
static void
ask(dgen_turn *turn, const char *tag)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	const char *key = dgen_turn_arg_string(turn, "/ask/key", NULL);
	char message[200];

	if (key == NULL)
		return;
	options.delay_ms = dgen_turn_arg_int64(turn, "/ask/delay_ms", 0);
	options.idempotency_key = dgen_turn_arg_string(turn, "/ask/once", NULL);
	snprintf(message, sizeof(message), "{\"tag\": \"%s\"}",
			 dgen_turn_arg_string(turn, "/ask/tag", "?"));
	dgen_turn_request(turn, dgen_turn_arg_string(turn, "/ask/type", NULL), key, message,
					  DGEN_STRLEN, tag, &options);
}

static int
play(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *tag = dgen_turn_arg_string(turn, "/tag", "?");
	char reply[100];
	int64_t n;
	int64_t h;

	(void) message;
	(void) length;
	if (note(turn, tag, &n, &h, "", user) != 0)
		return DGEN_EFAILED;
	pause_ms(dgen_turn_arg_int64(turn, "/sleep_ms", 0));
	move(turn, tag);
	ask(turn, tag);
	dgen_turn_set_int64(
		turn, "sum", dgen_turn_get_int64(turn, "sum", 0) + dgen_turn_arg_int64(turn, "/take", 0));
	if (dgen_turn_arg_bool(turn, "/raise", false) && access(mended, F_OK) != 0)
		return dgen_turn_raise(turn, "not mended yet", "TO042");
	snprintf(reply, sizeof(reply), "{\"n\": %" PRId64 ", \"h\": %" PRId64 ", \"id\": %" PRId64 "}",
			 n, h, dgen_turn_message_id(turn));
	return dgen_turn_reply(turn, reply, DGEN_STRLEN);
}

/* Those that lock are played in their locked part. */
static int
play_or_lock(dgen_turn *turn, const char *message, size_t length, void *user)
{
	return dgen_turn_arg_bool(turn, "/lock", false) ? dgen_turn_lock(turn)
													: play(turn, message, length, user);
}

static int
play_reply(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *sqlstate = dgen_turn_reply_sqlstate(turn);
	char tag[200];
	int64_t n;
	int64_t h;

	(void) length;
	snprintf(tag, sizeof(tag), "%s<", dgen_turn_correlation(turn));
	return note(turn, tag, &n, &h, sqlstate != NULL ? sqlstate : message, user);
}

static const dgen_actor_type types[] = {
	{.size = sizeof(dgen_actor_type),
	 .name = "rows",
	 .user = &rows,
	 .handle_cast = play,
	 .handle_reply = play_reply},
	{.size = sizeof(dgen_actor_type),
	 .name = "plain",
	 .handle_cast = play_or_lock,
	 .handle_reply = play_reply,
	 .handle_locked = play},
};

int
main(int argc, char **argv)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;

	if (argc != 3)
		return 2;
	mended = argv[2];
	options.reconnect_min_ms = 20;
	options.reconnect_max_ms = 200;
	return work_until_term(argv[1], &options, types, sizeof(types) / sizeof(types[0]));
}
