/*
 * Accounts that transfer money to each other. The balances are in tables of the
 * application's own (schema.sql), written in the transaction of the turn. A CHECK
 * constraint there forbids to overdraw.
 *
 *   caller ── {"transfer": 5, "to": "bob"} ──> alice: books -5
 *                                                │
 *                                  {"deposit": 5, "of": 17}        17: the transfer's number, and an
 *                                                v                 entry of alice's state while it runs
 *                                              bob: books +5
 *                                                │
 *                                   {"booked": 5}, or why not
 *                                                v
 *   caller <─────────────────────────────────  alice: if bob could not, books +5 again
 *
 * What an account refuses is an answer too: {"refused": "insufficient funds"}. Failing
 * the turn is for what should not happen.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dgen.h>

/* Changes no row where there is no such account. */
#define BOOK                                                                                       \
	"WITH booked AS (UPDATE bank.account SET balance = balance + $2 WHERE name = $1 RETURNING 1) " \
	"INSERT INTO bank.entry (account, amount, transfer) SELECT $1, $2, $3 FROM booked"

enum
{
	BOOKED,
	OVERDRAWN,
	NO_ACCOUNT
};

static const char *const refusals[] = {
	[OVERDRAWN] = "{\"refused\": \"insufficient funds\"}",
	[NO_ACCOUNT] = "{\"refused\": \"no such account\"}",
};

#define CHECK_VIOLATION "23514"
#define BAD_REQUEST \
	"{\"refused\": \"a transfer takes a positive amount and a name, a deposit the amount\"}"

/*
 * The user pointer of the type. The books are behind it, so that a test without a
 * database can have others.
 */
struct bank
{
	/* Returns BOOKED and so on, or a negative code to return from the callback. */
	int (*book)(dgen_turn *turn, int64_t amount, int64_t transfer);
};

/* A statement that fails says itself why: the turn is tried again, and the message shows the error. */
static int
run(dgen_turn *turn, PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql);
	int rc = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : dgen_turn_raise_result(turn, result);

	PQclear(result);
	return rc;
}

/*
 * Changes the balance of the turn's account. Behind a savepoint: after a violated
 * constraint the turn can go on, and answer.
 */
static int
book(dgen_turn *turn, int64_t amount, int64_t transfer)
{
	PGconn *connection = dgen_turn_connection(turn);
	char numbers[2][24];
	const char *values[] = {dgen_turn_actor_key(turn), numbers[0], numbers[1]};
	PGresult *result;
	const char *sqlstate;
	int rc;

	if (connection == NULL)
		return dgen_turn_error(turn);
	rc = run(turn, connection, "SAVEPOINT booking");
	if (rc != 0)
		return rc;
	snprintf(numbers[0], sizeof(numbers[0]), "%" PRId64, amount);
	snprintf(numbers[1], sizeof(numbers[1]), "%" PRId64, transfer);
	result = PQexecParams(connection, BOOK, 3, NULL, values, NULL, NULL, 0);
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		rc = strcmp(PQcmdTuples(result), "1") == 0 ? BOOKED : NO_ACCOUNT;
	else if (sqlstate == NULL || strcmp(sqlstate, CHECK_VIOLATION) != 0)
		rc = dgen_turn_raise_result(turn, result);
	else if ((rc = run(turn, connection, "ROLLBACK TO SAVEPOINT booking")) == 0)
		rc = OVERDRAWN;
	PQclear(result);
	if (rc >= 0 && run(turn, connection, "RELEASE SAVEPOINT booking") != 0)
		rc = dgen_turn_error(turn);
	return rc;
}

static int
deposit(dgen_turn *turn, const struct bank *bank)
{
	int64_t amount = dgen_turn_arg_int64(turn, "/deposit", 0);
	int64_t transfer = dgen_turn_arg_int64(turn, "/of", dgen_turn_message_id(turn));
	char reply[40];
	int rc;

	if (amount <= 0)
		return dgen_turn_reply(turn, BAD_REQUEST, DGEN_STRLEN);
	rc = bank->book(turn, amount, transfer);
	if (rc < 0)
		return rc;
	snprintf(reply, sizeof(reply), "{\"booked\": %" PRId64 "}", amount);
	return dgen_turn_reply(turn, rc == BOOKED ? reply : refusals[rc], DGEN_STRLEN);
}

/* The caller is answered when the other account has answered. */
static int
transfer(dgen_turn *turn, const struct bank *bank)
{
	int64_t amount = dgen_turn_arg_int64(turn, "/transfer", 0);
	const char *to = dgen_turn_arg_string(turn, "/to", "");
	int64_t id = dgen_turn_message_id(turn);
	char number[24];
	char message[80];
	int rc;

	if (amount <= 0 || to[0] == '\0')
		return dgen_turn_reply(turn, BAD_REQUEST, DGEN_STRLEN);
	rc = bank->book(turn, -amount, id);
	if (rc != BOOKED)
		return rc < 0 ? rc : dgen_turn_reply(turn, refusals[rc], DGEN_STRLEN);
	snprintf(number, sizeof(number), "%" PRId64, id);
	snprintf(message, sizeof(message), "{\"deposit\": %" PRId64 ", \"of\": %" PRId64 "}", amount,
			 id);
	dgen_turn_set_int64(turn, number, amount);
	return dgen_turn_request(turn, "account", to, message, DGEN_STRLEN, number, NULL);
}

static int
handle_call(dgen_turn *turn, const char *message, size_t length, void *user)
{
	dgen_json value;

	if (dgen_json_find(message, length, "/transfer", &value) == 0)
		return transfer(turn, user);
	return deposit(turn, user);
}

/* What the other account says goes to the caller as it is. */
static int
handle_reply(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const struct bank *bank = user;
	const char *number = dgen_turn_correlation(turn);
	int64_t id = strtoll(number, NULL, 10);
	int64_t amount = dgen_turn_get_int64(turn, number, 0);
	dgen_json value;
	int rc = 0;

	dgen_turn_delete(turn, number);
	if (dgen_turn_reply_error(turn) != NULL)
		message = "{\"refused\": \"the other account has failed\"}", length = DGEN_STRLEN;
	if (dgen_json_find(message, length, "/refused", &value) == 0)
		rc = bank->book(turn, amount, id);
	return rc < 0 ? rc : dgen_turn_send_reply(turn, id, message, length);
}

/* ---- the program ---- */

static dgen_worker *worker;

static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

static int
run_worker(void)
{
	struct bank bank = {.book = book};
	dgen_actor_type account = {
		.size = sizeof(account),
		.name = "account",
		.user = &bank,
		.handle_call = handle_call,
		.handle_reply = handle_reply,
	};
	int rc = dgen_worker_open(&worker, "", NULL);

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &account);
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "bank: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return rc != 0;
}

/* Prints the reply; 1 if the transfer was refused or is not known to have happened. */
static int
run_transfer(const char *from, const char *to, long long amount)
{
	dgen_client *client;
	dgen_json value;
	const char *reply;
	size_t length;
	char name[3080]; /* a key has 512 bytes; six times that if all of them are escaped */
	char message[3200];
	int rc;

	if (dgen_json_quote(to, DGEN_STRLEN, name, sizeof(name)) < 0 || strlen(to) > 512)
	{
		fprintf(stderr, "bank: the account's name is too long, or not UTF-8\n");
		return 1;
	}
	snprintf(message, sizeof(message), "{\"transfer\": %lld, \"to\": %s}", amount, name);
	rc = dgen_client_open(&client, "", NULL);
	if (rc == 0)
		rc = dgen_client_call(client, "account", from, message, DGEN_STRLEN, 0, &reply, &length);
	if (rc == 0)
	{
		printf("%s\n", reply);
		rc = dgen_json_find(reply, length, "/booked", &value);
	}
	else
		fprintf(stderr, "bank: %s\n", dgen_client_error(client));
	dgen_client_close(client);
	return rc != 0;
}

int
main(int argc, char **argv)
{
	if (argc == 1)
		return run_worker();
	if (argc == 5 && strcmp(argv[1], "transfer") == 0)
		return run_transfer(argv[2], argv[3], atoll(argv[4]));
	fprintf(stderr, "usage: bank                             a worker\n"
					"       bank transfer FROM TO AMOUNT\n");
	return 2;
}
