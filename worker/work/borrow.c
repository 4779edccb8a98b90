/*
 * The worker's connection in the hands of a callback, for the application's own
 * tables: behind a savepoint, so that a turn that fails takes nothing else with it.
 *
 * A callback can do anything with a connection. If it does what it must
 * not do, the batch is rolled back, the connection closed, and the attempt has failed.
 */
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "server/connection.h"
#include "server/sql.h"
#include "work/batch.h"
#include "work/worker.h"

#define ENCODING_HINT                                                                              \
	"A callback that sets client_encoding sets it back to UTF8 before it returns, or converts in " \
	"its statements."

static int
run(dgen_worker *worker, const char *sql, dgen__error *error)
{
	PGresult *result;
	int code = 0;

	if (dgen__is_child(worker->process))
		return dgen__refuse_child(error, "worker");
	result = PQexec(worker->connection, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		code = dgen__fail_result(error, result);
	PQclear(result);
	return code;
}

static int
leave_pipeline(PGconn *connection, dgen__error *error)
{
	if (PQpipelineStatus(connection) == PQ_PIPELINE_OFF)
		return 0;
	if (PQexitPipelineMode(connection) == 1 && PQsetnonblocking(connection, 0) == 0)
		return 0;
	return dgen__fail_connection(error, connection);
}

PGconn *
dgen__borrow(void *context, dgen__error *error)
{
	dgen_worker *worker = context;
	dgen__batch *batch = &worker->batch;
	char sql[DGEN__SAVEPOINT_SIZE];

	if (batch->in_savepoint)
		return worker->connection;
	dgen__sql_savepoint(sql, batch->savepoints + 1);
	if (leave_pipeline(worker->connection, error) != 0 || run(worker, sql, error) != 0)
	{
		(void) dgen__fail_error(&worker->error, error);
		batch->broken = true;
		return NULL;
	}
	batch->savepoints++;
	batch->in_savepoint = true;
	return worker->connection;
}

static int
break_batch(dgen_worker *worker, dgen__error *error, const char *what)
{
	worker->batch.broken = true;
	worker->batch.in_savepoint = false;
	(void) dgen__fail_hint(
		&worker->error, DGEN_ESTATE,
		"A callback must finish its statements, and must not use BEGIN, COMMIT, ROLLBACK or pipeline mode.",
		"the callback %s on the turn's connection", what);
	return dgen__fail_error(error, &worker->error);
}

/* In what state did the callback leave the connection? */
static int
look(dgen_worker *worker, dgen__error *error)
{
	PGconn *connection = worker->connection;

	if (PQstatus(connection) == CONNECTION_BAD)
	{
		worker->batch.broken = true;
		worker->batch.in_savepoint = false;
		(void) dgen__fail_connection(&worker->error, connection);
		return dgen__fail_error(error, &worker->error);
	}
	if (PQpipelineStatus(connection) != PQ_PIPELINE_OFF)
		return break_batch(worker, error, "left pipeline mode on");
	switch (PQtransactionStatus(connection))
	{
		case PQTRANS_INTRANS:
		case PQTRANS_INERROR:
			return 0;
		case PQTRANS_IDLE:
			return break_batch(worker, error, "ended the transaction");
		default:
			return break_batch(worker, error, "left a statement unfinished");
	}
}

/* No such savepoint, or no transaction. */
static bool
is_ended(const dgen__error *error)
{
	return strcmp(error->sqlstate, DGEN__NO_SAVEPOINT) == 0 ||
		   strcmp(error->sqlstate, DGEN__NO_TRANSACTION) == 0;
}

/*
 * Only the callback can have ended a savepoint of that name. Any other error is the
 * connection's: a session that was ended takes its batch along.
 */
static int
undone(dgen_worker *worker, dgen__error *error, const char *sql)
{
	int code = run(worker, sql, error);

	if (code == 0)
		return 0;
	if (!is_ended(error))
	{
		worker->batch.broken = true;
		(void) dgen__fail_error(&worker->error, error);
		return code;
	}
	return break_batch(worker, error, "ended the transaction, or the savepoint that dgen had set");
}

int
dgen__borrow_finish(void *context, dgen__error *error)
{
	dgen_worker *worker = context;
	char sql[DGEN__SAVEPOINT_SIZE];
	int code;

	if (!worker->batch.in_savepoint)
		return 0;
	code = look(worker, error);
	if (code != 0)
		return code;
	if (PQtransactionStatus(worker->connection) == PQTRANS_INERROR)
		return dgen__fail_hint(
			error, DGEN_ESERVER,
			"Check the result of each statement, and return dgen_turn_raise_result for one that "
			"failed, or roll back to a savepoint of your own.",
			"a statement on the connection of the turn failed, but the callback returned 0");
	code = dgen__check_encoding(worker->connection, ENCODING_HINT, error);
	if (code != 0)
		return code; /* it is set back with the savepoint */
	dgen__sql_release(sql, worker->batch.savepoints);
	code = undone(worker, error, sql);
	worker->batch.in_savepoint = false;
	return code;
}

/*
 * A callback returns a number; what libpq knows beyond it would be lost. That is the
 * message of the last statement: after further ones it says only that the transaction is
 * aborted, and it has no SQLSTATE. A callback that has the result can tell more.
 */
void
dgen__borrow_explain(dgen_worker *worker, dgen__error *error)
{
	char sqlstate[6];
	char *text;

	if (!worker->batch.in_savepoint || PQtransactionStatus(worker->connection) != PQTRANS_INERROR)
		return;
	text = dgen__strdup(PQerrorMessage(worker->connection));
	if (text == NULL)
		return;
	dgen__tidy(text);
	memcpy(sqlstate, error->sqlstate, sizeof(sqlstate));
	if (text[0] != '\0')
		(void) dgen__fail_hint(error, error->code,
							   error->hint != NULL
								   ? error->hint
								   : "Return dgen_turn_raise_result(turn, result) for the "
									 "statement that failed: its error and SQLSTATE are kept then.",
							   "%s: %s", dgen__error_text(error), text);
	memcpy(error->sqlstate, sqlstate, sizeof(sqlstate));
	dgen__free(text);
}

void
dgen__borrow_undo(dgen_worker *worker)
{
	dgen__error error = {0};
	char sql[DGEN__SAVEPOINT_SIZE];

	if (worker->batch.in_savepoint && look(worker, &error) == 0)
	{
		dgen__sql_rollback_to(sql, worker->batch.savepoints);
		if (undone(worker, &error, sql) == 0 &&
			dgen__check_encoding(worker->connection, ENCODING_HINT, &error) != 0)
			(void) break_batch(worker, &error,
							   "set client_encoding, and the savepoint that dgen had set,");
	}
	worker->batch.in_savepoint = false;
	dgen__error_free(&error);
}

int
dgen__borrow_end(dgen_worker *worker)
{
	PGconn *connection = worker->connection;

	if (PQpipelineStatus(connection) != PQ_PIPELINE_OFF)
		return 0;
	if (PQsetnonblocking(connection, 1) == 0 && PQenterPipelineMode(connection) == 1)
		return 0;
	return dgen__fail_connection(&worker->error, connection);
}
