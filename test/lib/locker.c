/*
 * The worker that test/t/155_lock.pl drives by SQL: an actor type that locks. It ends at
 * SIGTERM, and says on the standard error what it logs, and each attempt of a locked part.
 *
 *   locker CONNINFO NAME
 */
#include <stdio.h>
#include <string.h>

#include "dgen.h"

#include "pausing.h"
#include "until_term.h"

/* {"lock": true} locks; anything else is counted. */
static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t n = dgen_turn_get_int64(turn, "n", 0) + 1;

	(void) message;
	(void) length;
	(void) user;
	if (dgen_turn_arg_bool(turn, "/lock", false))
	{
		dgen_turn_set_bool(turn, "locking", true);
		return dgen_turn_lock(turn);
	}
	dgen_turn_set_int64(turn, "n", n);
	return dgen_turn_reply_int64(turn, n);
}

static void
tell(dgen_turn *turn)
{
	fprintf(stderr, "locked \"%s\" attempt %d token %s\n", dgen_turn_actor_key(turn),
			dgen_turn_attempt(turn), dgen_turn_token(turn));
}

/* What the message says; attempts before "until" do it, later ones end well. */
static int
handle_locked(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *what = dgen_turn_arg_string(turn, "/what", "");

	(void) message;
	(void) length;
	(void) user;
	tell(turn);
	if (dgen_turn_attempt(turn) >= dgen_turn_arg_int64(turn, "/until", 1000))
		what = "";
	pause_ms(strcmp(what, "hang") == 0 ? 600000 : dgen_turn_arg_int64(turn, "/sleep_ms", 0));
	dgen_turn_set_int64(turn, "runs", dgen_turn_get_int64(turn, "runs", 0) + 1);
	dgen_turn_delete(turn, "locking");
	if (strcmp(what, "raise") == 0)
		return dgen_turn_raise(turn, "not yet", NULL);
	if (strcmp(what, "fail") == 0)
		return dgen_turn_fail(turn, "never", "ZD4XX");
	if (strcmp(what, "retry") == 0)
		return dgen_turn_retry(turn, 10);
	if (strcmp(what, "destroy") == 0)
		dgen_turn_destroy(turn);
	if (strcmp(what, "lock") == 0)
		return dgen_turn_lock(turn);
	if (strcmp(what, "connect") == 0 && dgen_turn_connection(turn) == NULL)
		return dgen_turn_error(turn);
	if (strcmp(what, "stray") == 0)
		dgen_turn_cast(turn, "nosuch", "x", NULL, 0, NULL);
	if (strcmp(what, "send") == 0)
		dgen_turn_cast(turn, "locker", "sent", NULL, 0, NULL);
	return dgen_turn_reply_string(turn, "locked part done");
}

int
main(int argc, char **argv)
{
	const dgen_actor_type type = {
		.size = sizeof(type),
		.name = "locker",
		.handle_cast = handle,
		.handle_locked = handle_locked,
		.backoff_ms = 10,
		.max_backoff_ms = 20,
		.max_attempts = 5,
		.lock_timeout_ms = 600000,
		.locked_priority = 5,
	};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;

	options.reconnect_max_ms = 500;
	options.name = argc > 2 ? argv[2] : NULL;
	return work_until_term(argc > 1 ? argv[1] : "", &options, &type, 1);
}
