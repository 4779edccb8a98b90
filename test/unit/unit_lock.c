/* turn.c: locking an actor, and the locked part. */
#include "turn_test.h"

CALLBACK(locks)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	(void) dgen_turn_cast(turn, "t", "k", NULL, 0, NULL);
	return dgen_turn_lock(turn);
}

CALLBACK(replies_and_locks)
{
	UNUSED();
	(void) dgen_turn_reply_int64(turn, 1);
	return dgen_turn_lock(turn);
}

CALLBACK(locks_and_replies)
{
	UNUSED();
	(void) dgen_turn_lock(turn);
	return dgen_turn_reply_int64(turn, 1);
}

CALLBACK(destroys_and_locks)
{
	UNUSED();
	(void) dgen_turn_destroy(turn);
	return dgen_turn_lock(turn);
}

CALLBACK(locks_and_destroys)
{
	UNUSED();
	(void) dgen_turn_lock(turn);
	return dgen_turn_destroy(turn);
}

/* The token is there, and what the message says is done. */
CALLBACK(locked)
{
	UNUSED();
	(void) dgen_turn_set_string(turn, "token", dgen_turn_token(turn));
	if (dgen_turn_arg_bool(turn, "/lock", false))
		return dgen_turn_lock(turn);
	if (dgen_turn_arg_bool(turn, "/connect", false))
		(void) dgen_turn_connection(turn);
	return dgen_turn_reply_bool(turn, true);
}

static void
check(dgen_callback handle, dgen_callback handle_locked, const char *kind, const char *message,
	  int rc, const char *outcome)
{
	dgen_actor_type type = {.size = sizeof(type),
							.name = "cart",
							.handle_cast = handle,
							.handle_locked = handle_locked};
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", "{}") == 0)
	{
		CHECK(dgen_test_run(test, kind, message) == rc);
		CHECK_TEXT(dgen_test_outcome(test), outcome);
	}
	dgen_test_close(test);
}

#define ERROR(text) FAILED "\"error\", \"error\": \"" text "\"}"

static void
a_turn_that_locks_commits(void)
{
	check(locks, locked, "call", NULL, 0,
		  "{\"committed\": true, \"set\": {\"a\": 1}, \"deleted\": [], \"locks\": true, "
		  "\"sends\": [{\"kind\": \"cast\", \"type\": \"t\", \"key\": \"k\", \"message\": null}]}");
}

static void
without_handle_locked_nothing_locks(void)
{
	check(locks, NULL, "cast", NULL, DGEN_ESTATE,
		  ERROR("a turn cannot lock: the actor type has no handle_locked"));
	check(locks, NULL, "locked", NULL, DGEN_ESTATE,
		  ERROR("actor type \\\"cart\\\" has no callback for a locked"));
}

static void
the_locked_part_answers_and_not_the_turn(void)
{
	check(replies_and_locks, locked, "call", NULL, DGEN_ESTATE,
		  ERROR("a turn cannot lock: it has replied"));
	check(locks_and_replies, locked, "call", NULL, DGEN_ESTATE,
		  ERROR("the turn has locked its actor"));
	check(destroys_and_locks, locked, "cast", NULL, DGEN_ESTATE,
		  ERROR("a turn cannot lock: it destroys the actor"));
	check(locks_and_destroys, locked, "cast", NULL, DGEN_ESTATE,
		  ERROR("a turn cannot lock: it destroys the actor"));
	check(
		locks, locked, "locked", "{}", 0,
		"{\"committed\": true, \"set\": {\"token\": \"token\"}, \"deleted\": [], \"reply\": true, "
		"\"sends\": []}");
}

static void
a_locked_part_has_no_connection_and_does_not_lock(void)
{
	check(locks, locked, "locked", "{\"lock\": true}", DGEN_ESTATE,
		  ERROR("a turn cannot lock: this is the locked part"));
	check(locks, locked, "locked", "{\"connect\": true}", DGEN_ESTATE,
		  ERROR("a turn without a database has no connection"));
}

static void
no_turn_locks_nothing(void)
{
	CHECK(dgen_turn_lock(NULL) == DGEN_EINVAL);
	CHECK(dgen_turn_token(NULL) == NULL);
}

static const tap_test tests[] = {
	TEST(a_turn_that_locks_commits),
	TEST(without_handle_locked_nothing_locks),
	TEST(the_locked_part_answers_and_not_the_turn),
	TEST(a_locked_part_has_no_connection_and_does_not_lock),
	TEST(no_turn_locks_nothing),
};

TAP_MAIN(tests)
