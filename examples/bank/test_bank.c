/*
 * The callbacks of bank.c without a database: what they book goes into a list.
 */

/* bank.c has a main of its own. */
int bank_main(int argc, char **argv);
#define main bank_main
#include "bank.c"
#undef main

static int failures;
static char booked[80];
static int outcome = BOOKED;

static int
record(dgen_turn *turn, int64_t amount, int64_t transfer_id)
{
	snprintf(booked, sizeof(booked), "%s %" PRId64 " of %" PRId64, dgen_turn_actor_key(turn),
			 amount, transfer_id);
	return outcome;
}

static void
check(dgen_test *test, bool ok, const char *what)
{
	printf("%s %s\n", ok ? "ok    " : "FAILED", what);
	if (!ok)
		printf("       outcome: %s\n       booked: %s\n", dgen_test_outcome(test), booked);
	failures += !ok;
	booked[0] = '\0';
}

static bool
has(dgen_test *test, const char *text)
{
	return strstr(dgen_test_outcome(test), text) != NULL;
}

static bool
state_is(dgen_test *test, const char *json)
{
	return strcmp(dgen_test_state(test), json) == 0;
}

static bool
was_booked(const char *text)
{
	return strcmp(booked, text) == 0;
}

int
main(void)
{
	struct bank bank = {.book = record};
	dgen_actor_type type = {
		.size = sizeof(type),
		.name = "account",
		.user = &bank,
		.handle_call = handle_call,
		.handle_reply = handle_reply,
	};
	dgen_test *test;
	int rc = dgen_test_open(&test, &type, "alice", NULL);

	check(test, rc == 0, "an account");

	rc = dgen_test_run(test, "call", "{\"transfer\": 5, \"to\": \"bob\"}");
	check(test,
		  rc == 0 && was_booked("alice -5 of 1") && !has(test, "\"reply\"") &&
			  has(test, "\"key\": \"bob\""),
		  "a transfer books, asks the other account, and answers later");
	check(test, state_is(test, "{\"1\": 5}"), "and is remembered");

	rc = dgen_test_run_reply(test, "1", "{\"booked\": 5}", NULL);
	check(test,
		  rc == 0 && was_booked("") && has(test, "{\"request\": 1, \"reply\": {\"booked\": 5}}"),
		  "the caller gets the reply");
	check(test, state_is(test, "{}"), "and the transfer is over");

	rc = dgen_test_run(test, "call", "{\"transfer\": 7, \"to\": \"nobody\"}");
	check(test, rc == 0 && state_is(test, "{\"3\": 7}"),
		  "a transfer to nobody begins in the same way");
	rc = dgen_test_run_reply(test, "3", refusals[NO_ACCOUNT], NULL);
	check(test,
		  rc == 0 && was_booked("alice 7 of 3") && has(test, "no such account") &&
			  state_is(test, "{}"),
		  "is booked back, and the caller is told");

	rc = dgen_test_run(test, "call", "{\"transfer\": 8, \"to\": \"bob\"}");
	check(test, rc == 0 && state_is(test, "{\"5\": 8}"), "one more");
	rc = dgen_test_run_reply(test, "5", NULL, "out of order");
	check(test, rc == 0 && was_booked("alice 8 of 5") && has(test, "has failed"),
		  "the same if the other account fails");

	rc = dgen_test_run(test, "call", "{\"transfer\": -5, \"to\": \"bob\"}");
	check(test, rc == 0 && has(test, "refused") && was_booked(""),
		  "nobody takes money by a negative transfer");
	rc = dgen_test_run(test, "call", "{\"transfer\": \"5\", \"to\": \"bob\"}");
	check(test, rc == DGEN_ETYPE && was_booked(""), "a text is no amount");

	outcome = OVERDRAWN;
	rc = dgen_test_run(test, "call", "{\"transfer\": 9, \"to\": \"bob\"}");
	check(test,
		  rc == 0 && has(test, "insufficient funds") && has(test, "\"sends\": []") &&
			  state_is(test, "{}"),
		  "who has not enough is told so at once");

	bank.book = book;
	rc = dgen_test_run(test, "call", "{\"deposit\": 5}");
	check(test, rc == DGEN_ESTATE && has(test, "\"committed\": false"),
		  "without a connection nothing commits");

	dgen_test_close(test);
	return failures != 0;
}
