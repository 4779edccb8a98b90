/*
 * The worker that test/t/156_lanes.pl drives by SQL: an actor type of which it has only some
 * callbacks. It ends at SIGTERM, and says on the standard error what it logs and what it is called for.
 *
 *   lanes CONNINFO NAME [messages] [actions] [locked]
 */
#include <stdio.h>
#include <string.h>

#include "dgen.h"

#include "pausing.h"
#include "until_term.h"

static void
tell(dgen_turn *turn, const char *what)
{
	fprintf(stderr, "%s \"%s\" attempt %d\n", what, dgen_turn_actor_key(turn),
			dgen_turn_attempt(turn));
}

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	tell(turn, "message");
	return dgen_turn_reply_string(turn, "handled");
}

static int
act(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	tell(turn, "action");
	return 0;
}

/* {"wait": FILE} takes until it is there. */
static int
run_locked(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	tell(turn, "locked");
	wait_for_file(dgen_turn_arg_string(turn, "/wait", NULL));
	return 0;
}

int
main(int argc, char **argv)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "lane", .lock_timeout_ms = 600000};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;

	for (int i = 3; i < argc; i++)
		if (strcmp(argv[i], "messages") == 0)
			type.handle_cast = handle;
		else if (strcmp(argv[i], "actions") == 0)
			type.handle_action = act;
		else if (strcmp(argv[i], "locked") == 0)
			type.handle_locked = run_locked;
	options.name = argc > 2 ? argv[2] : NULL;
	return work_until_term(argc > 1 ? argv[1] : "", &options, &type, 1);
}
