/*
 * The smallest complete worker. Every actor of the type "counter" counts, and tells
 * those who call it how far it is.
 *
 *   message  {"add": 5}, or null for 1
 *   state    {"n": 6}
 */
#include <signal.h>
#include <stdio.h>

#include <dgen.h>

static dgen_worker *worker;

static int
count(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t n = dgen_turn_get_int64(turn, "n", 0) + dgen_turn_arg_int64(turn, "/add", 1);

	(void) message, (void) length, (void) user;
	dgen_turn_set_int64(turn, "n", n);
	return dgen_turn_reply_int64(turn, n);
}

/* Lets the batch under way commit; then dgen_worker_run returns. */
static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

int
main(void)
{
	dgen_actor_type counter = {.size = sizeof(counter), .name = "counter", .handle_cast = count};
	int rc = dgen_worker_open(&worker, "", NULL);

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &counter);
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "counter: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return rc != 0;
}
