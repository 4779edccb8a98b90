/*
 * Every SQL text that the library sends.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "server/sql.h"

/*
 * ---- the client: prepared only if no pooler stands between ----
 *
 * Where they are parsed each time they leave little to find out: arguments in their places, none
 * left to a default, and a duration as the text of an interval.
 */

const dgen__statement dgen__sql_version = {
	NULL,
	"SELECT extversion, pg_catalog.pg_backend_pid() FROM pg_catalog.pg_extension WHERE extname = 'dgen'",
	0,
};

const dgen__statement dgen__sql_cast = {
	"dgen_cast",
	"SELECT dgen.cast($1, $2, $3, $4, NULL, $5, $6, $7)",
	7,
};

const dgen__statement dgen__sql_cast_many = {
	"dgen_cast_many",
	"SELECT dgen.cast_many($1, $2, $3, $4)",
	4,
};

const dgen__statement dgen__sql_request = {
	"dgen_request",
	"SELECT dgen.request($1, $2, $3, $4, NULL, $5, $6, $7, NULL, NULL)",
	7,
};

const dgen__statement dgen__sql_await = {
	"dgen_await",
	"SELECT dgen.await_reply($1, $2)",
	2,
};

const dgen__statement dgen__sql_ask = {
	"dgen_ask",
	"CALL dgen.ask($1, $2, $3, $4, NULL)",
	4,
};

const dgen__statement dgen__sql_state = {
	"dgen_state",
	"SELECT dgen.state($1, $2)",
	2,
};

const dgen__statement *const dgen__sql_client[] = {
	&dgen__sql_cast,
	&dgen__sql_cast_many,
	&dgen__sql_request,
	&dgen__sql_await,
	&dgen__sql_ask,
	&dgen__sql_state,
	NULL,
};

const dgen__statement dgen__sql_send_many = {
	NULL,
	"SELECT id, error, sqlstate, hint, element FROM dgen.send_many($1, $2, $3, $4, $5, $6, $7, $8, "
	"brief => true)",
	DGEN__MANY_PARAMETERS,
};

const dgen__statement dgen__sql_await_any = {
	NULL,
	"CALL dgen.await_any($1, $2)",
	2,
};

/* With a timeout of '0' the server would not find the reason. */
const dgen__statement dgen__sql_await_now = {
	NULL,
	"SELECT dgen.await_reply($1, '1 us')",
	1,
};

/* ---- the worker ---- */

/*
 * A timeout that a role was given for its queries must not end the wait for work or a batch, and
 * it works. transaction_timeout is there from PostgreSQL 17 on.
 */
const dgen__statement dgen__sql_settings = {
	NULL,
	"SELECT set_config('statement_timeout', '0', false), set_config('idle_session_timeout', '0', false), "
	"set_config('default_transaction_read_only', 'off', false), "
	"(SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout')",
	0,
};

/*
 * Unless $4 is true: no row, and nothing done, if one of the types is missing. That is no
 * error, so that the server's log has no word of it.
 */
const dgen__statement dgen__sql_attach = {
	NULL,
	"SELECT extension_version, worker_id, pg_catalog.pg_backend_pid() FROM dgen.attach($1, $2, $3, dead_letters => $5, actions => $6, messages => $7, locked => $8) "
	"WHERE $4 OR (SELECT bool_and(dgen.actor_type_exists(name)) FROM unnest($2) AS name)",
	8,
};

const dgen__statement dgen__sql_begin = {
	"dgen_begin",
	"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
	0,
};

const dgen__statement dgen__sql_claim = {
	"dgen_claim",
	"SELECT actor, actor_type, actor_key, version, state, message_id, kind, attempt, message, headers, "
	"in_reply_to, correlation, error, sqlstate, token FROM dgen.claim($1, $2, $3, $4, $5)",
	5,
};

const dgen__statement dgen__sql_batch_state = {
	"dgen_batch_state",
	"SELECT dgen.batch_state($1)",
	1,
};

const dgen__statement dgen__sql_claim_locked = {
	"dgen_claim_locked",
	"SELECT dgen.claim_locked()",
	0,
};

/* dgen__commit_parameter numbers the parameters. */
const dgen__statement dgen__sql_commit_turns = {
	"dgen_commit_turns",
	"SELECT dgen.commit_turns(handled => $1, set_entries => $2, delete_entries => $3, destroyed => $4, "
	"errors => $5, sqlstates => $6, hints => $7, outcomes => $8, delays => $9, reply_requests => $10, "
	"replies => $11, send_types => $12, send_keys => $13, send_messages => $14, send_actors => $15, "
	"send_requests => $16, send_correlations => $17, send_delays_ms => $18, send_priorities => $19, "
	"send_idempotency_keys => $20, send_headers => $21, reply_errors => $22, reply_sqlstates => $23, send_actions => $24, "
	"locks => $25, run_us => $26)",
	DGEN__COMMIT_PARAMETERS,
};

/* What became of a batch whose COMMIT was sent and whose answer never came. */
const dgen__statement dgen__sql_receipt = {"dgen_receipt", "SELECT dgen.receipt($1)", 1};
const dgen__statement dgen__sql_settle = {NULL, "SELECT dgen.settle($1, $2)", 2};

const dgen__statement dgen__sql_commit = {"dgen_commit", "COMMIT", 0};
const dgen__statement dgen__sql_rollback = {"dgen_rollback", "ROLLBACK", 0};

/* Without a timeout: the server ends the wait when this end of the connection closes. */
const dgen__statement dgen__sql_wait = {"dgen_wait", "CALL dgen.wait(NULL)", 0};

const dgen__statement dgen__sql_detach = {NULL, "SELECT dgen.detach()", 0};

const dgen__statement *const dgen__sql_prepared[] = {
	&dgen__sql_begin,        &dgen__sql_claim,
	&dgen__sql_batch_state,  &dgen__sql_commit_turns,
	&dgen__sql_receipt,      &dgen__sql_commit,
	&dgen__sql_rollback,     &dgen__sql_wait,
	&dgen__sql_claim_locked, NULL,
};

/* ---- texts with something to fill in ---- */

static void
add_parameter(dgen__buffer *sql, dgen__type_values *values, const char *name, const char *value)
{
	if (value == NULL)
		return;
	assert(values->count < DGEN__TYPE_PARAMETERS);
	values->values[values->count++] = value;
	dgen__buffer_printf(sql, "%s%s => $%d", values->count == 1 ? "" : ", ", name, values->count);
}

static void
add_number(dgen__buffer *sql, dgen__type_values *values, const char *name, int number,
		   const char *unit)
{
	char *text = values->numbers[values->count];

	if (number == 0)
		return;
	snprintf(text, sizeof(values->numbers[0]), "%d%s", number, unit);
	add_parameter(sql, values, name, text);
}

void
dgen__sql_create_type(const dgen_actor_type *type, dgen__buffer *sql, dgen__type_values *values)
{
	memset(values, 0, sizeof(*values));
	dgen__buffer_puts(sql, "SELECT dgen.create_actor_type(");
	add_parameter(sql, values, "name", type->name);
	add_parameter(sql, values, "initial_state", type->initial_state);
	add_number(sql, values, "max_attempts", type->max_attempts, "");
	add_number(sql, values, "backoff", type->backoff_ms, " ms");
	add_number(sql, values, "max_backoff", type->max_backoff_ms, " ms");
	add_number(sql, values, "turn_timeout", type->turn_timeout_ms, " ms");
	add_number(sql, values, "lock_timeout", type->lock_timeout_ms, " ms");
	add_number(sql, values, "locked_priority", type->locked_priority, "");
	dgen__buffer_puts(sql, ", if_not_exists => true)");
}

/* The number distinguishes this savepoint from one of a transaction that a callback began itself. */
void
dgen__sql_savepoint(char *sql, int n)
{
	snprintf(sql, DGEN__SAVEPOINT_SIZE, "SAVEPOINT dgen_turn_%d", n);
}

void
dgen__sql_release(char *sql, int n)
{
	snprintf(sql, DGEN__SAVEPOINT_SIZE, "RELEASE SAVEPOINT dgen_turn_%d", n);
}

void
dgen__sql_rollback_to(char *sql, int n)
{
	snprintf(sql, DGEN__SAVEPOINT_SIZE,
			 "ROLLBACK TO SAVEPOINT dgen_turn_%d; RELEASE SAVEPOINT dgen_turn_%d", n, n);
}
