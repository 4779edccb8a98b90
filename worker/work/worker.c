/*
 * The worker as the application sees it: opening, registering types, running,
 * stopping; and when it connects, rests and ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "json/check.h"
#include "remember/cache.h"
#include "remember/suspect.h"
#include "server/connection.h"
#include "server/loop.h"
#include "work/batch.h"
#include "work/child.h"
#include "work/session.h"
#include "work/worker.h"

#define CACHE_BYTES ((size_t) 64 * 1024 * 1024)
#define DRAIN_MS 30000
#define RECONNECT_MIN_MS 100
#define RECONNECT_MAX_MS 10000

/* ---- opening and closing ---- */

/* program@host:pid, as long as the server takes it. */
static char *
default_name(void)
{
	char host[33] = "";
	char name[64];

	(void) gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%.20s@%.30s:%ld", program_invocation_short_name, host,
			 (long) getpid());
	return dgen__strdup(name);
}

static void
set_defaults(dgen_worker_options *o)
{
	if (o->cache_bytes == 0)
		o->cache_bytes = CACHE_BYTES;
	if (o->drain_ms == 0)
		o->drain_ms = DRAIN_MS;
	if (o->reconnect_min_ms == 0)
		o->reconnect_min_ms = RECONNECT_MIN_MS;
	if (o->reconnect_max_ms == 0)
		o->reconnect_max_ms = RECONNECT_MAX_MS;
	if (o->reconnect_max_ms < o->reconnect_min_ms)
		o->reconnect_max_ms = o->reconnect_min_ms;
}

static int
take_options(dgen_worker *worker, const dgen_worker_options *options)
{
	dgen_worker_options *o = &worker->options;
	int result = 0;

	if (options != NULL)
		result = dgen__check_struct(&worker->error, "dgen_worker_options", options, o, sizeof(*o));
	if (result != 0)
		return result;
	set_defaults(o);
	if (o->max_actors < 0 || o->max_messages < 0 || o->drain_ms < 0 || o->reconnect_min_ms < 0 ||
		o->reconnect_max_ms < 0)
		return dgen__fail(&worker->error, DGEN_EINVAL,
						  "numbers in dgen_worker_options must not be negative");
	if (o->name != NULL && (o->name[0] == '\0' || strlen(o->name) > 63))
		return dgen__fail(&worker->error, DGEN_EINVAL, "worker name must have 1 to 63 bytes");
	return 0;
}

static int
open_worker(dgen_worker *worker, const char *conninfo, const dgen_worker_options *options)
{
	int result = take_options(worker, options);

	if (result == 0 && conninfo == NULL)
		result = dgen__fail(&worker->error, DGEN_EINVAL,
							"conninfo must not be NULL: \"\" takes all from the environment");
	if (result == 0)
		result = dgen__conninfo_check(conninfo, &worker->error);
	if (result != 0)
		return result;
	worker->conninfo = dgen__strdup(conninfo);
	worker->name =
		worker->options.name == NULL ? default_name() : dgen__strdup(worker->options.name);
	worker->options.name = NULL;
	worker->cache = dgen__cache_open(worker->options.cache_bytes);
	if (worker->conninfo == NULL || worker->name == NULL || worker->cache == NULL)
		return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	worker->connect_ms = dgen__connect_timeout_ms(conninfo);
	return 0;
}

int
dgen_worker_open(dgen_worker **worker, const char *conninfo, const dgen_worker_options *options)
{
	dgen_worker *w;

	if (worker == NULL)
		return DGEN_EINVAL;
	*worker = w = dgen__calloc(1, sizeof(dgen_worker));
	if (w == NULL)
		return DGEN_ENOMEM;
	w->random = dgen__random_begin(w);
	w->process = dgen__this_process();
	w->loop_is_open = dgen__loop_open(&w->loop) == 0;
	if (!w->loop_is_open)
		w->result = dgen__fail(&w->error, DGEN_ESTATE, "no descriptors: %s", strerror(errno));
	else
		w->result = open_worker(w, conninfo, options);
	w->phase = w->result == 0 ? DGEN__RESTING : DGEN__ENDED;
	return w->result;
}

static void
disconnect(dgen_worker *worker)
{
	dgen__loop_forget(&worker->loop);
	dgen__disconnect(worker->connection, worker->process);
	worker->connection = NULL;
	PQclear(worker->claimed);
	worker->claimed = NULL;
	worker->answers.first = worker->answers.count = 0;
	worker->section_failed = false;
	if (worker->batch.committing)
		dgen__doubt_begin(worker);
	dgen__batch_drop(worker);
	if (worker->cache != NULL)
		dgen__cache_drop(worker->cache);
}

static void
free_worker(dgen_worker *worker)
{
	bool own = !dgen__is_child(worker->process);

	disconnect(worker);
	if (own)
		dgen__doubt_give_up(worker, "the worker is closed");
	if (own && worker->child != NULL)
		dgen__child_leave(worker->child);
	dgen__batch_free(&worker->batch);
	dgen__cache_close(worker->cache);
	dgen__suspects_free(&worker->suspects);
	for (int i = 0; i < worker->ntypes; i++)
	{
		dgen__free(worker->types[i].name);
		dgen__free(worker->types[i].initial_state);
	}
	dgen__free(worker->types);
	dgen__free(worker->answers.list);
	dgen__free(worker->conninfo);
	dgen__free(worker->name);
	if (worker->loop_is_open)
		dgen__loop_close(&worker->loop);
	dgen__error_free(&worker->section_error);
	dgen__error_free(&worker->create_error);
	dgen__error_free(&worker->error);
	dgen__free(worker);
}

/*
 * A callback that closes its worker ends the session: what is in progress is rolled back, and
 * comes again. The memory goes when the step that has run the callback is left. That a longjmp
 * has left it cannot be told from that; then the memory stays, and the session ends all the same.
 */
static void
close_in_callback(dgen_worker *worker)
{
	worker->closing = true;
	worker->batch.broken = true;
	dgen_worker_stop(worker);
	(void) dgen__fail(&worker->error, DGEN_ECONNECT, "the worker was closed in a callback");
	if (dgen__is_child(worker->process)) /* the callback has forked */
		dgen__leave_session(worker->connection, worker->process);
	else if (worker->connection != NULL && PQsocket(worker->connection) >= 0)
		(void) shutdown(PQsocket(worker->connection), SHUT_RDWR);
}

void
dgen_worker_close(dgen_worker *worker)
{
	if (worker == NULL)
		return;
	if (worker->entered)
		close_in_callback(worker);
	else
		free_worker(worker);
}

/* ---- which calls are allowed, and when ---- */

int
dgen__worker_check(dgen_worker *worker)
{
	if (worker == NULL)
		return DGEN_EINVAL;
	if (dgen__is_child(worker->process))
		return dgen__refuse_child(&worker->error, "worker");
	if (!worker->entered)
		return 0;
	if (worker->phase == DGEN__ENDED) /* why it has ended is to be told */
		return DGEN_ESTATE;
	return dgen__fail_hint(
		&worker->error, DGEN_ESTATE,
		"A callback can stop and close its worker. If an exception or longjmp has left a callback, close the worker.",
		"a callback of the worker is running");
}

/* ---- what went wrong ---- */

const char *
dgen_worker_error(const dgen_worker *worker)
{
	return worker == NULL ? "" : dgen__error_text(&worker->error);
}

const char *
dgen_worker_sqlstate(const dgen_worker *worker)
{
	return worker == NULL ? "" : worker->error.sqlstate;
}

const char *
dgen_worker_hint(const dgen_worker *worker)
{
	return worker == NULL ? "" : dgen__error_hint(&worker->error);
}

static bool
is_attached(const dgen_worker *worker)
{
	return worker->phase == DGEN__RELEASING || worker->phase == DGEN__IDLE ||
		   worker->phase == DGEN__CLAIMING || worker->phase == DGEN__FETCHING ||
		   worker->phase == DGEN__BEGINNING;
}

void
dgen__worker_attached(dgen_worker *worker)
{
	dgen__worker_log(worker, worker->changed[0] == '\0' ? DGEN_LOG_INFO : DGEN_LOG_DEBUG,
					 "attached as worker %s", worker->id);
	if (worker->options.attached != NULL)
		worker->options.attached(worker, worker->options.attached_user);
}

bool
dgen_worker_is_attached(const dgen_worker *worker)
{
	return worker != NULL && !dgen__is_child(worker->process) && is_attached(worker);
}

/* ---- connecting, resting, ending ---- */

void
dgen__worker_end(dgen_worker *worker, int result)
{
	disconnect(worker);
	dgen__doubt_give_up(worker, "the worker ends");
	worker->phase = DGEN__ENDED;
	worker->result = result;
	worker->deadline = DGEN__NEVER;
	if (result == 0)
		dgen__worker_log(worker, DGEN_LOG_INFO, "worker stopped");
	else
		dgen__worker_log(worker, DGEN_LOG_ERROR, "worker ended: %s" DGEN__HINT_FORMAT,
						 dgen_worker_error(worker), DGEN__HINT_OF(&worker->error));
}

#define CHANGED_INTERVAL_MS 60000

/*
 * A table of dgen's that was changed fails each retry alike, until it is fixed: that is
 * said when it begins, and once a minute.
 */
static bool
was_told(dgen_worker *worker)
{
	const char *text = dgen_worker_error(worker);
	int64_t now = dgen__now_ms();

	if (strcmp(worker->error.sqlstate, DGEN__CHANGED) != 0)
		return false;
	if (strncmp(worker->changed, text, sizeof(worker->changed) - 1) == 0 &&
		now - worker->changed_at < CHANGED_INTERVAL_MS)
		return true;
	snprintf(worker->changed, sizeof(worker->changed), "%s", text);
	worker->changed_at = now;
	return false;
}

void
dgen__worker_rest(dgen_worker *worker, const dgen__error *why)
{
	int ms;

	(void) dgen__fail_error(&worker->error, why);
	disconnect(worker);
	if (dgen__worker_stopping(worker))
	{
		dgen__worker_end(worker, 0);
		return;
	}
	if (dgen__is_child(worker->process))
	{
		dgen__worker_end(worker, dgen__refuse_child(&worker->error, "worker"));
		return;
	}
	if (dgen__is_final(&worker->error))
	{
		dgen__worker_end(worker, worker->error.code);
		return;
	}
	worker->attempts++;
	if (strcmp(worker->error.sqlstate, DGEN__CHANGED) == 0)
		worker->attempts = ++worker->changed_tries; /* claims may succeed in the meantime */
	ms = dgen__backoff_ms(&worker->random, worker->attempts, worker->options.reconnect_min_ms,
						  worker->options.reconnect_max_ms);
	worker->phase = DGEN__RESTING;
	worker->deadline = dgen__now_ms() + ms;
	dgen__worker_log(worker, was_told(worker) ? DGEN_LOG_DEBUG : DGEN_LOG_WARNING,
					 "%s; connecting again in %d ms" DGEN__HINT_FORMAT, dgen_worker_error(worker),
					 ms, DGEN__HINT_OF(&worker->error));
}

static void
log_notice(void *context, const PGresult *notice)
{
	const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(notice, PG_DIAG_MESSAGE_HINT);
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
	const bool warns = severity != NULL && strcmp(severity, "WARNING") == 0;

	dgen__worker_log(context, warns ? DGEN_LOG_WARNING : DGEN_LOG_INFO,
					 "server: %s" DGEN__HINT_FORMAT, text == NULL ? "" : text,
					 hint == NULL ? "" : " (hint: ", hint == NULL ? "" : hint,
					 hint == NULL ? "" : ")");
}

static void
continue_connecting(dgen_worker *worker)
{
	dgen__error error = {0};
	int result = dgen__connect_continue(worker->connection, &worker->loop, worker->deadline,
										worker->connect_ms, &error);

	if (result == 0 && dgen__session_begin(worker) != 0)
		dgen__worker_rest(worker, &worker->error);
	else if (result < 0)
		dgen__worker_rest(worker, &error);
	dgen__error_free(&error);
}

static void
begin_connecting(dgen_worker *worker)
{
	dgen__error error = {0};

	worker->connection = dgen__connect_start(worker->conninfo, worker->name, worker->attempts);
	if (worker->connection == NULL || PQstatus(worker->connection) == CONNECTION_BAD)
	{
		(void) dgen__fail_connection(&error, worker->connection);
		dgen__worker_rest(worker, &error);
		dgen__error_free(&error);
		return;
	}
	PQsetNoticeReceiver(worker->connection, log_notice, worker);
	worker->phase = DGEN__CONNECTING;
	worker->deadline = dgen__now_ms() + worker->connect_ms;
	continue_connecting(worker);
}

/* ---- running ---- */

void
dgen_worker_stop(dgen_worker *worker)
{
	if (worker != NULL && worker->loop_is_open && !dgen__is_child(worker->process))
		dgen__loop_stop(&worker->loop);
}

/*
 * What the server is about to answer is waited for, so that the outcome of a commit is
 * known, and the server finds a worker that hears it. Messages claimed in the meantime are
 * left as they are: the server gives them to others when the connection closes.
 */
static void
stop(dgen_worker *worker)
{
	if (worker->phase == DGEN__ENDED)
		return;
	if (worker->phase == DGEN__ATTACHING || !dgen__session_busy(worker))
		dgen__worker_end(worker, 0);
	else if (worker->phase != DGEN__LEAVING)
	{
		worker->phase = DGEN__LEAVING;
		worker->deadline = dgen__now_ms() + worker->options.drain_ms;
	}
	else if (dgen__now_ms() >= worker->deadline)
	{
		dgen__worker_log(worker, DGEN_LOG_WARNING, "%s in %d ms",
						 worker->batch.committing ? "the last commit was not confirmed"
												  : "no answer from the server",
						 worker->options.drain_ms);
		dgen__worker_end(worker, 0);
	}
}

static void
go_on(dgen_worker *worker)
{
	int result;

	switch (worker->phase)
	{
		case DGEN__RESTING:
			if (dgen__now_ms() >= worker->deadline)
				begin_connecting(worker);
			break;
		case DGEN__CONNECTING:
			continue_connecting(worker);
			break;
		case DGEN__ENDED:
			break;
		default:
			result = dgen__session_step(worker);
			if (result != 0)
				dgen__worker_rest(worker, &worker->error);
	}
}

static int
check_runnable(dgen_worker *worker)
{
	worker->ran = true;
	if (worker->ntypes == 0 && worker->phase != DGEN__ENDED)
		return dgen__fail(&worker->error, DGEN_EINVAL, "no actor type is registered");
	return 0;
}

static int
step(dgen_worker *worker)
{
	if (worker->child != NULL && dgen__child_stopped(worker->child))
		dgen_worker_stop(worker);
	if (dgen__worker_stopping(worker))
		stop(worker);
	go_on(worker);
	if (dgen__worker_stopping(worker))
		stop(worker);
	if (worker->child != NULL)
		dgen__child_attached(worker->child, is_attached(worker));
	if (worker->phase == DGEN__ENDED)
		return worker->result;
	dgen__loop_alarm(&worker->loop, worker->deadline);
	return 1;
}

/* A step that runs callbacks. */
typedef struct Entry
{
	dgen_worker *worker;
	bool returned; /* false: an exception has left a callback */
} Entry;

/*
 * Also called while an exception passes: the session ends with it, since no step continues with
 * its batch. The turn is an attempt whose session ended, and another session continues.
 */
static void
leave(Entry *entry)
{
	dgen_worker *worker = entry->worker;

	worker->entered = false;
	if (!entry->returned && worker->phase != DGEN__ENDED)
	{
		disconnect(worker);
		worker->phase = DGEN__RESTING;
		worker->deadline = dgen__now_ms();
	}
	if (worker->closing)
		free_worker(worker);
}

static int
enter(dgen_worker *worker)
{
	Entry entry __attribute__((cleanup(leave))) = {.worker = worker};
	int result;

	worker->entered = true;
	result = step(worker);
	entry.returned = true;
	return worker->closing ? 0 : result;
}

int
dgen_worker_step(dgen_worker *worker)
{
	int result = dgen__worker_check(worker);

	if (result == 0)
		result = check_runnable(worker);
	return result == 0 ? enter(worker) : result;
}

int
dgen_worker_run(dgen_worker *worker)
{
	int result;

	while ((result = dgen_worker_step(worker)) == 1)
		dgen__loop_wait(&worker->loop);
	return result;
}

int
dgen_worker_fd(dgen_worker *worker)
{
	if (worker == NULL || !worker->loop_is_open)
		return DGEN_EINVAL;
	if (dgen__is_child(worker->process))
		return dgen__refuse_child(&worker->error, "worker");
	return worker->loop.epoll;
}

int
dgen_worker_timeout(dgen_worker *worker)
{
	int64_t ms;

	if (worker == NULL || worker->phase == DGEN__ENDED)
		return 0;
	if (worker->deadline == DGEN__NEVER)
		return -1;
	ms = worker->deadline - dgen__now_ms();
	return ms < 0 ? 0 : (int) ms;
}
