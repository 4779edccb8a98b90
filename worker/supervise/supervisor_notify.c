/*
 * What a service manager is told: the protocol of sd_notify(3), datagrams to the
 * socket that NOTIFY_SOCKET names.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/loop.h"
#include "supervise/supervisor.h"

/* A manager that does not read must not hold up the workers. */
#define SEND_MS 1000

/* "@name" is an abstract socket: its address begins with a NUL, and has no other. */
static bool
make_address(const char *name, struct sockaddr_un *address, socklen_t *length)
{
	size_t bytes = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || bytes < 2 || bytes >= sizeof(address->sun_path))
		return false;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, bytes);
	*length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + bytes + (name[0] != '@'));
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	return true;
}

/* A third of the time that the manager grants; WATCHDOG_PID says whom it means. */
static int
watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long ms = usec == NULL ? 0 : strtoll(usec, NULL, 10) / 1000 / 3;

	if (ms <= 0 || (pid != NULL && strtol(pid, NULL, 10) != (long) getpid()))
		return 0;
	return ms > INT_MAX ? INT_MAX : (int) ms;
}

bool
dgen__notify_open(dgen__notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	const struct timeval limit = {.tv_sec = SEND_MS / 1000, .tv_usec = SEND_MS % 1000 * 1000};

	*notify = (dgen__notify){.socket = -1, .next = DGEN__NEVER};
	if (name == NULL || name[0] == '\0')
		return true;
	if (!make_address(name, &notify->address, &notify->length))
	{
		errno = EINVAL;
		return false;
	}
	notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->socket < 0)
		return false;
	(void) setsockopt(notify->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	notify->watchdog_ms = watchdog_ms();
	if (notify->watchdog_ms > 0)
		notify->next = dgen__now_ms();
	return true;
}

void
dgen__notify_close(dgen__notify *notify)
{
	if (notify->socket >= 0)
		close(notify->socket);
	notify->socket = -1;
}

bool
dgen__notify_send(const dgen__notify *notify, const char *state)
{
	size_t length = strlen(state);

	return notify->socket < 0 ||
		   sendto(notify->socket, state, length, MSG_NOSIGNAL,
				  (const struct sockaddr *) &notify->address, notify->length) == (ssize_t) length;
}

/* Type=notify-reload compares the time with that of its signal. */
bool
dgen__notify_reloading(const dgen__notify *notify)
{
	char state[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
			 (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
	return dgen__notify_send(notify, state);
}

void
dgen__notify_alive(dgen__notify *notify)
{
	if (dgen__now_ms() < notify->next)
		return;
	(void) dgen__notify_send(notify, "WATCHDOG=1");
	notify->next = dgen__now_ms() + notify->watchdog_ms;
}
