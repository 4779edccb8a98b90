/*
 * The supervisor that test/t/160_supervisor.pl drives: its actors do what messages say,
 * such as crash. It says on the standard error what it logs, and at the end its result.
 *
 *   supervisor [-n PROCESSES] [-g GRACE_MS] [-t TURN_TIMEOUT_MS] [-d MAX_DEATHS]
 *              [-r RESTART_MAX_MS] [-a REPLACE_MS] [-f FLAW] [-w GATE] CONNINFO
 *
 * A child that finds the file FLAW returns an error, and one that does not find GATE waits for it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dgen.h"

#include "logging.h"
#include "pausing.h"

/* Of LeakSanitizer: it looks at the end of a process, but not at that of one made by fork. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static const char *conninfo;
static const char *flaw;
static const char *gate;

/* ---- what a message can ask for ---- */

/* A signal that a sanitizer would catch is made plain again. */
static void
die_of(int number)
{
	signal(number, SIG_DFL);
	raise(number);
}

/* The child of a child that has ended is nobody's; it ends after that. */
static void
leave_orphan(void)
{
	if (fork() == 0)
	{
		pid_t parent = getpid();

		if (fork() == 0)
			while (getppid() == parent)
				pause_ms(10);
		_exit(0);
	}
}

static void
misbehave(const char *deed, const char *file)
{
	if (strcmp(deed, "kill") == 0)
		die_of(SIGKILL);
	if (strcmp(deed, "segv") == 0)
		die_of(SIGSEGV);
	if (strcmp(deed, "abort") == 0)
		abort();
	if (strcmp(deed, "exit") == 0)
		_exit(3);
	if (strcmp(deed, "orphan") == 0)
		leave_orphan();
	while (strcmp(deed, "hang") == 0)
		pause_ms(60000);
	if (strcmp(deed, "wait") == 0)
		wait_for_file(file);
}

/* The server ends the session before the supervisor ends the process. */
static void
fall_silent(dgen_turn *turn)
{
	PQclear(PQexec(dgen_turn_connection(turn),
				   "SET LOCAL idle_in_transaction_session_timeout = '10 ms'"));
	for (;;)
		pause_ms(60000);
}

/* The first who comes makes the file; the second finds it. */
static bool
is_first(const char *file)
{
	int descriptor = file == NULL ? -1 : open(file, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (descriptor >= 0)
		close(descriptor);
	return file == NULL || descriptor >= 0;
}

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *deed = dgen_turn_arg_string(turn, "/do", "");
	int64_t n = dgen_turn_get_int64(turn, "n", 0) + 1;

	(void) message, (void) length, (void) user;
	if (strcmp(deed, "silent") == 0)
		fall_silent(turn);
	if (is_first(dgen_turn_arg_string(turn, "/once", NULL)))
		misbehave(deed, dgen_turn_arg_string(turn, "/file", ""));
	dgen_turn_set_int64(turn, "n", n);
	return dgen_turn_reply_int64(turn, n);
}

/* ---- the processes ---- */

static int
work(dgen_child *child, void *user)
{
	dgen_actor_type task = {.size = sizeof(task), .name = "task", .handle_cast = handle};
	dgen_actor_type limited = {
		.size = sizeof(limited), .name = "limited", .handle_cast = handle, .turn_timeout_ms = 1};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	dgen_worker *worker;
	int rc;

	(void) user;
	if (flaw != NULL && access(flaw, F_OK) == 0)
		return DGEN_EINVAL;
	wait_for_file(gate);
	options.log = print_log;
	options.reconnect_max_ms = 500;
	rc = dgen_worker_open(&worker, conninfo, &options);
	if (rc == 0)
		rc = dgen_worker_register(worker, &task);
	if (rc == 0)
		rc = dgen_worker_register(worker, &limited);
	if (rc == 0)
		rc = dgen_child_watch(child, worker);
	if (rc == 0 && dgen_child_watch(child, worker) != DGEN_ESTATE)
		fprintf(stderr, "not ok - a worker is watched twice\n");
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "child %d: %s\n", dgen_child_number(child), dgen_worker_error(worker));
	dgen_worker_close(worker);
	if (__lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
		_exit(99);
	return rc;
}

int
main(int argc, char **argv)
{
	dgen_supervisor_options options = DGEN_SUPERVISOR_OPTIONS_INIT;
	int option;
	int result;

	options.log = print_log;
	options.restart_min_ms = 10;
	while ((option = getopt(argc, argv, "n:g:t:d:r:f:w:a:")) != -1)
		switch (option)
		{
			case 'n':
				options.processes = atoi(optarg);
				break;
			case 'g':
				options.grace_ms = atoi(optarg);
				break;
			case 't':
				options.turn_timeout_ms = atoi(optarg);
				break;
			case 'd':
				options.max_deaths = atoi(optarg);
				break;
			case 'r':
				options.restart_max_ms = atoi(optarg);
				break;
			case 'f':
				flaw = optarg;
				break;
			case 'a':
				options.replace_ms = atoi(optarg);
				break;
			case 'w':
				gate = optarg;
				break;
			default:
				return 2;
		}
	conninfo = optind < argc ? argv[optind] : "";
	result = dgen_supervisor_run(&options, work, NULL);
	fprintf(stderr, "result: %d (%s)\n", result, dgen_strerror(result));
	return result != 0;
}
