/*
 * SIGHUP: one process after the other is replaced. The new one is attached before the old
 * one is told to stop; the next pair follows when that has ended.
 *
 *     number k:   old ────────────────── SIGTERM ── end
 *                      new ── attached ──┘           └── number k + 1
 *
 * If a new one dies, or is killed because it has not attached in time, the old ones stay.
 */
#include "server/loop.h"
#include "supervise/supervisor.h"

/* A SIGHUP that came in the meantime can bring a better file. */
static void
end(dgen__supervisor *s)
{
	s->rolling = 0;
	s->roll_until = DGEN__NEVER;
	(void) dgen__notify_send(&s->notify, "READY=1");
	if (s->again && !s->stopping)
		dgen__roll_begin(s);
}

static void
begin_number(dgen__supervisor *s)
{
	dgen__process *old = dgen__process_find(s, s->rolling, false);
	dgen__process *place = dgen__process_find(s, 0, false);

	if (old == NULL || place == NULL)
		return;
	if (old->pid == 0)
	{
		old->due = dgen__now_ms();
		s->rolling++;
		return;
	}
	dgen__process_place(place, s->rolling, dgen__now_ms());
	place->replacement = true;
	s->roll_until = dgen__now_ms() + s->options.replace_ms;
}

static void
finish_number(dgen__supervisor *s, dgen__process *replacement)
{
	dgen__process *old = dgen__process_other(s, replacement);

	replacement->replacement = false;
	if (old != NULL)
		dgen__process_stop(s, old);
	s->roll_until = DGEN__NEVER;
	s->rolling++;
}

void
dgen__roll_begin(dgen__supervisor *s)
{
	if (s->rolling != 0)
	{
		s->again = true;
		return;
	}
	dgen__supervisor_log(s, DGEN_LOG_INFO, "replacing the processes, one after the other");
	s->again = false;
	(void) dgen__notify_reloading(&s->notify);
	s->rolling = 1;
}

static void
abandon(dgen__supervisor *s, int number, const char *why)
{
	dgen__supervisor_log(s, DGEN_LOG_WARNING, "worker %d was not replaced: %s; the others stay",
						 number, why);
	end(s);
}

void
dgen__roll_abandon(dgen__supervisor *s, int number)
{
	abandon(s, number, "the new process died");
}

int64_t
dgen__roll_due(const dgen__supervisor *s)
{
	return s->rolling == 0 || s->stopping ? DGEN__NEVER : s->roll_until;
}

/* What is not attached has no turn to end, and what hangs does not hear SIGTERM. */
static void
give_up(dgen__supervisor *s, dgen__process *replacement)
{
	s->roll_until = DGEN__NEVER;
	if (replacement->pid != 0)
	{
		dgen__supervisor_log(s, DGEN_LOG_WARNING,
							 "worker %d, process %ld, did not attach in %d ms and is killed",
							 replacement->number, (long) replacement->pid, s->options.replace_ms);
		dgen__process_kill(replacement);
		return;
	}
	replacement->replacement = false;
	if (dgen__process_find(s, replacement->number, false) != replacement)
		dgen__process_unplace(replacement);
	abandon(s, s->rolling, "could not start a new process");
}

static bool
somebody_leaves(const dgen__supervisor *s)
{
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].number != 0 && s->processes[i].kill_at != DGEN__NEVER)
			return true;
	return false;
}

void
dgen__roll_step(dgen__supervisor *s)
{
	dgen__process *replacement;

	if (s->rolling == 0 || s->stopping)
		return;
	replacement = dgen__process_find(s, s->rolling, true);
	if (replacement != NULL)
	{
		if (dgen__process_attached(replacement) && !replacement->killed)
			finish_number(s, replacement);
		else if (dgen__now_ms() >= s->roll_until)
			give_up(s, replacement);
		return;
	}
	if (somebody_leaves(s))
		return;
	if (s->rolling < s->places)
	{
		begin_number(s);
		return;
	}
	dgen__supervisor_log(s, DGEN_LOG_INFO, "all processes are replaced");
	end(s);
}
