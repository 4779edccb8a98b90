/*
 * SIGHUP: one process after the other is replaced. The new one is attached before the old
 * one is told to stop; the next pair's turn is when that has ended.
 *
 *     number k:   old ────────────────── SIGTERM ── end
 *                      new ── attached ──┘           └── number k + 1
 */
#include "supervisor.h"

static dgen__process *
find(dgen__supervisor *s, int number, bool replacement)
{
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].number == number && s->processes[i].replacement == replacement)
			return &s->processes[i];
	return NULL;
}

dgen__process *
dgen__roll_other(dgen__supervisor *s, const dgen__process *process)
{
	return find(s, process->number, !process->replacement);
}

static void
end(dgen__supervisor *s)
{
	s->rolling = 0;
	(void) dgen__notify_send(&s->notify, "READY=1");
}

static void
begin_number(dgen__supervisor *s)
{
	dgen__process *old = find(s, s->rolling, false);
	dgen__process *place = find(s, 0, false);

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
}

static void
finish_number(dgen__supervisor *s, dgen__process *replacement)
{
	dgen__process *old = dgen__roll_other(s, replacement);

	replacement->replacement = false;
	if (old != NULL)
		dgen__process_stop(s, old);
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
	(void) dgen__notify_reloading(&s->notify);
	s->rolling = 1;
}

void
dgen__roll_abandon(dgen__supervisor *s, int number)
{
	dgen__supervisor_log(s, DGEN_LOG_WARNING,
						 "worker %d was not replaced: the new process has died; the others stay",
						 number);
	end(s);
}

/* The old one has died before it was told to stop. */
void
dgen__roll_take_over(dgen__supervisor *s, dgen__process *replacement)
{
	replacement->replacement = false;
	s->rolling++;
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
	replacement = find(s, s->rolling, true);
	if (replacement != NULL)
	{
		if (dgen__process_attached(replacement))
			finish_number(s, replacement);
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
	if (s->again)
	{
		s->again = false;
		dgen__roll_begin(s);
	}
}
