/*
 * What a supervised worker tells its supervisor, in a slot of memory that both share, and how it is
 * told to stop.
 * 
 * SIGTERM is read from a descriptor of the worker's loop. A handler would interrupt what
 * callbacks do.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "server/loop.h"
#include "server/sql.h"
#include "turn/turn.h"
#include "work/child.h"
#include "work/worker.h"

/* Beyond turn_timeout: after 5 s the server ends the session, and a callback that returns is told. */
#define GRACE_MS 10000

/* ---- the slot ---- */

static int
with_grace(int timeout_ms)
{
	if (timeout_ms <= 0)
		return 0;
	return timeout_ms > INT_MAX - GRACE_MS ? INT_MAX : timeout_ms + GRACE_MS;
}

static int
limit_of(const dgen_child *child, const dgen__type *type)
{
	if (child->turn_timeout_ms > 0)
		return child->turn_timeout_ms;
	return child->turn_timeout_ms < 0 ? 0 : with_grace(type->type.turn_timeout_ms);
}

/* Of a locked part, which takes as long as it takes: the option is for turns. */
static int
locked_limit_of(const dgen_child *child, const dgen__type *type)
{
	return child->turn_timeout_ms < 0 ? 0 : with_grace(type->type.lock_timeout_ms);
}

static void
copy(char *to, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);

	memcpy(to, text, length);
	to[length] = '\0';
}

void
dgen__child_turn(dgen_child *child, const dgen__type *type, const char *key,
				 const dgen__message *message, int64_t now)
{
	dgen__slot *slot = child->slot;

	slot->message = message->id;
	slot->limit_ms = strcmp(message->kind, DGEN__KIND_LOCKED) == 0 ? locked_limit_of(child, type)
																   : limit_of(child, type);
	copy(slot->type, sizeof(slot->type), type->name);
	copy(slot->key, sizeof(slot->key), key);
	atomic_store_explicit(&slot->turn_began, now, memory_order_release);
}

/* The fence: what the next turn writes must not be seen before this. */
void
dgen__child_turn_over(dgen_child *child)
{
	atomic_store_explicit(&child->slot->turn_began, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

/* A process that continues can begin another turn in the meantime: then this is none. */
bool
dgen__slot_read(dgen__slot *slot, dgen__turn_seen *turn)
{
	int64_t began = atomic_load_explicit(&slot->turn_began, memory_order_acquire);

	if (began == 0)
		return false;
	turn->message = slot->message;
	copy(turn->type, sizeof(turn->type), slot->type);
	copy(turn->key, sizeof(turn->key), slot->key);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&slot->turn_began, memory_order_relaxed) == began;
}

/* A full pipe wakes the supervisor as well. */
void
dgen__child_attached(dgen_child *child, bool attached)
{
	if (atomic_load_explicit(&child->slot->attached, memory_order_relaxed) == attached)
		return;
	atomic_store(&child->slot->attached, attached);
	while (write(child->wake, "", 1) < 0 && errno == EINTR)
		;
}

/* ---- what the application calls ---- */

int
dgen_child_number(const dgen_child *child)
{
	return child == NULL ? DGEN_EINVAL : child->number;
}

static int
least_of(int a, int b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

static void
publish_limits(dgen_child *child, const dgen_worker *worker)
{
	int least = 0;

	for (int i = 0; i < worker->ntypes; i++)
	{
		least = least_of(least, limit_of(child, &worker->types[i]));
		least = least_of(least, locked_limit_of(child, &worker->types[i]));
	}
	atomic_store(&child->slot->least_limit_ms, least);
}

int
dgen_child_watch(dgen_child *child, dgen_worker *worker)
{
	if (child == NULL || worker == NULL)
		return DGEN_EINVAL;
	if (worker->phase == DGEN__ENDED)
		return dgen__fail(&worker->error, DGEN_ESTATE, "worker could not be opened, or has ended");
	if (worker->ran || worker->child != NULL || child->worker != NULL)
		return dgen__fail(&worker->error, DGEN_ESTATE,
						  "a child watches one worker, from before it runs");
	if (dgen__loop_add(&worker->loop, child->signals) != 0)
		return dgen__fail(&worker->error, DGEN_ESTATE, "could not watch for signals: %s",
						  strerror(errno));
	publish_limits(child, worker);
	child->worker = worker;
	worker->child = child;
	return 0;
}

/* ---- what the worker asks ---- */

bool
dgen__child_stopped(dgen_child *child)
{
	struct signalfd_siginfo info;

	return read(child->signals, &info, sizeof(info)) == (ssize_t) sizeof(info);
}

void
dgen__child_leave(dgen_child *child)
{
	dgen__child_attached(child, false);
	child->worker = NULL;
}
