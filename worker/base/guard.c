/*
 * Only the process that opened a handle can use it. A child made by fork has copies of
 * everything, but the session, the descriptors and the shared memory belong to the parent.
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "base/guard.h"

/* A child has one more than its parent. Costs nothing where it is compared, unlike getpid. */
static unsigned forks;

static void
count_fork(void)
{
	forks++;
}

static void
watch_forks(void)
{
	(void) pthread_atfork(NULL, NULL, count_fork);
}

unsigned
dgen__this_process(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void) pthread_once(&once, watch_forks);
	return forks;
}

bool
dgen__is_child(unsigned process)
{
	return process != forks;
}

int
dgen__refuse_child(dgen__error *error, const char *what)
{
	return dgen__fail_hint(error, DGEN_ESTATE,
						   "Open one of its own in the child; close only frees.",
						   "the %s was opened before the fork and belongs to the parent", what);
}

/*
 * In a child libpq's last words (and those of TLS) would end the parent's session. They go to
 * /dev/null instead, which takes the place of the child's copy of the socket.
 */
static void
leave_socket(int socket)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nowhere >= 0)
	{
		(void) dup3(nowhere, socket, O_CLOEXEC);
		close(nowhere);
	}
	else
		close(socket);
}

void
dgen__leave_session(PGconn *connection, unsigned process)
{
	if (dgen__is_child(process) && connection != NULL && PQsocket(connection) >= 0)
		leave_socket(PQsocket(connection));
}

void
dgen__disconnect(PGconn *connection, unsigned process)
{
	dgen__leave_session(connection, process);
	PQfinish(connection);
}
