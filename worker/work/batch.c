/*
 * A batch: its turns, one after the other, and what follows its commit or the failure of that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "remember/cache.h"
#include "remember/suspect.h"
#include "server/array.h"
#include "server/loop.h"
#include "server/result.h"
#include "server/sql.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"
#include "work/batch.h"
#include "work/child.h"
#include "work/worker.h"

/* A batch that has run so long commits what it has, so that no actor waits for long. */
#define BATCH_MS 10

/* More than 64 open or released subtransactions make the snapshots of the whole server slow. */
#define MOST_SAVEPOINTS 32

/* Failed commits of a turn alone whose cause might have been another one, such as a deadlock. */
#define MOST_TRIES 3

/* Of a buffer, between batches. */
#define KEPT_BYTES ((size_t) 1024 * 1024)

/* What the extension grants beyond turn_timeout. */
#define GRACE_MS 5000

/* Until a locked part runs again whose commit met a table of dgen's that was changed. */
#define CHANGED_DELAY_MS 1000

/* ---- running ---- */

static void
decode_message(const PGresult *rows, int row, dgen__message *message)
{
	message->id = dgen__result_number(rows, row, DGEN__CLAIM_ID);
	message->kind = PQgetvalue(rows, row, DGEN__CLAIM_KIND);
	message->attempt = (int) dgen__result_number(rows, row, DGEN__CLAIM_ATTEMPT);
	message->message = PQgetvalue(rows, row, DGEN__CLAIM_MESSAGE);
	message->length = (size_t) PQgetlength(rows, row, DGEN__CLAIM_MESSAGE);
	message->headers = dgen__batch_field(rows, row, DGEN__CLAIM_HEADERS);
	message->in_reply_to = dgen__result_number(rows, row, DGEN__CLAIM_IN_REPLY_TO);
	message->correlation = dgen__batch_field(rows, row, DGEN__CLAIM_CORRELATION);
	message->error = dgen__batch_field(rows, row, DGEN__CLAIM_ERROR);
	message->sqlstate = dgen__batch_field(rows, row, DGEN__CLAIM_SQLSTATE);
	message->token = dgen__batch_field(rows, row, DGEN__CLAIM_TOKEN);
}

static void
take_result(dgen_worker *worker, dgen__actor *actor, const dgen__message *message,
			dgen__turn_result *result)
{
	if (result->outcome == DGEN__COMMIT)
	{
		actor->handled++;
		actor->destroyed = result->destroyed;
		actor->locks = result->locks;
		if (!actor->destroyed && actor->version == 0 && actor->handled < actor->nmessages)
			actor->changed = dgen__state_changed(actor->state);
		dgen__error_free(&result->error);
		return;
	}
	actor->failed = true;
	actor->outcome = result->outcome;
	actor->delay_ms = result->delay_ms;
	actor->error = result->error;
	dgen__worker_log(
		worker, result->outcome == DGEN__RETRY ? DGEN_LOG_DEBUG : DGEN_LOG_WARNING,
		"turn of %s \"%s\" for message %lld, attempt %d: %s" DGEN__HINT_FORMAT,
		worker->types[actor->type].name, actor->key, (long long) message->id, message->attempt,
		result->outcome == DGEN__RETRY ? "to be tried again" : dgen__error_text(&result->error),
		DGEN__HINT_OF(&result->error));
}

/* An action is one by itself: its id serves as the key, and its type is like no actor's. */
static int
suspect_type(const dgen__actor *actor)
{
	return actor->action ? -1 - actor->type : actor->type;
}

static const char *
suspect_key(const dgen_worker *worker, const dgen__actor *actor)
{
	return actor->action ? PQgetvalue(worker->batch.rows, actor->row, DGEN__CLAIM_ID) : actor->key;
}

static dgen__suspect *
add_suspect(dgen_worker *worker, const dgen__actor *actor)
{
	return dgen__suspects_add(&worker->suspects, suspect_type(actor), suspect_key(worker, actor));
}

static dgen__suspect *
find_suspect(dgen_worker *worker, const dgen__actor *actor)
{
	return dgen__suspects_find(&worker->suspects, suspect_type(actor), suspect_key(worker, actor));
}

/* A callback that ended the transaction has committed or undone the turns before it, too. */
static void
condemn(dgen_worker *worker, const dgen__actor *actor, int64_t message, int attempt,
		const dgen__error *error)
{
	dgen__suspect *suspect = add_suspect(worker, actor);

	if (suspect == NULL)
		return;
	dgen__suspects_convict(&worker->suspects, suspect, message, error);
	suspect->attempt = attempt;
}

static void
note_time(dgen__batch *batch, const dgen__actor *actor, const dgen__message *message, int64_t ms)
{
	if (ms <= batch->slowest_ms)
		return;
	batch->slowest = (int) (actor - batch->actors);
	batch->slowest_message = message->id;
	batch->slowest_attempt = message->attempt;
	batch->slowest_ms = ms;
}

static PGconn *
refuse_connection(void *context, dgen__error *error)
{
	(void) context;
	(void) dgen__fail_hint(error, DGEN_ESTATE, "Use a connection of the program's own.",
						   "a locked part has no transaction and no connection");
	return NULL;
}

static void
run_turn(dgen_worker *worker, dgen__actor *actor)
{
	dgen__batch *batch = &worker->batch;
	const dgen__connector borrowed = {dgen__borrow, dgen__borrow_finish, worker};
	const dgen__connector none = {refuse_connection, NULL, worker};
	dgen__message message;
	dgen__turn_result result = {0};
	int64_t start = dgen__now_ms();

	decode_message(batch->rows, actor->row + actor->handled, &message);
	if (worker->child != NULL)
		dgen__child_turn(worker->child, &worker->types[actor->type], actor->key, &message, start);
	dgen__turn_run(&worker->types[actor->type].type, actor->key,
				   actor->changed ? 1 : actor->version, (int) (actor - batch->actors) + 1,
				   actor->state, &batch->outbox, &message, batch->part ? &none : &borrowed,
				   &result);
	if (dgen__is_child(worker->process)) /* that the callback has forked, and that came back */
	{
		batch->broken = true;
		(void) dgen__refuse_child(&worker->error, "worker");
	}
	else if (worker->child != NULL)
		dgen__child_turn_over(worker->child);
	note_time(batch, actor, &message, dgen__now_ms() - start);
	if (result.outcome == DGEN__ERROR && !result.raised)
		dgen__borrow_explain(worker, &result.error);
	dgen__borrow_undo(worker);
	if (batch->broken && worker->error.code != DGEN_ECONNECT)
		condemn(worker, actor, message.id, message.attempt, &worker->error);
	take_result(worker, actor, &message, &result);
}

/* The failed attempt of a turn that did run, and whose commit failed or whose session the server has ended. */
static void
replay_failure(dgen_worker *worker, dgen__actor *actor, const dgen__suspect *suspect)
{
	dgen__message message;

	decode_message(worker->batch.rows, actor->row, &message);
	if (message.id != suspect->message || message.attempt != suspect->attempt)
		return;
	actor->failed = true;
	actor->outcome = suspect->final ? DGEN__FAIL : DGEN__ERROR;
	(void) dgen__fail_error(&actor->error, &suspect->error);
}

static bool
run_suspect(dgen_worker *worker)
{
	dgen__batch *batch = &worker->batch;

	for (int i = 0; i < batch->nactors && worker->suspects.count > 0; i++)
	{
		dgen__actor *actor = &batch->actors[i];
		dgen__suspect *suspect = find_suspect(worker, actor);

		if (suspect == NULL)
			continue;
		batch->alone = true;
		replay_failure(worker, actor, suspect);
		if (!actor->failed)
			run_turn(worker, actor);
		return true;
	}
	if (dgen__suspects_searching(&worker->suspects) && --worker->suspects.patience <= 0)
		dgen__suspects_forget(&worker->suspects);
	return false;
}

static bool
is_over(const dgen_worker *worker, int64_t until)
{
	return worker->batch.broken || worker->batch.savepoints >= MOST_SAVEPOINTS ||
		   dgen__worker_stopping(worker) || dgen__now_ms() >= until;
}

static void
run_turns(dgen_worker *worker)
{
	dgen__batch *batch = &worker->batch;
	int64_t until = dgen__now_ms() + BATCH_MS;

	if (!batch->part && run_suspect(worker))
		return;
	for (int i = 0; i < batch->nactors; i++)
	{
		dgen__actor *actor = &batch->actors[i];

		while (actor->handled < actor->nmessages && !actor->failed && !actor->destroyed &&
			   !actor->locks)
		{
			run_turn(worker, actor);
			if (is_over(worker, until))
				return;
		}
	}
}

void
dgen__batch_run(dgen_worker *worker)
{
	int64_t start = dgen__now_us();

	run_turns(worker);
	worker->batch.run_us = dgen__now_us() - start;
}

/* ---- afterwards ---- */

/* An actor that runs alone and commits was not the cause, or has its failed attempt. */
static void
release_suspects(dgen_worker *worker)
{
	dgen__batch *batch = &worker->batch;

	for (int i = 0; batch->alone && i < batch->nactors; i++)
	{
		dgen__actor *actor = &batch->actors[i];
		dgen__suspect *suspect;

		if (actor->handled == 0 && !actor->failed)
			continue;
		suspect = find_suspect(worker, actor);
		if (suspect != NULL && suspect->message != 0 && actor->failed)
			suspect->message = 0;
		else if (suspect != NULL)
			dgen__suspects_remove(&worker->suspects, suspect);
	}
}

static void
keep_state(dgen_worker *worker, dgen__actor *actor)
{
	if (worker->batch.part || actor->state == NULL || actor->destroyed || actor->action ||
		(actor->version == 0 && !actor->changed))
		return;
	dgen__state_confirm(actor->state);
	dgen__cache_put(worker->cache, actor->type, actor->key, actor->state);
	actor->state = NULL;
}

/* Memory is kept for the next batch, but not that of a giant. */
static void
trim(dgen__buffer *buffer)
{
	if (buffer->size > KEPT_BYTES)
		dgen__buffer_free(buffer);
}

static void
empty(dgen__batch *batch)
{
	for (int i = 0; i < DGEN__COMMIT_ARRAYS; i++)
		trim(&batch->arrays[i].data);
	trim(&batch->set);
	trim(&batch->deleted);
	for (int i = 0; i < batch->nactors; i++)
	{
		dgen__state_free(batch->actors[i].state);
		dgen__error_free(&batch->actors[i].error);
	}
	PQclear(batch->rows);
	batch->rows = NULL;
	batch->nactors = 0;
	batch->part = batch->blamed = false;
	batch->tries = 0;
	batch->alone = batch->committing = batch->broken = batch->in_savepoint = false;
	batch->savepoints = 0;
	batch->slowest_ms = 0;
}

void
dgen__batch_committed(dgen_worker *worker)
{
	dgen__batch *batch = &worker->batch;

	release_suspects(worker);
	for (int i = 0; i < batch->nactors; i++)
		keep_state(worker, &batch->actors[i]);
	empty(batch);
	dgen__outbox_finish(&batch->outbox, true);
}

void
dgen__batch_drop(dgen_worker *worker)
{
	empty(&worker->batch);
	dgen__outbox_finish(&worker->batch.outbox, false);
}

/*
 * The server ends a session that is silent in a batch for longer than any of its turns
 * can take. The messages are handled again, and one of them would take as long again.
 */
void
dgen__batch_timed_out(dgen_worker *worker)
{
	dgen__batch *batch = &worker->batch;
	dgen__error error = {0};

	if (batch->slowest_ms < GRACE_MS)
		return;
	(void) dgen__fail_hint(&error, DGEN_ETIMEOUT,
						   "Make the turn shorter, or the turn_timeout of its type longer.",
						   "the server ended the session, because the turn took %lld ms",
						   (long long) batch->slowest_ms);
	memcpy(error.sqlstate, DGEN__TURN_TIMEOUT, sizeof(DGEN__TURN_TIMEOUT));
	condemn(worker, &batch->actors[batch->slowest], batch->slowest_message, batch->slowest_attempt,
			&error);
	dgen__error_free(&error);
}

typedef enum Cause
{
	CAUSE_SERVER, /* out of disk, shutting down ... */
	CAUSE_CHANCE, /* a deadlock, a canceled query ... */
	CAUSE_TURN
} Cause;

static Cause
cause_of(const char *sqlstate)
{
	static const char *const server[] = {DGEN__CLASS_CONNECTION, DGEN__CLASS_RESOURCES,
										 DGEN__CLASS_SHUTDOWN, DGEN__CLASS_SYSTEM};
	static const char *const chance[] = {DGEN__CLASS_ROLLBACK, DGEN__LOCK_TIMEOUT, DGEN__CANCELLED,
										 DGEN__NOT_OWNED};

	for (size_t i = 0; i < sizeof(server) / sizeof(server[0]); i++)
		if (strncmp(sqlstate, server[i], strlen(server[i])) == 0)
			return CAUSE_SERVER;
	for (size_t i = 0; i < sizeof(chance) / sizeof(chance[0]); i++)
		if (strncmp(sqlstate, chance[i], strlen(chance[i])) == 0)
			return CAUSE_CHANCE;
	return CAUSE_TURN;
}

static int
count_turns(const dgen__batch *batch)
{
	int turns = 0;

	for (int i = 0; i < batch->nactors; i++)
		turns += batch->actors[i].handled + batch->actors[i].failed;
	return turns;
}

/*
 * The turn has failed, so its error was all that it sent, and the database cannot hold the text. The
 * turn ends as it said all the same, and the error is what ASCII has of it.
 */
static bool
is_text_of(const dgen__actor *actor, const dgen__error *error)
{
	return actor->failed && (strcmp(error->sqlstate, DGEN__UNTRANSLATABLE) == 0 ||
							 strcmp(error->sqlstate, DGEN__NO_ENCODED_TEXT) == 0);
}

static void
suspect_actor(dgen_worker *worker, const dgen__actor *actor, bool only_turn, Cause cause,
			  const dgen__error *error)
{
	dgen__suspect *suspect = add_suspect(worker, actor);
	dgen__message message;

	if (suspect == NULL || !only_turn)
		return;
	if (cause == CAUSE_CHANCE && ++suspect->tries < MOST_TRIES)
		return;
	decode_message(worker->batch.rows, actor->row, &message);
	if (suspect->message != message.id)
		worker->failed_commits = 0; /* that is progress */
	dgen__suspects_convict(&worker->suspects, suspect, message.id, error);
	suspect->attempt = message.attempt;
	if (is_text_of(actor, error))
	{
		(void) dgen__fail_error(&suspect->error, &actor->error);
		dgen__error_to_ascii(&suspect->error);
		suspect->final = actor->outcome == DGEN__FAIL;
	}
}

/* Nothing is lost: the messages are still in their mailboxes. False: claiming again immediately is of no use. */
bool
dgen__batch_failed(dgen_worker *worker, const dgen__error *error)
{
	dgen__batch *batch = &worker->batch;
	Cause cause = cause_of(error->sqlstate);
	int turns = count_turns(batch);

	dgen__worker_log(worker, DGEN_LOG_WARNING,
					 "a batch of %d turns of %d actors did not commit: %s" DGEN__HINT_FORMAT, turns,
					 batch->nactors, dgen__error_text(error), DGEN__HINT_OF(error));
	for (int i = 0; i < batch->nactors && cause != CAUSE_SERVER; i++)
		if (batch->actors[i].handled > 0 || batch->actors[i].failed)
			suspect_actor(worker, &batch->actors[i], turns == 1, cause, error);
	dgen__batch_drop(worker);
	dgen__cache_drop(worker->cache);
	return cause != CAUSE_SERVER;
}

/* The commit of a locked part has failed, perhaps by chance. */
bool
dgen__batch_may_retry(dgen_worker *worker, const dgen__error *error)
{
	return cause_of(error->sqlstate) == CAUSE_CHANCE && ++worker->batch.tries < MOST_TRIES;
}

/* What it did cannot be committed: the attempt has failed, or is not counted. */
void
dgen__batch_blame(dgen_worker *worker, const dgen__error *error)
{
	dgen__batch *batch = &worker->batch;
	dgen__actor *actor = &batch->actors[0];

	dgen__worker_log(
		worker, DGEN_LOG_WARNING, "a locked part of %s \"%s\" did not commit: %s" DGEN__HINT_FORMAT,
		worker->types[actor->type].name, actor->key, dgen__error_text(error), DGEN__HINT_OF(error));
	batch->blamed = true;
	actor->handled = 0;
	actor->destroyed = false;
	if (is_text_of(actor, error))
		dgen__error_to_ascii(&actor->error);
	else
	{
		actor->failed = true;
		actor->outcome = strcmp(error->sqlstate, DGEN__CHANGED) == 0 ? DGEN__RETRY : DGEN__ERROR;
		actor->delay_ms = CHANGED_DELAY_MS;
		(void) dgen__fail_error(&actor->error, error);
	}
	dgen__outbox_finish(&batch->outbox, false);
}

void
dgen__batch_free(dgen__batch *batch)
{
	for (int i = 0; i < DGEN__COMMIT_ARRAYS; i++)
		dgen__array_free(&batch->arrays[i]);
	dgen__buffer_free(&batch->set);
	dgen__buffer_free(&batch->deleted);
	dgen__free(batch->actors);
}
