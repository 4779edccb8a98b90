/*
 * Waiting: for time to pass, for threads, and for signals, which end it.
 *
 *     signal ──┐
 *     thread ──┴─ byte ──> pipe ──> main thread
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench/base/wait.h"
#include "cli/common/report.h"

static int wake[2] = {-1, -1};
static volatile sig_atomic_t signalled;

void
bench_wake(void)
{
	int saved = errno;

	(void) !write(wake[1], "", 1);
	errno = saved;
}

/* A second signal means not to wait; the next run cleans up. */
static void
on_signal(int number)
{
	if (signalled != 0)
	{
		signal(number, SIG_DFL);
		raise(number);
	}
	signalled = number;
	bench_wake();
}

bool
bench_catch_signals(void)
{
	struct sigaction catch = {.sa_handler = on_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
	{
		cli_error("could not make a pipe: %s", strerror(errno));
		return false;
	}
	sigemptyset(&catch.sa_mask);
	sigaction(SIGINT, &catch, NULL);
	sigaction(SIGTERM, &catch, NULL);
	sigaction(SIGHUP, &catch, NULL);
	sigaction(SIGPIPE, &ignore,
			  NULL); /* a closed pipe is an error of the output, found at the end */
	return true;
}

int
bench_interrupted(void)
{
	return signalled;
}

int64_t
bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
bench_wait(int64_t ns)
{
	struct pollfd poll_wake = {.fd = wake[0], .events = POLLIN};
	struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
	char bytes[64];

	if (ns > 0 && !bench_interrupted() && ppoll(&poll_wake, 1, &time, NULL) > 0)
		while (read(wake[0], bytes, sizeof(bytes)) > 0)
			;
}
