/*
 * The worker process that bench/takeover kills: it writes a line to the standard output
 * when a turn begins, and when it is known to be committed.
 *
 *   takeover TYPE
 *
 *   begin|done PID MESSAGE_ID SECONDS
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dgen.h"

#define TURN_NS 2000000

static dgen_worker *worker;

static void
stop(int signal)
{
	(void) signal;
	dgen_worker_stop(worker);
}

static void
complain(dgen_log_level level, const char *text, void *user)
{
	(void) user;
	if (level >= DGEN_LOG_WARNING)
		fprintf(stderr, "%s\n", text);
}

/* In one write, so that lines of two processes do not mix. */
static void
report(const char *what, int64_t id)
{
	char line[128];
	struct timespec now;
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	length = snprintf(line, sizeof(line), "%s %ld %lld %.6f\n", what, (long) getpid(),
					  (long long) id, (double) now.tv_sec + (double) now.tv_nsec / 1e9);

	if (write(STDOUT_FILENO, line, (size_t) length) != length)
		dgen_worker_stop(worker);
}

static void
report_done(void *data)
{
	report("done", *(int64_t *) data);
}

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	struct timespec pause = {0, TURN_NS};
	int64_t *id = malloc(sizeof(*id));

	(void) message;
	(void) length;
	(void) user;
	if (id == NULL)
		return DGEN_ENOMEM;
	*id = dgen_turn_message_id(turn);
	report("begin", *id);
	nanosleep(&pause, NULL);
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	return dgen_turn_after_commit(turn, report_done, free, id);
}

/* Connected by the environment. */
static int
open_worker(const char *type_name)
{
	dgen_actor_type type = {.size = sizeof(type), .name = type_name, .handle_cast = handle};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	int result;

	options.log = complain;
	result = dgen_worker_open(&worker, "", &options);
	return result == 0 ? dgen_worker_register(worker, &type) : result;
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop};
	int result;

	if (argc != 2)
	{
		fprintf(stderr, "usage: takeover TYPE\n");
		return 2;
	}
	result = open_worker(argv[1]);
	sigaction(SIGTERM, &action, NULL);
	if (result == 0)
		result = dgen_worker_run(worker);
	if (result != 0)
		fprintf(stderr, "%s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return result != 0;
}
