/*
 * The worker that test/t/100_libdgen.pl drives by SQL: actor types that do each thing a
 * turn can do. It ends at SIGTERM, and says on the standard error what it logs.
 *
 *   worker CONNINFO [MAX_ACTORS [CACHE_BYTES]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dgen.h"

#include "pausing.h"
#include "until_term.h"

static const char *conninfo = "";

/* ---- counter: counts casts and calls; "slow" takes its time ---- */

static void
say_after(void *text)
{
	fprintf(stderr, "after the commit: %s\n", (char *) text);
}

static void
release_after(void *text)
{
	fprintf(stderr, "released: %s\n", (char *) text);
	free(text);
}

static int
count(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t n = dgen_turn_get_int64(turn, "n", 0) + 1;
	const char *after = dgen_turn_arg_string(turn, "/after", NULL);

	(void) message;
	(void) length;
	(void) user;
	pause_ms(dgen_turn_arg_int64(turn, "/sleep_ms", 0));
	if (after != NULL)
		dgen_turn_after_commit(turn, say_after, release_after, strdup(after));
	dgen_turn_set_int64(turn, "n", n);
	if (dgen_turn_arg_bool(turn, "/fail", false))
		return dgen_turn_fail(turn, "as you wish",
							  dgen_turn_arg_string(turn, "/sqlstate", "ZD4XX"));
	if (dgen_turn_arg_bool(turn, "/error", false))
		return DGEN_EFAILED;
	if (dgen_turn_arg_bool(turn, "/raise", false))
		return dgen_turn_raise(turn, "not today", NULL);
	if (dgen_turn_arg_bool(turn, "/fail_request", false))
		return dgen_turn_fail_request(turn, dgen_turn_message_id(turn), "counted, but no", "P0042");
	if (dgen_turn_arg_bool(turn, "/destroy", false))
		dgen_turn_destroy(turn);
	if (dgen_turn_arg_int64(turn, "/retry_until", 0) > (int64_t) time(NULL))
		return dgen_turn_retry(turn, 50);
	return dgen_turn_reply_int64(turn, n);
}

static int
initialize(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	(void) user;
	return dgen_turn_set_int64(turn, "inits", dgen_turn_get_int64(turn, "inits", 0) + 1);
}

/* ---- account: {"to": KEY, "amount": N} moves money to another account ---- */

static int
transfer(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *to = dgen_turn_arg_string(turn, "/to", NULL);
	int64_t amount = dgen_turn_arg_int64(turn, "/amount", 0);
	int64_t balance = dgen_turn_get_int64(turn, "balance", 1000);
	char text[64];

	(void) message;
	(void) length;
	(void) user;
	if (to == NULL)
		return dgen_turn_set_int64(turn, "balance", balance + amount);
	dgen_turn_set_int64(turn, "balance", balance - amount);
	snprintf(text, sizeof(text), "{\"amount\": %lld}", (long long) amount);
	return dgen_turn_cast(turn, "account", to, text, DGEN_STRLEN, NULL);
}

/* ---- asker: asks a counter, and keeps the reply; answers its own caller with it ---- */

static int
ask(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) user;
	dgen_turn_set_int64(turn, "caller", dgen_turn_message_id(turn));
	return dgen_turn_request(turn, dgen_turn_arg_string(turn, "/type", "counter"),
							 dgen_turn_arg_string(turn, "/key", "asked"), message, length, "corr",
							 NULL);
}

static int
got_reply(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *error = dgen_turn_reply_error(turn);

	(void) user;
	dgen_turn_set(turn, "reply", message, length);
	dgen_turn_set_string(turn, "correlation", dgen_turn_correlation(turn));
	if (error == NULL)
		return dgen_turn_send_reply(turn, dgen_turn_get_int64(turn, "caller", 0), message, length);
	dgen_turn_set_string(turn, "error", error);
	dgen_turn_set_string(turn, "sqlstate", dgen_turn_reply_sqlstate(turn));
	return dgen_turn_fail_request(turn, dgen_turn_get_int64(turn, "caller", 0), error,
								  dgen_turn_reply_sqlstate(turn));
}

/* ---- sender: sends what it is told, with options ---- */

static int
forward(dgen_turn *turn, const char *message, size_t length, void *user)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;

	(void) user;
	options.delay_ms = dgen_turn_arg_int64(turn, "/delay_ms", 0);
	options.priority = (int) dgen_turn_arg_int64(turn, "/priority", 0);
	options.idempotency_key = dgen_turn_arg_string(turn, "/once", NULL);
	options.headers = dgen_turn_headers(turn);
	return dgen_turn_cast(turn, dgen_turn_arg_string(turn, "/type", "counter"),
						  dgen_turn_arg_string(turn, "/key", "sent"), message, length, &options);
}

/* ---- writer: writes to a table of the application ---- */

static int
execute(dgen_turn *turn, const char *sql)
{
	PGconn *connection = dgen_turn_connection(turn);
	PGresult *result = connection == NULL ? NULL : PQexec(connection, sql);
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : DGEN_EFAILED;
}

/* As execute, but records why it failed; what comes after it fails because of it. */
static int
execute_or_raise(dgen_turn *turn, const char *sql)
{
	PGresult *result = PQexec(dgen_turn_connection(turn), sql);
	ExecStatusType status = PQresultStatus(result);
	int rc = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
				 ? 0
				 : dgen_turn_raise_result(turn, result);

	PQclear(result);
	if (rc != 0)
	{
		result = PQexec(dgen_turn_connection(turn), "SELECT 1");
		(void) dgen_turn_raise_result(turn, result);
		PQclear(result);
	}
	return rc;
}

/* Somebody else ends the session, once, and the library does not know it yet. */
static void
end_session(dgen_turn *turn)
{
	static bool ended = false;
	char sql[80];
	PGconn *beside;

	if (ended)
		return;
	ended = true;
	snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 60000)",
			 PQbackendPID(dgen_turn_connection(turn)));
	beside = PQconnectdb(conninfo);
	PQclear(PQexec(beside, sql));
	PQfinish(beside);
}

static int
write_row(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *sql = dgen_turn_arg_string(turn, "/sql", "SELECT 1");
	const char *misdeed = dgen_turn_arg_string(turn, "/misdeed", "");
	int result = strcmp(misdeed, "raise") == 0 ? execute_or_raise(turn, sql) : execute(turn, sql);

	(void) message;
	(void) length;
	(void) user;
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	dgen_turn_set_int64(turn, "attempt", dgen_turn_attempt(turn));
	if (strcmp(misdeed, "ended by another") == 0)
		end_session(turn);
	if (strcmp(misdeed, "further") == 0)
		return execute(turn, "SELECT 1");
	if (dgen_turn_attempt(turn) > 1 || strcmp(misdeed, "raise") == 0)
		return result;
	if (strcmp(misdeed, "ignore") == 0)
		return 0;
	if (strcmp(misdeed, "commit") == 0)
		execute(turn, "COMMIT");
	if (strcmp(misdeed, "rollback") == 0)
		execute(turn, "ROLLBACK");
	if (strcmp(misdeed, "begin again") == 0)
		execute(turn, "COMMIT; BEGIN");
	if (strcmp(misdeed, "pipeline") == 0)
		PQenterPipelineMode(dgen_turn_connection(turn));
	if (strcmp(misdeed, "pending") == 0)
		PQsendQuery(dgen_turn_connection(turn), "SELECT 1");
	return misdeed[0] == '\0' ? result : 0;
}

/* ---- mourner: dies of what it gets, and remembers what died ---- */

static int
die(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	(void) user;
	return dgen_turn_raise(turn, "too much", "P0043");
}

static int
mourn(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) user;
	dgen_turn_set(turn, "was", message, length);
	dgen_turn_set_int64(turn, "of", dgen_turn_in_reply_to(turn));
	dgen_turn_set_string(turn, "kind", dgen_turn_kind(turn));
	dgen_turn_set_string(turn, "error", dgen_turn_reply_error(turn));
	dgen_turn_set_string(turn, "sqlstate", dgen_turn_reply_sqlstate(turn));
	return dgen_turn_arg_bool(turn, "/too_sad", false) ? DGEN_EFAILED : 0;
}

/* ---- the program ---- */

static const dgen_actor_type types[] = {
	{.size = sizeof(dgen_actor_type),
	 .name = "counter",
	 .init = initialize,
	 .handle_cast = count,
	 .backoff_ms = 20},
	{.size = sizeof(dgen_actor_type),
	 .name = "slow",
	 .handle_cast = count,
	 .turn_timeout_ms = 1,
	 .max_attempts = 1},
	{.size = sizeof(dgen_actor_type), .name = "account", .handle_cast = transfer},
	{.size = sizeof(dgen_actor_type),
	 .name = "asker",
	 .handle_cast = ask,
	 .handle_reply = got_reply},
	{.size = sizeof(dgen_actor_type),
	 .name = "sender",
	 .handle_cast = forward,
	 .max_attempts = 2,
	 .backoff_ms = 20},
	{.size = sizeof(dgen_actor_type),
	 .name = "writer",
	 .handle_cast = write_row,
	 .max_attempts = 3,
	 .backoff_ms = 20},
	{.size = sizeof(dgen_actor_type),
	 .name = "mourner",
	 .handle_cast = die,
	 .handle_dead_letter = mourn,
	 .max_attempts = 2,
	 .backoff_ms = 20},
};

int
main(int argc, char **argv)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;

	options.reconnect_max_ms = 500;
	if (argc > 1)
		conninfo = argv[1];
	if (argc > 2)
		options.max_actors = atoi(argv[2]);
	if (argc > 3)
		options.cache_bytes = (size_t) atoi(argv[3]);
	return work_until_term(conninfo, &options, types, sizeof(types) / sizeof(types[0]));
}
