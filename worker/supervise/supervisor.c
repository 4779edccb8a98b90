/*
 * The supervisor: its options, its signals, and the loop that watches the processes.
 *
 *     signalfd ──┐
 *     pipe ──────┼── poll ──> signals, deaths, turns that take too long, what is due
 *     next due ──┘
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "json/check.h"
#include "server/connection.h"
#include "server/loop.h"
#include "supervise/supervisor.h"
#include "work/child.h"

#define MOST_PROCESSES 1000
#define MOST_DEATHS 1000000
#define GRACE_MS 60000
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 10000
#define DEATH_WINDOW_MS 60000
#define REPLACE_MS 60000

/* ---- options ---- */

static void
set_default(int *option, int value)
{
	if (*option == 0)
		*option = value;
}

static void
set_defaults(dgen_supervisor_options *o)
{
	set_default(&o->processes, 1);
	set_default(&o->grace_ms, GRACE_MS);
	set_default(&o->restart_min_ms, RESTART_MIN_MS);
	set_default(&o->restart_max_ms, RESTART_MAX_MS);
	set_default(&o->death_window_ms, DEATH_WINDOW_MS);
	set_default(&o->replace_ms, REPLACE_MS);
	if (o->restart_max_ms < o->restart_min_ms)
		o->restart_max_ms = o->restart_min_ms;
}

static int
refuse(dgen__supervisor *s, int code, const char *what)
{
	dgen__supervisor_log(s, DGEN_LOG_ERROR, "%s", what);
	return code;
}

static int
copy_options(dgen__supervisor *s, const dgen_supervisor_options *options)
{
	dgen__error error = {0};
	int code = 0;

	if (options != NULL)
		code = dgen__check_struct(&error, "dgen_supervisor_options", options, &s->options,
								  sizeof(s->options));
	if (code != 0)
		(void) refuse(s, code, dgen__error_text(&error));
	dgen__error_free(&error);
	set_defaults(&s->options);
	return code;
}

static int
check_options(dgen__supervisor *s)
{
	const dgen_supervisor_options *o = &s->options;

	if (s->run == NULL)
		return refuse(s, DGEN_EINVAL, "the supervisor has nothing to run");
	if (o->processes < 0 || o->processes > MOST_PROCESSES)
		return refuse(s, DGEN_EINVAL,
					  "processes in dgen_supervisor_options must be between 1 and 1000");
	if (o->grace_ms < 0 || o->restart_min_ms < 0 || o->restart_max_ms < 0 || o->max_deaths < 0 ||
		o->max_deaths > MOST_DEATHS || o->death_window_ms < 0 || o->turn_timeout_ms < -1 ||
		o->replace_ms < 0)
		return refuse(s, DGEN_EINVAL, "a number in dgen_supervisor_options is out of range");
	return 0;
}

/* ---- opening and closing ---- */

static int
make_places(dgen__supervisor *s)
{
	s->places = s->options.processes + 1;
	s->processes = dgen__calloc((size_t) s->places, sizeof(dgen__process));
	s->deaths = dgen__calloc((size_t) s->options.max_deaths + 1, sizeof(int64_t));
	s->slots = mmap(NULL, (size_t) s->places * sizeof(dgen__slot), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->processes == NULL || s->deaths == NULL || s->slots == MAP_FAILED)
		return refuse(s, DGEN_ENOMEM, "out of memory");
	for (int i = 0; i < s->places; i++)
		s->processes[i].slot = &s->slots[i];
	return 0;
}

/* With SIGCHLD ignored the kernel would keep no deaths for waitpid. */
static int
take_signals(dgen__supervisor *s)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &s->before);
	sigaction(SIGCHLD, &action, &s->child_before);
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals >= 0 && pipe2(s->wake, O_CLOEXEC | O_NONBLOCK) == 0)
		return 0;
	dgen__supervisor_log(s, DGEN_LOG_ERROR, "no descriptors: %s", strerror(errno));
	return DGEN_ESTATE;
}

static void
open_notify(dgen__supervisor *s)
{
	if (!dgen__notify_open(&s->notify))
		dgen__supervisor_log(s, DGEN_LOG_WARNING, "could not use NOTIFY_SOCKET: %s",
							 strerror(errno));
}

static void
close_descriptor(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

/* The signal that came twice is the program's own again; by default it ends here. */
static void
give_back_signals(dgen__supervisor *s)
{
	close_descriptor(&s->signals);
	sigaction(SIGCHLD, &s->child_before, NULL);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	if (s->raise != 0)
		(void) raise(s->raise);
}

static void
free_places(dgen__supervisor *s)
{
	if (s->slots != NULL && s->slots != MAP_FAILED)
		(void) munmap(s->slots, (size_t) s->places * sizeof(dgen__slot));
	dgen__free(s->processes);
	dgen__free(s->deaths);
}

/* ---- signals and deaths ---- */

static void
stop_all(dgen__supervisor *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	(void) dgen__notify_send(&s->notify, "STOPPING=1");
	for (int i = 0; i < s->places; i++)
		dgen__process_stop(s, &s->processes[i]);
}

static void
kill_all(dgen__supervisor *s)
{
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].pid != 0)
			dgen__process_kill(&s->processes[i]);
}

static void
stop_by_signal(dgen__supervisor *s, int number)
{
	if (s->asked)
	{
		s->raise = number;
		kill_all(s);
		return;
	}
	s->asked = true;
	dgen__supervisor_log(s, DGEN_LOG_INFO,
						 "stopping after the turns in progress; a second signal stops immediately");
	stop_all(s);
}

static void
take_signal(dgen__supervisor *s, int number)
{
	if (number == SIGHUP && !s->stopping)
		dgen__roll_begin(s);
	else if (number == SIGTERM || number == SIGINT)
		stop_by_signal(s, number);
}

static void
read_signals(dgen__supervisor *s)
{
	struct signalfd_siginfo info;
	char bytes[64];

	while (read(s->wake[0], bytes, sizeof(bytes)) > 0)
		;
	while (read(s->signals, &info, sizeof(info)) == (ssize_t) sizeof(info))
		take_signal(s, (int) info.ssi_signo);
}

static dgen__process *
find_process(dgen__supervisor *s, pid_t pid)
{
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].pid == pid)
			return &s->processes[i];
	return NULL;
}

/* At most max_deaths in the window: the one before so many others is older than that. */
static bool
dies_too_often(dgen__supervisor *s)
{
	int64_t now = dgen__now_ms();
	int64_t first;

	if (s->options.max_deaths == 0)
		return false;
	s->deaths[s->next_death] = now;
	s->next_death = (s->next_death + 1) % (s->options.max_deaths + 1);
	first = s->deaths[s->next_death];
	return first != 0 && now - first <= s->options.death_window_ms;
}

static void
give_up(dgen__supervisor *s)
{
	dgen__supervisor_log(s, DGEN_LOG_ERROR, "stopping after more than %d deaths in %d ms",
						 s->options.max_deaths, s->options.death_window_ms);
	s->result = DGEN_EFAILED;
	stop_all(s);
}

static void
end_process(dgen__supervisor *s, dgen__process *process, int status)
{
	const int number = process->number;
	const dgen__death death = dgen__process_ended(s, process, status);

	if (death == DGEN__DEATH_OF_ALL)
		stop_all(s);
	if (death == DGEN__DEATH_OF_REPLACEMENT)
		dgen__roll_abandon(s, number);
	if ((death == DGEN__DEATH_OF_REPLACEMENT || death == DGEN__DEATH) && dies_too_often(s))
		give_up(s);
}

/* Process 1 inherits the children of others that have died, and no other process waits for them. */
static void
reap_any(dgen__supervisor *s)
{
	dgen__process *process;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((process = find_process(s, pid)) != NULL)
			end_process(s, process, status);
}

/* Elsewhere other children are the program's. */
static void
reap(dgen__supervisor *s)
{
	int status;

	if (getpid() == 1)
	{
		reap_any(s);
		return;
	}
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].pid != 0 && waitpid(s->processes[i].pid, &status, WNOHANG) > 0)
			end_process(s, &s->processes[i], status);
}

/* ---- the loop ---- */

static void
start_what_is_due(dgen__supervisor *s)
{
	for (int i = 0; i < s->places && !s->stopping; i++)
	{
		dgen__process *process = &s->processes[i];

		if (process->number != 0 && process->pid == 0 && process->due <= dgen__now_ms())
			dgen__process_start(s, process);
	}
}

static void
kill_what_is_late(dgen__supervisor *s)
{
	for (int i = 0; i < s->places; i++)
	{
		dgen__process *process = &s->processes[i];

		if (process->pid == 0 || process->killed || process->kill_at > dgen__now_ms())
			continue;
		dgen__supervisor_log(s, DGEN_LOG_WARNING,
							 "worker %d, process %ld, did not stop in %d ms and is killed",
							 process->number, (long) process->pid, s->options.grace_ms);
		dgen__process_kill(process);
	}
}

/* Whatever is wrong with all of them shall show with one. */
static void
look_who_is_attached(dgen__supervisor *s)
{
	int attached = 0;

	if (s->ready)
		return;
	for (int i = 0; i < s->places; i++)
		attached += dgen__process_attached(&s->processes[i]);
	for (int i = 0; i < s->places && attached > 0 && !s->opened; i++)
		if (s->processes[i].number != 0 && s->processes[i].due == DGEN__NEVER)
			s->processes[i].due = 0;
	s->opened = s->opened || attached > 0;
	s->ready = attached >= s->options.processes;
	if (s->ready && !s->stopping && !dgen__notify_send(&s->notify, "READY=1"))
		dgen__supervisor_log(s, DGEN_LOG_WARNING, "could not write to NOTIFY_SOCKET: %s",
							 strerror(errno));
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Ends turns on the way. */
static int64_t
next_look(dgen__supervisor *s)
{
	int64_t next = earlier(s->notify.next, dgen__roll_due(s));

	for (int i = 0; i < s->places; i++)
	{
		dgen__process *process = &s->processes[i];

		if (process->number == 0)
			continue;
		if (process->pid == 0 && !s->stopping)
			next = earlier(next, process->due);
		if (process->pid == 0 || process->killed)
			continue;
		next = earlier(next, process->kill_at);
		next = earlier(next, dgen__process_check_turn(s, process, dgen__now_ms()));
	}
	return next;
}

static void
wait_until(const dgen__supervisor *s, int64_t next)
{
	struct pollfd polled[] = {{.fd = s->signals, .events = POLLIN},
							  {.fd = s->wake[0], .events = POLLIN}};
	int64_t ms = next == DGEN__NEVER ? -1 : next - dgen__now_ms();

	if (next != DGEN__NEVER && ms < 0)
		ms = 0;
	(void) poll(polled, 2, ms > INT_MAX ? INT_MAX : (int) ms);
}

static bool
is_over(const dgen__supervisor *s)
{
	for (int i = 0; i < s->places; i++)
		if (s->processes[i].pid != 0)
			return false;
	return s->stopping;
}

static void
look_after(dgen__supervisor *s)
{
	for (int i = 0; i < s->options.processes; i++)
		dgen__process_place(&s->processes[i], i + 1, i == 0 ? 0 : DGEN__NEVER);
	while (!is_over(s))
	{
		start_what_is_due(s);
		wait_until(s, next_look(s));
		read_signals(s);
		reap(s);
		look_who_is_attached(s);
		kill_what_is_late(s);
		dgen__roll_step(s);
		dgen__notify_alive(&s->notify);
	}
	if (s->result == 0 && s->forced)
		s->result = DGEN_ETIMEOUT;
}

int
dgen_supervisor_run(const dgen_supervisor_options *options,
					int (*run)(dgen_child *child, void *user), void *user)
{
	dgen__supervisor s = {
		.run = run, .user = user, .signals = -1, .wake = {-1, -1}, .roll_until = DGEN__NEVER};

	s.result = copy_options(&s, options);
	s.random = dgen__random_begin(&s);
	if (s.result == 0)
		s.result = check_options(&s);
	if (s.result != 0)
		return s.result;
	s.result = make_places(&s);
	if (s.result == 0)
	{
		s.result = take_signals(&s);
		open_notify(&s);
		if (s.result == 0)
			look_after(&s);
		dgen__notify_close(&s.notify);
		close_descriptor(&s.wake[0]);
		close_descriptor(&s.wake[1]);
		give_back_signals(&s);
	}
	free_places(&s);
	return s.result;
}
