/*
 * The conversation of a worker with the server, in pipeline mode: what is done when an
 * answer comes, and when a section of them has ended or failed.
 *
 *     answer ──> its result ──sync──> done: the next step of the phase
 *        └─error─> the section fails ──sync──> the commit has failed, or the session ends
 */
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/sqlstate.h"
#include "remember/suspect.h"
#include "server/answers.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/result.h"
#include "work/batch.h"
#include "work/session.h"
#include "work/worker.h"

/* Failed commits in a row, after which the worker takes a rest. */
#define FAILED_COMMITS 5

/* Claims that take few actors, once the server had no locks left for a commit. */
#define NARROW_CLAIMS 100

/* ---- a section has ended ---- */

static int
rollback_and_claim(dgen_worker *worker)
{
	int result = dgen__session_rollback(worker);

	return result == 0 ? dgen__session_claim(worker) : result;
}

/*
 * Another session may have the actor, the server has counted the attempt as failed, or the extension was
 * dropped: then the result of the locked part is discarded. Else the attempt has failed, and that is committed; it
 * is not counted if a table of dgen's was changed. If that does not work either, the session ends, and
 * another worker runs it again.
 */
static int
part_failed(dgen_worker *worker)
{
	const dgen__error *error = &worker->section_error;
	int result;

	if (strcmp(error->sqlstate, DGEN__NOT_ATTACHED) == 0 ||
		strcmp(error->sqlstate, DGEN__NOT_OWNED) == 0 ||
		strcmp(error->sqlstate, DGEN__LOCK_LOST) == 0)
	{
		dgen__worker_log(worker, DGEN_LOG_WARNING,
						 "the result of a locked part of \"%s\" is discarded: %s" DGEN__HINT_FORMAT,
						 worker->batch.actors[0].key, dgen__error_text(error),
						 DGEN__HINT_OF(error));
		dgen__batch_drop(worker);
		return worker->phase == DGEN__LEAVING ? 0 : rollback_and_claim(worker);
	}
	if (dgen__batch_may_retry(worker, error))
	{
		result = dgen__session_rollback(worker);
		return result == 0 ? dgen__session_commit(worker) : result;
	}
	if (worker->batch.blamed)
		return dgen__fail(&worker->error, DGEN_ESERVER, "a locked part does not commit: %s",
						  dgen__error_text(error));
	dgen__batch_blame(worker, error);
	result = dgen__session_rollback(worker);
	return result == 0 ? dgen__session_commit(worker) : result;
}

/* The missing locks might be those of the batch itself. */
static void
narrow_claims(dgen_worker *worker)
{
	if (strcmp(worker->section_error.sqlstate, DGEN__OUT_OF_LOCKS) != 0)
		return;
	worker->narrow = worker->batch.nactors > 1 ? worker->batch.nactors / 2 : 1;
	worker->narrow_claims = NARROW_CLAIMS;
}

/* That counts as no attempt: the messages come again when the table is as it was. */
static int
table_changed(dgen_worker *worker)
{
	dgen__batch_drop(worker);
	return worker->phase == DGEN__LEAVING
			   ? 0
			   : dgen__fail_error(&worker->error, &worker->section_error);
}

/* Whatever the reason was, it is no reason to give up for good. */
static int
commit_failed(dgen_worker *worker)
{
	bool mended;

	if (worker->batch.part)
		return part_failed(worker);
	if (strcmp(worker->section_error.sqlstate, DGEN__CHANGED) == 0)
		return table_changed(worker);
	narrow_claims(worker);
	mended = dgen__batch_failed(worker, &worker->section_error);

	if (worker->phase == DGEN__LEAVING)
		return 0;
	if (mended && ++worker->failed_commits < FAILED_COMMITS)
		return rollback_and_claim(worker);
	worker->failed_commits = 0;
	return dgen__fail(&worker->error, DGEN_ESERVER, "batches do not commit: %s",
					  dgen__error_text(&worker->section_error));
}

static int
run_and_commit(dgen_worker *worker)
{
	int result;

	if (dgen__worker_stopping(worker))
		return 0;
	dgen__batch_run(worker);
	if (worker->batch.broken)
		return worker->error.code;
	result = dgen__session_commit(worker);
	if (result != DGEN_EBUSY)
		return result;
	(void) dgen__fail_error(&worker->section_error, &worker->error);
	return commit_failed(worker);
}

static int
claimed(dgen_worker *worker)
{
	PGresult *rows = worker->claimed;
	int result;

	worker->claimed = NULL;
	worker->attempts = 0;
	if (PQntuples(rows) == 0)
	{
		PQclear(rows);
		dgen__suspects_forget(&worker->suspects);
		return dgen__session_wait(worker);
	}
	result = dgen__check_encoding(
		worker->connection,
		"Something that ran in the worker's session has set it, such as a deferred trigger: it must not change client_encoding.",
		&worker->error);
	if (result != 0)
	{
		PQclear(rows);
		return result;
	}
	result = dgen__batch_decode(worker, rows);
	if (result != 0 || dgen__worker_stopping(worker))
		return result;
	if (worker->batch.part)
		return dgen__session_begin_part(worker);
	return dgen__batch_missing(worker, 0) < 0 ? run_and_commit(worker)
											  : dgen__session_fetch_states(worker);
}

/*
 * What was prepared is missing, or there already: the session is not the one it was. Then,
 * where something stands between, it is a pool that gives sessions out by the transaction.
 */
static void
blame_pool(const dgen_worker *worker, dgen__error *error)
{
	if (worker->pooled && (strcmp(error->sqlstate, DGEN__NO_STATEMENT) == 0 ||
						   strcmp(error->sqlstate, DGEN__STATEMENT_EXISTS) == 0))
		(void) dgen__fail_hint(
			error, DGEN_EPOOLED,
			"Connect to PostgreSQL directly, or through a connection pooler in session mode.",
			"a connection pooler gives the session of the worker to others");
}

/* A statement that was good when the worker attached: attaching again shows what to do. */
static void
blame_update(dgen__error *error)
{
	if (strncmp(error->sqlstate, DGEN__CLASS_ACCESS, 2) == 0 &&
		strcmp(error->sqlstate, DGEN__NO_PRIVILEGE) != 0)
		(void) dgen__set_updating(error);
}

static int
section_failed(dgen_worker *worker)
{
	worker->section_failed = false;
	PQclear(worker->claimed);
	worker->claimed = NULL;
	blame_pool(worker, &worker->section_error);
	if (worker->phase == DGEN__ATTACHING)
		return dgen__session_attach_failed(worker);
	if (worker->batch.committing)
		return commit_failed(worker);
	blame_update(&worker->section_error);
	return dgen__fail_error(&worker->error, &worker->section_error);
}

static int
section_done(dgen_worker *worker)
{
	switch (worker->phase)
	{
		case DGEN__ATTACHING:
			return dgen__session_attached(worker);
		case DGEN__RELEASING:
			return dgen__session_wait_alone(worker);
		case DGEN__IDLE:
			return dgen__session_claim(worker);
		case DGEN__CLAIMING:
			return worker->claimed != NULL ? claimed(worker) : 0;
		case DGEN__FETCHING:
		case DGEN__BEGINNING:
			return run_and_commit(worker);
		default:
			return 0;
	}
}

static int
synced(dgen_worker *worker)
{
	if (worker->section_failed)
		return section_failed(worker);
	return worker->answers.count == 0 ? section_done(worker) : 0;
}

/* ---- an answer has come ---- */

/* A server that is going away is asked again when it is back. */
static void
settle_failed(dgen_worker *worker, const dgen__error *error)
{
	if (error->code != DGEN_ECONNECT)
		dgen__doubt_give_up(worker, dgen__error_text(error));
}

/* Some failures are expected; after them the conversation continues. */
static int
answer_failed(dgen_worker *worker, dgen__answer answer, const PGresult *result)
{
	dgen__error error = {0};

	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
		return 0;
	(void) dgen__fail_result(&error, result);
	if (answer == DGEN__ANSWER_CREATE_TYPE)
		(void) dgen__fail_error(&worker->create_error, &error);
	else if (answer == DGEN__ANSWER_SETTLE)
		settle_failed(worker, &error);
	else if (answer == DGEN__ANSWER_WAIT || answer == DGEN__ANSWER_RELEASE ||
			 answer == DGEN__ANSWER_DETACH)
		dgen__worker_log(worker, DGEN_LOG_WARNING, "%s" DGEN__HINT_FORMAT, dgen__error_text(&error),
						 DGEN__HINT_OF(&error));
	else if (!worker->section_failed)
	{
		worker->section_failed = true;
		(void) dgen__fail_error(&worker->section_error, &error);
	}
	dgen__error_free(&error);
	return 0;
}

static int
state_came(dgen_worker *worker, const PGresult *result)
{
	int actor = worker->batch.fetching;
	int code = dgen__result_check(result, "dgen.batch_state", 1, false, &worker->error);

	if (code != 0 || actor < 0)
		return code;
	worker->batch.fetching = dgen__batch_missing(worker, actor + 1);
	return dgen__batch_set_state(worker, actor, PQgetvalue(result, 0, 0),
								 (size_t) PQgetlength(result, 0, 0));
}

/* A COMMIT that finds the transaction failed rolls back, and calls that no error. */
static int
commit_came(dgen_worker *worker, PGresult *result)
{
	if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
	{
		worker->section_failed = true;
		return dgen__fail(&worker->section_error, DGEN_ESERVER,
						  "the batch was rolled back instead of committed");
	}
	worker->failed_commits = 0;
	worker->changed[0] = '\0';
	worker->changed_tries = 0;
	dgen__batch_committed(worker);
	return 0;
}

static int
settle_came(dgen_worker *worker, const PGresult *result)
{
	int code = dgen__result_check(result, "dgen.settle", 1, false, &worker->error);

	if (code == 0)
		dgen__doubt_end(worker, PQgetvalue(result, 0, 0)[0] == 't');
	return code;
}

static int
succeeded(dgen_worker *worker, dgen__answer answer, PGresult *result)
{
	switch (answer)
	{
		case DGEN__ANSWER_ATTACH:
			return dgen__session_attach_came(worker, result);
		case DGEN__ANSWER_CLAIM:
			worker->claimed = result;
			return 0;
		case DGEN__ANSWER_STATE:
			return state_came(worker, result);
		case DGEN__ANSWER_COMMIT:
			(void) commit_came(worker, result);
			return 0;
		case DGEN__ANSWER_SETTLE:
			return settle_came(worker, result);
		default:
			return 0;
	}
}

static int
connection_lost(dgen_worker *worker)
{
	if (worker->section_failed &&
		strcmp(worker->section_error.sqlstate, DGEN__IDLE_IN_TRANSACTION) == 0)
		dgen__batch_timed_out(worker);
	else if (worker->batch.committing)
		dgen__worker_log(
			worker, DGEN_LOG_WARNING,
			"the connection was lost in a commit; if the batch did not commit, it is handled again");
	return worker->section_failed ? dgen__fail_error(&worker->error, &worker->section_error)
								  : dgen__fail_connection(&worker->error, worker->connection);
}

static int
take_answer(dgen_worker *worker, PGresult *result)
{
	dgen__answer answer = dgen__answers_take(&worker->answers);
	ExecStatusType status = PQresultStatus(result);

	if ((answer == DGEN__ANSWER_SYNC) != (status == PGRES_PIPELINE_SYNC))
		return connection_lost(worker);
	if (answer == DGEN__ANSWER_SYNC)
		return synced(worker);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return answer_failed(worker, answer, result);
	return succeeded(worker, answer, result);
}

/* Callbacks run while it is in use, so it is freed when an exception passes, too. */
static void
clear_result(PGresult **result)
{
	PQclear(*result);
}

/* After each command's result comes one NULL. */
static int
take_answers(dgen_worker *worker)
{
	int nothing = 0;
	int code = 0;

	while (code == 0 && worker->answers.count > 0 && nothing < 2 && !PQisBusy(worker->connection))
	{
		PGresult *result __attribute__((cleanup(clear_result))) = PQgetResult(worker->connection);

		nothing = result == NULL ? nothing + 1 : 0;
		if (result != NULL)
			code = take_answer(worker, result);
		if (result == worker->claimed)
			result = NULL; /* until its section has ended */
	}
	if (code == 0 && (nothing == 2 || PQstatus(worker->connection) == CONNECTION_BAD))
		return connection_lost(worker);
	return code;
}

/* ---- what the worker calls ---- */

/* A server that waits for work answers when there is some, which can be never. */
bool
dgen__session_busy(const dgen_worker *worker)
{
	const dgen__answers *answers = &worker->answers;

	return answers->count > 0 && answers->list[answers->first] != DGEN__ANSWER_WAIT;
}

int
dgen__session_begin(dgen_worker *worker)
{
	PGconn *connection = worker->connection;

	PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
	if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1)
		return dgen__fail_connection(&worker->error, connection);
	worker->receipts = 0;
	dgen__loop_forget(&worker->loop);
	return dgen__session_attach(worker) == 0 ? dgen__session_step(worker) : worker->error.code;
}

int
dgen__session_step(dgen_worker *worker)
{
	PGconn *connection = worker->connection;
	int result;
	int unsent;

	(void) dgen__read_input(connection); /* what came before an error is still to be read */
	result = take_answers(worker);
	if (result != 0)
		return result;
	if (worker->phase == DGEN__ATTACHING && dgen__now_ms() >= worker->deadline)
		return dgen__fail(&worker->error, DGEN_ECONNECT, "no answer from the server in %d ms",
						  worker->connect_ms);
	if (dgen__is_child(worker->process))
		return dgen__refuse_child(&worker->error, "worker");
	unsent = PQflush(connection);
	if (unsent < 0)
		return dgen__fail_connection(&worker->error, connection);
	dgen__loop_watch(&worker->loop, PQsocket(connection), true, unsent > 0);
	return 0;
}
