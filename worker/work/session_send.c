/*
 * What a worker sends. A section ends with a sync; an error in it makes the server skip the
 * rest of it. One flush carries
 *
 *     commit_turns, COMMIT, BEGIN, claim, sync
 *
 * and, when a claim has found nothing,
 *
 *     COMMIT, sync  CALL dgen.wait, sync  BEGIN, claim, sync
 *
 * so that the server, woken, claims without another round trip. Behind a pooler each of these three is sent
 * when the one before is answered: a pooler considers the session ready with the first answer,
 * and would give it, still waiting, to another client when the worker is gone.
 */
#include <stdio.h>

#include "base/error.h"
#include "base/guard.h"
#include "remember/suspect.h"
#include "server/answers.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/sql.h"
#include "work/batch.h"
#include "work/session.h"
#include "work/worker.h"

/* Claims that get all states sent, once the cache has turned out to hold few of those needed. */
#define UNCACHED_CLAIMS 16

/* ---- statements ---- */

static int
expect(dgen_worker *worker, dgen__answer answer)
{
	if (dgen__answers_add(&worker->answers, (unsigned char) answer) != 0)
		return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	return 0;
}

static int
checked(dgen_worker *worker, int sent, dgen__answer answer)
{
	if (sent != 0)
		return dgen__fail_connection(&worker->error, worker->connection);
	return expect(worker, answer);
}

int
dgen__session_send(dgen_worker *worker, const dgen__statement *statement, const char *const *values,
				   const int *lengths, const int *formats, dgen__answer answer)
{
	if (dgen__is_child(worker->process)) /* a callback has forked, and the child came back */
		return dgen__refuse_child(&worker->error, "worker");
	return checked(worker,
				   dgen__statement_send(worker->connection, statement, values, lengths, formats),
				   answer);
}

int
dgen__session_send_plain(dgen_worker *worker, const dgen__statement *statement, dgen__answer answer)
{
	return dgen__session_send(worker, statement, NULL, NULL, NULL, answer);
}

int
dgen__session_prepare(dgen_worker *worker, const dgen__statement *statement)
{
	int sent;

	if (dgen__is_child(worker->process)) /* so has that of attaching */
		return dgen__refuse_child(&worker->error, "worker");
	sent = PQsendPrepare(worker->connection, statement->name, statement->sql, 0, NULL);
	return checked(worker, sent ? 0 : DGEN_ECONNECT, DGEN__ANSWER_PREPARE);
}

int
dgen__session_sync(dgen_worker *worker)
{
	return checked(worker, PQpipelineSync(worker->connection) ? 0 : DGEN_ECONNECT,
				   DGEN__ANSWER_SYNC);
}

/* ---- claims ---- */

static bool
has_locked(const dgen_worker *worker)
{
	for (int i = 0; i < worker->ntypes; i++)
		if (worker->types[i].type.handle_locked != NULL)
			return true;
	return false;
}

static int
send_claim(dgen_worker *worker)
{
	const dgen_worker_options *o = &worker->options;
	char actors[16];
	char messages[16];
	const char *values[5] = {NULL, NULL, "true", worker->id, has_locked(worker) ? "true" : "false"};
	int max_actors = dgen__suspects_searching(&worker->suspects) ? 1 : o->max_actors;

	if (worker->narrow_claims > 0)
	{
		worker->narrow_claims--;
		max_actors = max_actors > 0 && max_actors < worker->narrow ? max_actors : worker->narrow;
	}

	snprintf(actors, sizeof(actors), "%d", max_actors);
	snprintf(messages, sizeof(messages), "%d", o->max_messages);
	if (max_actors > 0)
		values[0] = actors;
	if (o->max_messages > 0)
		values[1] = messages;
	if (worker->uncached_claims > 0)
	{
		worker->uncached_claims--;
		values[2] = "false";
	}
	return dgen__session_send(worker, &dgen__sql_claim, values, NULL, NULL, DGEN__ANSWER_CLAIM);
}

int
dgen__session_claim(dgen_worker *worker)
{
	int result = dgen__session_send_plain(worker, &dgen__sql_begin, DGEN__ANSWER_BEGIN);

	if (result == 0)
		result = send_claim(worker);
	if (result == 0)
		result = dgen__session_sync(worker);
	worker->phase = DGEN__CLAIMING;
	worker->deadline = DGEN__NEVER;
	return result;
}

static int
send_wait(dgen_worker *worker)
{
	int result = dgen__session_send_plain(worker, &dgen__sql_wait, DGEN__ANSWER_WAIT);

	return result == 0 ? dgen__session_sync(worker) : result;
}

int
dgen__session_wait_alone(dgen_worker *worker)
{
	worker->phase = DGEN__IDLE;
	return send_wait(worker);
}

int
dgen__session_wait(dgen_worker *worker)
{
	int result = dgen__session_send_plain(worker, &dgen__sql_commit, DGEN__ANSWER_RELEASE);

	if (result == 0)
		result = dgen__session_sync(worker);
	if (worker->pooled)
	{
		worker->phase = DGEN__RELEASING;
		return result;
	}
	if (result == 0)
		result = send_wait(worker);
	return result == 0 ? dgen__session_claim(worker) : result;
}

int
dgen__session_fetch_states(dgen_worker *worker)
{
	int result = 0;
	int missing = 0;

	worker->phase = DGEN__FETCHING;
	worker->batch.fetching = dgen__batch_missing(worker, 0);
	for (int i = worker->batch.fetching; i >= 0 && result == 0;
		 i = dgen__batch_missing(worker, i + 1))
	{
		char ordinal[16];
		const char *values[1] = {ordinal};

		missing++;
		snprintf(ordinal, sizeof(ordinal), "%d", i + 1);
		result = dgen__session_send(worker, &dgen__sql_batch_state, values, NULL, NULL,
									DGEN__ANSWER_STATE);
	}
	if (missing > 1 && missing > worker->batch.nactors / 2)
		worker->uncached_claims = UNCACHED_CLAIMS;
	return result == 0 ? dgen__session_sync(worker) : result;
}

/* What was claimed is a locked part: it runs once that is committed, and in no transaction. */
int
dgen__session_begin_part(dgen_worker *worker)
{
	int result = dgen__session_send_plain(worker, &dgen__sql_commit, DGEN__ANSWER_BEGIN_PART);

	worker->phase = DGEN__BEGINNING;
	return result == 0 ? dgen__session_sync(worker) : result;
}

/* ---- how a batch ends ---- */

/* It has run: its actor is a batch again, to be committed. */
static int
claim_locked(dgen_worker *worker)
{
	int result = dgen__session_send_plain(worker, &dgen__sql_begin, DGEN__ANSWER_BEGIN);

	return result == 0 ? dgen__session_send_plain(worker, &dgen__sql_claim_locked,
												  DGEN__ANSWER_CLAIM_LOCKED)
					   : result;
}

/* Only batches that have something to do afterwards need to know. */
static int
send_receipt(dgen_worker *worker)
{
	char batch[24];
	const char *values[1] = {batch};

	if (worker->batch.outbox.nactions == 0)
		return 0;
	snprintf(batch, sizeof(batch), "%lld", (long long) ++worker->receipts);
	return dgen__session_send(worker, &dgen__sql_receipt, values, NULL, NULL, DGEN__ANSWER_RECEIPT);
}

int
dgen__session_commit(dgen_worker *worker)
{
	bool leaving = dgen__worker_stopping(worker);
	int result = worker->batch.part ? claim_locked(worker) : dgen__borrow_end(worker);

	if (result == 0)
		result = dgen__commit_send(worker);
	if (result == 0)
		result = expect(worker, DGEN__ANSWER_COMMIT_TURNS);
	if (result == 0)
		result = send_receipt(worker);
	if (result == 0)
		result = dgen__session_send_plain(worker, &dgen__sql_commit, DGEN__ANSWER_COMMIT);
	if (result != 0)
		return result;
	worker->batch.committing = true;
	if (!leaving)
		return dgen__session_claim(worker);
	worker->phase = DGEN__LEAVING;
	worker->deadline = dgen__now_ms() + worker->options.drain_ms;
	result = dgen__session_send_plain(worker, &dgen__sql_detach, DGEN__ANSWER_DETACH);
	return result == 0 ? dgen__session_sync(worker) : result;
}

int
dgen__session_rollback(dgen_worker *worker)
{
	int result;

	if (PQtransactionStatus(worker->connection) == PQTRANS_IDLE)
		return 0;
	result = dgen__session_send_plain(worker, &dgen__sql_rollback, DGEN__ANSWER_ROLLBACK);
	return result == 0 ? dgen__session_sync(worker) : result;
}
