/*
 * A supervised process from the inside: what it inherits and gives up before its worker runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "supervise/supervisor.h"
#include "work/child.h"

/* The program's own signals again, but for those that are the supervisor's. */
static int
take_signals(const dgen__supervisor *s)
{
	sigset_t mask = s->before;
	sigset_t term;

	sigaction(SIGCHLD, &s->child_before, NULL);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	return signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
close_inherited(dgen__supervisor *s)
{
	close(s->signals);
	close(s->wake[0]);
	dgen__notify_close(&s->notify);
}

/* The supervisor might have died before the kernel was told what to do then. */
static void
end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
}

void
dgen__child_run(dgen__supervisor *s, dgen__process *process, pid_t parent)
{
	dgen_child child = {.number = process->number,
						.turn_timeout_ms = s->options.turn_timeout_ms,
						.slot = process->slot,
						.wake = s->wake[1]};

	end_with(parent);
	close_inherited(s);
	child.signals = take_signals(s);
	if (child.signals < 0)
		_exit(1);
	child.slot->result = s->run(&child, s->user);
	child.slot->returned = true;
	(void) fflush(NULL);
	_exit(child.slot->result == 0 ? 0 : 1);
}
