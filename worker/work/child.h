/*
 * A process that a supervisor has started, and the worker in it. They share a slot with the
 * supervisor, in memory mapped before the first fork.
 */
#ifndef DGEN_WORK_CHILD_H
#define DGEN_WORK_CHILD_H

#include <stdatomic.h>

#include "dgen.h"

#include "turn/turn.h"
#include "work/worker.h"

/* One writer, the child; turn_began is written last and cleared first. */
typedef struct dgen__slot
{
	_Atomic int64_t turn_began; /* dgen__now_ms; 0: no callback runs */
	atomic_bool attached;
	atomic_int least_limit_ms; /* of any turn; 0: none has a limit */
	int limit_ms;              /* of the turn; 0: none */
	int64_t message;
	char type[129];
	char key[513];
	bool returned; /* run has, with: */
	int result;
} dgen__slot;

typedef struct dgen__turn_seen
{
	int64_t message; /* 0: none */
	char type[129];
	char key[513];
} dgen__turn_seen;

struct dgen_child
{
	int number;
	int turn_timeout_ms; /* of the options */
	dgen__slot *slot;
	int signals; /* signalfd with SIGTERM */
	int wake;    /* the supervisor's pipe */
	dgen_worker *worker;
};

/* Each is for a child that is not NULL. */
extern void dgen__child_turn(dgen_child *child, const dgen__type *type, const char *key,
							 const dgen__message *message, int64_t now);
extern void dgen__child_turn_over(dgen_child *child);
extern void dgen__child_attached(dgen_child *child, bool attached);
extern bool dgen__child_stopped(dgen_child *child); /* since the last time */
extern void dgen__child_leave(dgen_child *child);   /* the worker is closed */
/* The callback that runs in the process, or ran when it died. False: none. */
extern bool dgen__slot_read(dgen__slot *slot, dgen__turn_seen *turn);

#endif /* DGEN_WORK_CHILD_H */
