/*
 * The worker process that bench/takeover kills: it writes a line to the standard output
 * when a turn begins, and when it is known to be committed.
 *
 *   takeover TYPE
 *
 *   begin|done PID MESSAGE_ID SECONDS
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

#define TURN_NS 2000000

static dgen_worker *worker;

static void
stop(int signal)
{
	(void) signal;
	dgen_worker_stop(worker);
}

/* In one write, so that lines of two processes do not mix. */
static void
report(const char *what, int64_t id)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "%s %ld %lld %.6f\n", what, (long) getpid(),
						  (long long) id, bench_time(CLOCK_REALTIME));

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
	result = bench_open(&worker, argv[1], handle);
	sigaction(SIGTERM, &action, NULL);
	if (result == 0)
		result = dgen_worker_run(worker);
	dgen_worker_close(worker);
	return result != 0;
}
