/*
 * The conversation of a worker with the server, in pipeline mode: what is sent, and
 * what is done when the answers come.
 *
 * A section ends with a sync; an error in it makes the server skip the rest of it. One
 * flush carries
 *
 *     commit_turns, COMMIT, BEGIN, claim, sync
 *
 * and, when a claim has found nothing,
 *
 *     COMMIT, sync  CALL dgen.wait, sync  BEGIN, claim, sync
 *
 * so that the server, woken, claims without asking back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgen_int.h"

/* Failed commits in a row, after which the worker takes a rest. */
#define FAILED_COMMITS 5

/* Claims that get all states sent, once the cache has turned out to hold few of those needed. */
#define UNCACHED_CLAIMS 16

/* Claims that take few actors, once the server had no locks left for a commit. */
#define NARROW_CLAIMS 100

/* ---- sending ---- */

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

static int
send_with(dgen_worker *worker, const dgen__statement *statement, const char *const *values,
		  const int *lengths, const int *formats, dgen__answer answer)
{
	return checked(worker,
				   dgen__statement_send(worker->connection, statement, values, lengths, formats),
				   answer);
}

static int
send_plain(dgen_worker *worker, const dgen__statement *statement, dgen__answer answer)
{
	return send_with(worker, statement, NULL, NULL, NULL, answer);
}

static int
sync(dgen_worker *worker)
{
	return checked(worker, PQpipelineSync(worker->connection) ? 0 : DGEN_ECONNECT,
				   DGEN__ANSWER_SYNC);
}

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
	return send_with(worker, &dgen__sql_claim, values, NULL, NULL, DGEN__ANSWER_CLAIM);
}

static int
begin_and_claim(dgen_worker *worker)
{
	int result = send_plain(worker, &dgen__sql_begin, DGEN__ANSWER_BEGIN);

	if (result == 0)
		result = send_claim(worker);
	if (result == 0)
		result = sync(worker);
	worker->phase = DGEN__CLAIMING;
	worker->deadline = DGEN__NEVER;
	return result;
}

static int
wait_and_claim(dgen_worker *worker)
{
	int result = send_plain(worker, &dgen__sql_commit, DGEN__ANSWER_RELEASE);

	if (result == 0)
		result = sync(worker);
	if (result == 0)
		result = send_plain(worker, &dgen__sql_wait, DGEN__ANSWER_WAIT);
	if (result == 0)
		result = sync(worker);
	return result == 0 ? begin_and_claim(worker) : result;
}

/* What was claimed is a locked part: it runs once that is committed, and in no transaction. */
static int
begin_part(dgen_worker *worker)
{
	int result = send_plain(worker, &dgen__sql_commit, DGEN__ANSWER_BEGIN_PART);

	worker->phase = DGEN__BEGINNING;
	return result == 0 ? sync(worker) : result;
}

/* It has run: its actor is a batch again, to be committed. */
static int
claim_locked(dgen_worker *worker)
{
	int result = send_plain(worker, &dgen__sql_begin, DGEN__ANSWER_BEGIN);

	return result == 0 ? send_plain(worker, &dgen__sql_claim_locked, DGEN__ANSWER_CLAIM_LOCKED)
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
	return send_with(worker, &dgen__sql_receipt, values, NULL, NULL, DGEN__ANSWER_RECEIPT);
}

static int
commit_and_claim(dgen_worker *worker)
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
		result = send_plain(worker, &dgen__sql_commit, DGEN__ANSWER_COMMIT);
	if (result != 0)
		return result;
	worker->batch.committing = true;
	if (!leaving)
		return begin_and_claim(worker);
	worker->phase = DGEN__LEAVING;
	worker->deadline = dgen__now_ms() + worker->options.drain_ms;
	result = send_plain(worker, &dgen__sql_detach, DGEN__ANSWER_DETACH);
	return result == 0 ? sync(worker) : result;
}

static int
rollback(dgen_worker *worker)
{
	int result;

	if (PQtransactionStatus(worker->connection) == PQTRANS_IDLE)
		return 0;
	result = send_plain(worker, &dgen__sql_rollback, DGEN__ANSWER_ROLLBACK);
	return result == 0 ? sync(worker) : result;
}

static int
rollback_and_claim(dgen_worker *worker)
{
	int result = rollback(worker);

	return result == 0 ? begin_and_claim(worker) : result;
}

static int
fetch_states(dgen_worker *worker)
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
		result = send_with(worker, &dgen__sql_batch_state, values, NULL, NULL, DGEN__ANSWER_STATE);
	}
	if (missing > 1 && missing > worker->batch.nactors / 2)
		worker->uncached_claims = UNCACHED_CLAIMS;
	return result == 0 ? sync(worker) : result;
}

/* ---- attaching ---- */

static bool
handles_dead_letters(const dgen_actor_type *type)
{
	return type->handle_dead_letter != NULL;
}

static bool
handles_actions(const dgen_actor_type *type)
{
	return type->handle_action != NULL;
}

/* The names of those types that are wanted (NULL: all). */
static void
write_types(const dgen_worker *worker, bool (*wanted)(const dgen_actor_type *), dgen__array *names)
{
	dgen__array_begin(names, DGEN__TEXT);
	for (int i = 0; i < worker->ntypes; i++)
		if (wanted == NULL || wanted(&worker->types[i].type))
			dgen__array_text(names, worker->types[i].name, strlen(worker->types[i].name));
	dgen__array_end(names);
}

static int
send_attach(dgen_worker *worker)
{
	dgen__array types = {0};
	dgen__array dead_letters = {0};
	dgen__array actions = {0};
	const char *values[6] = {worker->name, NULL, DGEN_VERSION_STRING,
							 worker->created_types ? "true" : "false"};
	int lengths[6] = {0};
	const int formats[6] = {0, 1, 0, 0, 1, 1};
	int result;

	write_types(worker, NULL, &types);
	write_types(worker, handles_dead_letters, &dead_letters);
	write_types(worker, handles_actions, &actions);
	values[1] = types.data.data;
	lengths[1] = (int) types.data.length;
	values[4] = dead_letters.any ? dead_letters.data.data : NULL;
	lengths[4] = (int) dead_letters.data.length;
	values[5] = actions.any ? actions.data.data : NULL;
	lengths[5] = (int) actions.data.length;
	if (types.data.failed || dead_letters.data.failed || actions.data.failed)
		result = dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	else
		result =
			send_with(worker, &dgen__sql_attach, values, lengths, formats, DGEN__ANSWER_ATTACH);
	dgen__array_free(&types);
	dgen__array_free(&dead_letters);
	dgen__array_free(&actions);
	return result;
}

static int
attach(dgen_worker *worker)
{
	int result = send_plain(worker, &dgen__sql_settings, DGEN__ANSWER_SETTINGS);

	if (result == 0)
		result = sync(worker); /* whether it may write is decided as a transaction begins */
	if (result == 0)
		result = send_attach(worker);
	return result == 0 ? sync(worker) : result;
}

static int
send_create_type(dgen_worker *worker, const dgen__type *type)
{
	dgen__buffer sql = {0};
	dgen__type_values values;
	dgen__statement statement = {0};
	int result;

	dgen__sql_create_type(&type->type, &sql, &values);
	statement.sql = sql.data;
	statement.nparams = values.count;
	if (sql.failed)
		result = dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	else
		result = send_with(worker, &statement, values.values, NULL, NULL, DGEN__ANSWER_CREATE_TYPE);
	dgen__buffer_free(&sql);
	return result == 0 ? sync(worker) : result;
}

/* Which types are missing nobody says, so all are created; those that exist stay as they are. */
static int
create_types_and_attach(dgen_worker *worker)
{
	int result = 0;

	worker->created_types = true;
	worker->types_missing = false;
	for (int i = 0; i < worker->ntypes && result == 0; i++)
		result = send_create_type(worker, &worker->types[i]);
	return result == 0 ? attach(worker) : result;
}

/* What comes of it must not depend on what the session does then, so it is a section by itself. */
static int
send_settle(dgen_worker *worker)
{
	char batch[24];
	const char *values[2] = {worker->doubt.worker, batch};
	int result;

	if (dgen__doubt_is_old(worker))
	{
		dgen__doubt_give_up(worker, "the connection was lost more than a day ago");
		return 0;
	}
	snprintf(batch, sizeof(batch), "%lld", (long long) worker->doubt.batch);
	result = send_with(worker, &dgen__sql_settle, values, NULL, NULL, DGEN__ANSWER_SETTLE);
	return result == 0 ? sync(worker) : result;
}

static int
prepare_and_claim(dgen_worker *worker)
{
	int result = 0;

	for (const dgen__statement *const *s = dgen__sql_prepared; *s != NULL && result == 0; s++)
		result = checked(
			worker,
			PQsendPrepare(worker->connection, (*s)->name, (*s)->sql, 0, NULL) ? 0 : DGEN_ECONNECT,
			DGEN__ANSWER_PREPARE);
	if (result == 0)
		result = sync(worker);
	if (result == 0 && dgen__doubt_exists(worker))
		result = send_settle(worker);
	return result == 0 ? begin_and_claim(worker) : result;
}

static int
attach_failed(dgen_worker *worker)
{
	dgen__error *error = &worker->section_error;

	/* Dropped while the server looked whether it is there. */
	if (strcmp(error->sqlstate, "ZD001") == 0 && !worker->created_types)
		return create_types_and_attach(worker);
	if (strcmp(error->sqlstate, "3F000") == 0)
		return dgen__not_installed(worker->connection, &worker->error);
	if (strcmp(error->sqlstate, "ZD001") == 0 && worker->create_error.text != NULL)
		error = &worker->create_error;
	if (strcmp(error->sqlstate, "42883") == 0)
	{
		(void) dgen__fail_hint(&worker->error, DGEN_EVERSION,
							   "Run ALTER EXTENSION dgen UPDATE, or use the library that fits it.",
							   "the extension is not one for libdgen %s: %s", DGEN_VERSION_STRING,
							   dgen__error_text(error));
		return dgen__set_updating(&worker->error);
	}
	return dgen__fail_error(&worker->error, error);
}

/* A statement that was good when the worker attached: attaching again tells what to do. */
static void
blame_update(dgen__error *error)
{
	if (strncmp(error->sqlstate, "42", 2) == 0 && strcmp(error->sqlstate, "42501") != 0)
		(void) dgen__set_updating(error);
}

int
dgen__session_begin(dgen_worker *worker)
{
	PGconn *connection = worker->connection;

	PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
	if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1)
		return dgen__fail_connection(&worker->error, connection);
	worker->phase = DGEN__ATTACHING;
	worker->deadline = dgen__now_ms() + worker->connect_ms;
	worker->created_types = false;
	worker->receipts = 0;
	dgen__error_clear(&worker->create_error);
	dgen__loop_forget(&worker->loop);
	return attach(worker) == 0 ? dgen__session_step(worker) : worker->error.code;
}

/* ---- a section has ended ---- */

/*
 * Somebody else may have the actor: then what the locked part did is void. Else the attempt
 * has failed, and that is committed. If that does not work either, the session ends, and
 * somebody runs it again.
 */
static int
part_failed(dgen_worker *worker)
{
	const dgen__error *error = &worker->section_error;
	int result;

	if (strcmp(error->sqlstate, "ZD033") == 0)
	{
		dgen__worker_log(worker, DGEN_LOG_WARNING, "what a locked part of \"%s\" did is void: %s",
						 worker->batch.actors[0].key, dgen__error_text(error));
		dgen__batch_drop(worker);
		return worker->phase == DGEN__LEAVING ? 0 : rollback_and_claim(worker);
	}
	if (dgen__batch_may_retry(worker, error))
	{
		result = rollback(worker);
		return result == 0 ? commit_and_claim(worker) : result;
	}
	if (worker->batch.blamed)
		return dgen__fail(&worker->error, DGEN_ESERVER, "a locked part does not commit: %s",
						  dgen__error_text(error));
	dgen__batch_blame(worker, error);
	result = rollback(worker);
	return result == 0 ? commit_and_claim(worker) : result;
}

/* The locks of the batch itself may be those that are missing. */
static void
narrow_claims(dgen_worker *worker)
{
	if (strcmp(worker->section_error.sqlstate, "53200") != 0)
		return;
	worker->narrow = worker->batch.nactors > 1 ? worker->batch.nactors / 2 : 1;
	worker->narrow_claims = NARROW_CLAIMS;
}

/* Whatever the reason was, it is no reason to give up for good. */
static int
commit_failed(dgen_worker *worker)
{
	bool mended;

	if (worker->batch.part)
		return part_failed(worker);
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
	result = commit_and_claim(worker);
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
		return wait_and_claim(worker);
	}
	result = dgen__batch_decode(worker, rows);
	if (result != 0 || dgen__worker_stopping(worker))
		return result;
	if (worker->batch.part)
		return begin_part(worker);
	return dgen__batch_missing(worker, 0) < 0 ? run_and_commit(worker) : fetch_states(worker);
}

/*
 * What was prepared is missing, or there already: the session is not the one it was. Then,
 * where something stands between, it is a pool that gives sessions out by the transaction.
 */
static void
blame_pool(const dgen_worker *worker, dgen__error *error)
{
	if (worker->pooled &&
		(strcmp(error->sqlstate, "26000") == 0 || strcmp(error->sqlstate, "42P05") == 0))
		(void) dgen__fail_hint(error, DGEN_EPOOLED,
							   "Connect to PostgreSQL itself, or through a pool in session mode.",
							   "a pool gives the worker's session to others");
}

static int
section_failed(dgen_worker *worker)
{
	worker->section_failed = false;
	PQclear(worker->claimed);
	worker->claimed = NULL;
	blame_pool(worker, &worker->section_error);
	if (worker->phase == DGEN__ATTACHING)
		return attach_failed(worker);
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
			return worker->types_missing ? create_types_and_attach(worker)
										 : prepare_and_claim(worker);
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

/* Some failures are to be expected, and the conversation goes on as if they had not been. */
static int
failed(dgen_worker *worker, dgen__answer answer, const PGresult *result)
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
		dgen__worker_log(worker, DGEN_LOG_WARNING, "%s", dgen__error_text(&error));
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
	dgen__batch_committed(worker);
	return 0;
}

/* A pool hands out keys of its own for cancelling. */
static int
attach_came(dgen_worker *worker, const PGresult *result)
{
	worker->types_missing = PQntuples(result) == 0;
	if (worker->types_missing)
		return 0;
	snprintf(worker->id, sizeof(worker->id), "%s", PQgetvalue(result, 0, 1));
	worker->pooled = strtol(PQgetvalue(result, 0, 2), NULL, 10) != PQbackendPID(worker->connection);
	return dgen__check_version(PQgetvalue(result, 0, 0), &worker->error);
}

static int
succeeded(dgen_worker *worker, dgen__answer answer, PGresult *result)
{
	switch (answer)
	{
		case DGEN__ANSWER_ATTACH:
			return attach_came(worker, result);
		case DGEN__ANSWER_CLAIM:
			worker->claimed = result;
			return 0;
		case DGEN__ANSWER_STATE:
			return state_came(worker, result);
		case DGEN__ANSWER_COMMIT:
			(void) commit_came(worker, result);
			return 0;
		case DGEN__ANSWER_SETTLE:
			dgen__doubt_end(worker, PQgetvalue(result, 0, 0)[0] == 't');
			return 0;
		default:
			return 0;
	}
}

static int
lost(dgen_worker *worker)
{
	if (worker->section_failed && strcmp(worker->section_error.sqlstate, "25P03") == 0)
		dgen__batch_timed_out(worker);
	else if (worker->batch.committing)
		dgen__worker_log(
			worker, DGEN_LOG_WARNING,
			"the connection was lost in a commit; if it did not happen, its messages come again");
	return worker->section_failed ? dgen__fail_error(&worker->error, &worker->section_error)
								  : dgen__fail_connection(&worker->error, worker->connection);
}

static int
came(dgen_worker *worker, PGresult *result)
{
	dgen__answer answer = dgen__answers_take(&worker->answers);
	ExecStatusType status = PQresultStatus(result);

	if ((answer == DGEN__ANSWER_SYNC) != (status == PGRES_PIPELINE_SYNC))
		return lost(worker);
	if (answer == DGEN__ANSWER_SYNC)
		return synced(worker);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return failed(worker, answer, result);
	return succeeded(worker, answer, result);
}

/* After each command's result comes one NULL. */
static int
take_answers(dgen_worker *worker)
{
	int nothing = 0;
	int code = 0;

	while (code == 0 && worker->answers.count > 0 && nothing < 2 && !PQisBusy(worker->connection))
	{
		PGresult *result = PQgetResult(worker->connection);

		nothing = result == NULL ? nothing + 1 : 0;
		if (result != NULL)
			code = came(worker, result);
		if (result != worker->claimed)
			PQclear(result);
	}
	if (code == 0 && (nothing == 2 || PQstatus(worker->connection) == CONNECTION_BAD))
		return lost(worker);
	return code;
}

/* A server that waits for work answers when there is some, which may be never. */
bool
dgen__session_busy(const dgen_worker *worker)
{
	const dgen__answers *answers = &worker->answers;

	return answers->count > 0 && answers->list[answers->first] != DGEN__ANSWER_WAIT;
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
	unsent = PQflush(connection);
	if (unsent < 0)
		return dgen__fail_connection(&worker->error, connection);
	dgen__loop_watch(&worker->loop, PQsocket(connection), true, unsent > 0);
	return 0;
}
