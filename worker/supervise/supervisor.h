/*
 * The supervisor inside: a section per file. Supervisor and children share one slot per
 * process, which lies in memory mapped before the first fork:
 *
 *     supervisor ── SIGTERM, SIGKILL ──> child ── dgen_worker
 *         │ <── byte in the pipe: attached ──┘        │ around each callback
 *         └───────── reads ──────────> slot <─────────┘ writes
 */
#ifndef DGEN_SUPERVISE_SUPERVISOR_H
#define DGEN_SUPERVISE_SUPERVISOR_H

#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "dgen.h"

#include "work/child.h"

/* A place for a process. While a process is replaced two have the same number. */
typedef struct dgen__process
{
	int number; /* 0: the place is free */
	pid_t pid;  /* 0: to be started when it is due */
	dgen__slot *slot;
	int64_t due;
	int64_t began;
	int64_t kill_at;  /* DGEN__NEVER: it was not asked to stop */
	int deaths;       /* in a row */
	bool killed;      /* by the supervisor */
	bool replacement; /* of another one that still runs */
} dgen__process;

/* ---- supervisor_notify.c: the protocol of sd_notify(3) ------------------------------------ */

typedef struct dgen__notify
{
	int socket; /* -1: there is none */
	struct sockaddr_un address;
	socklen_t length; /* of the address */
	int watchdog_ms;  /* between two signs of life; 0: none */
	int64_t next;     /* sign of life */
} dgen__notify;

extern bool dgen__notify_open(dgen__notify *notify); /* false: NOTIFY_SOCKET cannot be used */
extern void dgen__notify_close(dgen__notify *notify);
extern bool dgen__notify_send(const dgen__notify *notify, const char *state);
extern bool dgen__notify_reloading(const dgen__notify *notify);
extern void dgen__notify_alive(dgen__notify *notify);

/* ---- supervisor_log.c --- ------------------------------------------------- */

typedef struct dgen__supervisor
{
	dgen_supervisor_options options; /* with defaults filled in */
	int (*run)(dgen_child *child, void *user);
	void *user;
	dgen__slot *slots;
	dgen__process *processes;
	int places; /* one more than processes are wanted, for a replacement */

	int signals;     /* signalfd */
	int wake[2];     /* a pipe: children write */
	sigset_t before; /* the mask of the program */
	struct sigaction child_before;
	uint64_t random;
	dgen__notify notify;

	int64_t *deaths; /* times of the last max_deaths + 1 */
	int next_death;
	bool opened;        /* a first child has attached */
	bool ready;         /* and all of them */
	int rolling;        /* the number that is being replaced; 0: none */
	int64_t roll_until; /* the new process must be attached by then; DGEN__NEVER: none */
	bool again;         /* SIGHUP came in the meantime */
	bool stopping;
	bool asked;  /* to stop, by a signal */
	bool forced; /* not all ended by themselves */
	int raise;   /* the signal that came a second time */
	int result;
} dgen__supervisor;

extern void dgen__supervisor_log(dgen__supervisor *s, dgen_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- supervisor_process.c: one process, from start to death --------------------------------- */

extern void dgen__process_place(dgen__process *process, int number, int64_t due);
extern void dgen__process_unplace(dgen__process *process);
extern dgen__process *dgen__process_find(dgen__supervisor *s, int number, bool replacement);
/* The one that is replaced, or replaces; NULL: none. */
extern dgen__process *dgen__process_other(dgen__supervisor *s, const dgen__process *process);
extern void dgen__process_start(dgen__supervisor *s, dgen__process *process);
extern void dgen__process_stop(dgen__supervisor *s, dgen__process *process);
extern void dgen__process_kill(dgen__process *process);
extern bool dgen__process_attached(const dgen__process *process);

/* What a process' end means for the others. */
typedef enum dgen__death
{
	DGEN__NO_DEATH, /* it was asked to stop */
	DGEN__DEATH,
	DGEN__DEATH_OF_REPLACEMENT, /* of another one, which stays */
	DGEN__DEATH_OF_ALL          /* the others would fail as well */
} dgen__death;

/* It has ended with that status of waitpid. */
extern dgen__death dgen__process_ended(dgen__supervisor *s, dgen__process *process, int status);
/* Ends a callback that runs for too long. Returns when to check again. */
extern int64_t dgen__process_check_turn(dgen__supervisor *s, dgen__process *process, int64_t now);

/* ---- supervisor_roll.c: one process after the other is replaced ------------------------------- */

extern void dgen__roll_begin(dgen__supervisor *s);
extern void dgen__roll_step(dgen__supervisor *s);
extern void dgen__roll_abandon(dgen__supervisor *s, int number); /* its new process has died */
extern int64_t dgen__roll_due(const dgen__supervisor *s);        /* when it has waited enough */

/* ---- supervisor_child.c: in the new process ----------------------------------------------------- */

extern void dgen__child_run(dgen__supervisor *s, dgen__process *process, pid_t parent)
	__attribute__((noreturn));

#endif /* DGEN_SUPERVISE_SUPERVISOR_H */
