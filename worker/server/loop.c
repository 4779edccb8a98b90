/*
 * One descriptor that becomes readable when a worker must continue: something came from
 * the server, stop was called, or it is time. It stays the same over reconnects.
 *
 * This is the file to port: it needs Linux.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "server/loop.h"

int64_t
dgen__now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
dgen__now_ms(void)
{
	return dgen__now_us() / 1000;
}

int
dgen__loop_add(dgen__loop *loop, int descriptor)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int
dgen__loop_open(dgen__loop *loop)
{
	loop->process = dgen__this_process();
	loop->socket = -1;
	loop->reading = loop->writing = false;
	loop->deadline = DGEN__NEVER;
	atomic_init(&loop->stopped, false);
	loop->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->stop >= 0 && loop->timer >= 0 && loop->epoll >= 0 &&
		dgen__loop_add(loop, loop->stop) == 0 && dgen__loop_add(loop, loop->timer) == 0)
		return 0;
	dgen__loop_close(loop);
	return -1;
}

void
dgen__loop_close(dgen__loop *loop)
{
	int saved = errno;

	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->timer >= 0)
		close(loop->timer);
	if (loop->stop >= 0)
		close(loop->stop);
	loop->epoll = loop->timer = loop->stop = -1;
	errno = saved;
}

void
dgen__loop_watch(dgen__loop *loop, int socket, bool read, bool write)
{
	struct epoll_event event = {.events = (read ? EPOLLIN : 0) | (write ? EPOLLOUT : 0),
								.data.fd = socket};

	if (socket == loop->socket && read == loop->reading && write == loop->writing)
		return;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, socket, &event) != 0)
		(void) epoll_ctl(loop->epoll, EPOLL_CTL_ADD, socket, &event);
	loop->socket = socket;
	loop->reading = read;
	loop->writing = write;
}

/* What libpq has closed already epoll has forgotten by itself. */
void
dgen__loop_forget(dgen__loop *loop)
{
	if (loop->socket >= 0 && !dgen__is_child(loop->process))
		(void) epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->socket, NULL);
	loop->socket = -1;
}

/* Setting the timer also takes back what it has announced. */
void
dgen__loop_alarm(dgen__loop *loop, int64_t deadline)
{
	struct itimerspec time = {0};

	if (dgen__is_child(loop->process) || /* it is the parent's */
		(deadline == DGEN__NEVER && loop->deadline == DGEN__NEVER))
		return;
	if (deadline != DGEN__NEVER)
	{
		time.it_value.tv_sec = (time_t) (deadline / 1000);
		time.it_value.tv_nsec = (long) (deadline % 1000) * 1000000 + 1;
	}
	(void) timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &time, NULL);
	loop->deadline = deadline;
}

/* The eventfd is never read: once stopped, always stopped. */
void
dgen__loop_stop(dgen__loop *loop)
{
	const uint64_t one = 1;
	int saved = errno;

	atomic_store(&loop->stopped, true);
	while (write(loop->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

void
dgen__loop_wait(dgen__loop *loop)
{
	struct epoll_event event;

	(void) epoll_wait(loop->epoll, &event, 1, -1);
}
