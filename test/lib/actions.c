/*
 * The worker that test/t/107_actions.pl drives by SQL: a type whose turns store actions, and
 * whose actions have their effect in a file. It ends at SIGTERM.
 *
 *   actions CONNINFO FILE
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dgen.h"

#include "pausing.h"
#include "until_term.h"

static const char *outside;

/* ---- a turn: {"act": [NAME, ...], "message": ..., "delay_ms": ..., "error": true} ---- */

static int
act(dgen_turn *turn, const char *message, size_t length, void *user)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;
	dgen_json content = {"null", 4};
	const char *name;
	char pointer[32];

	(void) user;
	options.delay_ms = dgen_turn_arg_int64(turn, "/delay_ms", 0);
	options.headers = dgen_turn_headers(turn);
	(void) dgen_json_find(message, length, "/message", &content);
	for (int i = 0; snprintf(pointer, sizeof(pointer), "/act/%d", i) > 0 &&
					(name = dgen_turn_arg_string(turn, pointer, NULL)) != NULL;
		 i++)
		dgen_turn_act(turn, name, content.text, content.length, &options);
	dgen_turn_set_int64(turn, "turns", dgen_turn_get_int64(turn, "turns", 0) + 1);
	if (dgen_turn_arg_bool(turn, "/destroy", false))
		dgen_turn_destroy(turn);
	return dgen_turn_arg_bool(turn, "/error", false) ? DGEN_EFAILED : 0;
}

static int
initialize(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	return dgen_turn_set_bool(turn, "initialized", true);
}

/* ---- an action: its effect is a line in the file, then it does as it is told ---- */

static void
effect(dgen_turn *turn)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "%s %s %lld %d %s\n", dgen_turn_actor_key(turn),
						  dgen_turn_correlation(turn), (long long) dgen_turn_message_id(turn),
						  dgen_turn_attempt(turn), dgen_turn_state(turn, NULL));
	int file = open(outside, O_WRONLY | O_APPEND | O_CREAT, 0666);

	if (file < 0 || write(file, line, (size_t) length) != length)
		dgen_turn_raise(turn, "cannot write", NULL);
	if (file >= 0)
		close(file);
}

static int
run_action(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) user;
	effect(turn);
	wait_for_file(dgen_turn_arg_string(turn, "/wait", NULL));
	if (dgen_turn_attempt(turn) <= dgen_turn_arg_int64(turn, "/failures", 0))
		return dgen_turn_raise(turn, "no answer", "P0044");
	if (dgen_turn_arg_bool(turn, "/set", false))
		dgen_turn_set_int64(turn, "n", 1);
	if (dgen_turn_arg_bool(turn, "/nowhere", false))
		dgen_turn_cast(turn, "nosuch", "k", NULL, 0, NULL);
	if (dgen_turn_arg_string(turn, "/then", NULL) != NULL)
		dgen_turn_act(turn, dgen_turn_arg_string(turn, "/then", ""), NULL, 0, NULL);
	if (dgen_turn_arg_bool(turn, "/reply", false))
		dgen_turn_reply(turn, message, length);
	return 0;
}

/* ---- what comes of it ---- */

static int
got_reply(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) user;
	dgen_turn_set_int64(turn, "token", dgen_turn_in_reply_to(turn));
	dgen_turn_set_string(turn, "action", dgen_turn_correlation(turn));
	return dgen_turn_set(turn, "reply", message, length);
}

static int
got_dead_letter(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *action = dgen_turn_correlation(turn);

	(void) message, (void) length, (void) user;
	dgen_turn_set_int64(turn, "token", dgen_turn_in_reply_to(turn));
	dgen_turn_set_string(turn, "dead", action != NULL ? action : "no action");
	return dgen_turn_set_string(turn, "error", dgen_turn_reply_error(turn));
}

/* "careless" has turns that act, and nobody to handle it. */
static const dgen_actor_type types[] = {
	{.size = sizeof(dgen_actor_type),
	 .name = "shop",
	 .init = initialize,
	 .handle_cast = act,
	 .handle_reply = got_reply,
	 .handle_dead_letter = got_dead_letter,
	 .handle_action = run_action,
	 .max_attempts = 3,
	 .backoff_ms = 20,
	 .turn_timeout_ms = 600000},
	{.size = sizeof(dgen_actor_type), .name = "careless", .handle_cast = act, .max_attempts = 1},
};

int
main(int argc, char **argv)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;

	outside = argc > 2 ? argv[2] : "/dev/null";
	return work_until_term(argc > 1 ? argv[1] : "", &options, types,
						   sizeof(types) / sizeof(types[0]));
}
