/*
 * One process of the supervisor: starting it, ending it, and what its death means.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/connection.h"
#include "server/loop.h"
#include "supervise/supervisor.h"
#include "work/child.h"

/* ---- starting and ending ---- */

void
dgen__process_place(dgen__process *process, int number, int64_t due)
{
	process->number = number;
	process->pid = 0;
	process->due = due;
	process->kill_at = DGEN__NEVER;
	process->deaths = 0;
	process->killed = process->replacement = false;
}

void
dgen__process_unplace(dgen__process *process)
{
	process->number = 0;
	process->pid = 0;
	process->replacement = false;
}

static void
put_off(dgen__supervisor *s, dgen__process *process)
{
	int ms = dgen__backoff_ms(&s->random, ++process->deaths, s->options.restart_min_ms,
							  s->options.restart_max_ms);

	process->pid = 0;
	process->due = dgen__now_ms() + ms;
}

void
dgen__process_start(dgen__supervisor *s, dgen__process *process)
{
	pid_t parent = getpid();
	pid_t pid;

	memset(process->slot, 0, sizeof(*process->slot));
	process->kill_at = DGEN__NEVER;
	process->killed = false;
	(void) fflush(NULL); /* or what is not written yet would be written twice */
	pid = fork();
	if (pid == 0)
		dgen__child_run(s, process, parent);
	if (pid < 0)
	{
		int error = errno;

		put_off(s, process);
		dgen__supervisor_log(
			s, DGEN_LOG_WARNING, "could not start worker %d: %s; trying again in %lld ms",
			process->number, strerror(error), (long long) (process->due - dgen__now_ms()));
		return;
	}
	process->pid = pid;
	process->began = dgen__now_ms();
	dgen__supervisor_log(s, DGEN_LOG_DEBUG, "worker %d is process %ld", process->number,
						 (long) pid);
}

void
dgen__process_stop(dgen__supervisor *s, dgen__process *process)
{
	if (process->pid == 0 || process->kill_at != DGEN__NEVER)
		return;
	(void) kill(process->pid, SIGTERM);
	process->kill_at = dgen__now_ms() + s->options.grace_ms;
	dgen__supervisor_log(s, DGEN_LOG_DEBUG, "stopping worker %d, process %ld", process->number,
						 (long) process->pid);
}

void
dgen__process_kill(dgen__process *process)
{
	process->killed = true;
	(void) kill(process->pid, SIGKILL);
}

bool
dgen__process_attached(const dgen__process *process)
{
	return process->pid != 0 && atomic_load(&process->slot->attached);
}

int64_t
dgen__process_check_turn(dgen__supervisor *s, dgen__process *process, int64_t now)
{
	dgen__slot *slot = process->slot;
	int64_t began = atomic_load(&slot->turn_began);
	int least = atomic_load(&slot->least_limit_ms);
	int limit = slot->limit_ms;
	dgen__turn_seen turn;

	if (process->pid == 0 || process->killed || least == 0)
		return DGEN__NEVER;
	if (began == 0 || limit == 0)
		return now + least;
	if (began + limit > now)
		return began + limit < now + least ? began + limit : now + least;
	if (!dgen__slot_read(slot, &turn) || atomic_load(&slot->turn_began) != began)
		return now + 1;
	dgen__supervisor_log(s, DGEN_LOG_WARNING,
						 "the turn of %s \"%s\" for message %lld has taken more than %d ms: worker "
						 "%d, process %ld, is killed",
						 turn.type, turn.key, (long long) turn.message, limit, process->number,
						 (long) process->pid);
	dgen__process_kill(process);
	return DGEN__NEVER;
}

dgen__process *
dgen__process_find(dgen__supervisor *s, int number, bool replacement)
{
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].number == number && s->processes[i].replacement == replacement)
			return &s->processes[i];
	return NULL;
}

dgen__process *
dgen__process_other(dgen__supervisor *s, const dgen__process *process)
{
	return dgen__process_find(s, process->number, !process->replacement);
}

/* ---- death ---- */

static void
describe_end(const dgen__slot *slot, int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "was ended by signal %d (%s%s)", WTERMSIG(status),
				 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
	else if (slot->returned && slot->result < 0)
		snprintf(text, size, "returned %d (%s)", slot->result, dgen_strerror(slot->result));
	else if (slot->returned)
		snprintf(text, size, "returned %d", slot->result);
	else
		snprintf(text, size, "called exit with status %d", WEXITSTATUS(status));
}

static void
describe_turn(dgen__slot *slot, char *text, size_t size)
{
	dgen__turn_seen turn;

	text[0] = '\0';
	if (!slot->returned && dgen__slot_read(slot, &turn))
		snprintf(text, size, " in the turn of %s \"%s\" for message %lld", turn.type, turn.key,
				 (long long) turn.message);
}

/* What is there already takes over, or stays; otherwise a new one comes later. */
static void
replace(dgen__supervisor *s, dgen__process *process)
{
	if (dgen__process_other(s, process) != NULL || s->stopping)
	{
		dgen__process_unplace(process);
		return;
	}
	process->replacement = false;
	if (dgen__now_ms() - process->began >= s->options.restart_max_ms)
		process->deaths = 0;
	put_off(s, process);
}

static bool
is_final(const dgen__slot *slot)
{
	return slot->returned && slot->result != 0 && slot->result != DGEN_ENOMEM;
}

static void
die(dgen__supervisor *s, dgen__process *process, const char *end, const char *turn)
{
	const int number = process->number;
	const long pid = (long) process->pid;
	char next[64] = "";

	replace(s, process);
	if (process->number != 0)
		snprintf(next, sizeof(next), "; starting again in %lld ms",
				 (long long) (process->due - dgen__now_ms()));
	dgen__supervisor_log(s, DGEN_LOG_WARNING, "worker %d, process %ld, %s%s%s", number, pid, end,
						 turn, next);
}

/* The others would fail as well. But those that are replaced do not. */
static void
fail(dgen__supervisor *s, dgen__process *process, const char *end)
{
	dgen__supervisor_log(s, DGEN_LOG_ERROR, "worker %d, process %ld, %s: all are stopped",
						 process->number, (long) process->pid, end);
	dgen__process_unplace(process);
	if (s->result == 0)
		s->result = process->slot->result;
}

dgen__death
dgen__process_ended(dgen__supervisor *s, dgen__process *process, int status)
{
	dgen__slot *slot = process->slot;
	const bool told = process->kill_at != DGEN__NEVER;
	const bool replacement = process->replacement;
	char end[128];
	char turn[700];

	describe_end(slot, status, end, sizeof(end));
	describe_turn(slot, turn, sizeof(turn));
	s->forced = s->forced || (s->stopping && process->killed);
	if (!told && is_final(slot) && !replacement)
	{
		fail(s, process, end);
		return DGEN__DEATH_OF_ALL;
	}
	if (!told)
	{
		die(s, process, end, turn);
		return replacement ? DGEN__DEATH_OF_REPLACEMENT : DGEN__DEATH;
	}
	dgen__supervisor_log(s, slot->returned && slot->result == 0 ? DGEN_LOG_DEBUG : DGEN_LOG_WARNING,
						 "worker %d, process %ld, %s%s", process->number, (long) process->pid, end,
						 turn);
	dgen__process_unplace(process);
	return DGEN__NO_DEATH;
}
