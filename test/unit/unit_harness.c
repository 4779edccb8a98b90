/* harness.c: opening, running and what is told about it. */
#include "tap.h"

static int
add(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	return dgen_turn_set_int64(
		turn, "sum", dgen_turn_get_int64(turn, "sum", 0) + dgen_turn_arg_int64(turn, "", 1));
}

static int
destroy(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	return dgen_turn_destroy(turn);
}

static const dgen_actor_type summer = {.size = sizeof(summer),
									   .name = "summer",
									   .handle_cast = add,
									   .handle_call = destroy,
									   .initial_state = "{\"sum\": 5}"};

static void
state_goes_on_from_turn_to_turn(void)
{
	dgen_test *test;

	if (dgen_test_open(&test, &summer, "k", "{\"sum\": 100}") == 0)
	{
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 100}");
		CHECK(dgen_test_run(test, "cast", "1") == 0 && dgen_test_run(test, "cast", "2") == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 103}");
		CHECK_TEXT(dgen_test_error(test), "");
	}
	dgen_test_close(test);
}

static void
new_actor_has_the_initial_state(void)
{
	dgen_test *test;

	if (dgen_test_open(&test, &summer, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "cast", "1") == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 6}");
		CHECK(dgen_test_run(test, "call", NULL) == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 5}");
	}
	dgen_test_close(test);
}

static void
type_and_texts_are_copied(void)
{
	char name[] = "summer";
	char state[] = "{\"sum\": 1}";
	char key[] = "k";
	dgen_actor_type type = {
		.size = sizeof(type), .name = name, .handle_cast = add, .initial_state = state};
	dgen_test *test;

	if (dgen_test_open(&test, &type, key, NULL) == 0)
	{
		memset(&type, 0, sizeof(type));
		memset(name, 'x', 3);
		memset(state, 'x', 3);
		key[0] = 'x';
		CHECK(dgen_test_run(test, "cast", "1") == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 2}");
	}
	dgen_test_close(test);
}

static void
check_open_fails(const dgen_actor_type *type, const char *key, const char *state, int rc,
				 const char *error)
{
	dgen_test *test;

	CHECK(dgen_test_open(&test, type, key, state) == rc);
	CHECK_TEXT(dgen_test_error(test), error);
	CHECK(dgen_test_run(test, "cast", NULL) < 0);
	CHECK_TEXT(dgen_test_state(test), "");
	CHECK_TEXT(dgen_test_outcome(test), "");
	dgen_test_close(test);
}

static void
open_tells_what_is_wrong(void)
{
	dgen_actor_type type = summer;

	check_open_fails(NULL, "k", NULL, DGEN_EINVAL, "actor type must not be NULL");
	check_open_fails(&summer, NULL, NULL, DGEN_EINVAL, "actor key must not be NULL");
	check_open_fails(&summer, "k", "[]", DGEN_EINVAL, "state is not a JSON object");
	check_open_fails(&summer, "k", "{", DGEN_EJSON, "state is not valid JSON at byte 2");
	type.name = NULL;
	check_open_fails(&type, "k", NULL, DGEN_EINVAL, "actor type must not be NULL");
	type.initial_state = "1";
	check_open_fails(&type, "k", NULL, DGEN_EINVAL, "initial state is not a JSON object");
	type.size = 0;
	check_open_fails(&type, "k", NULL, DGEN_EINVAL, "the size of dgen_actor_type is 0");
	CHECK(dgen_test_open(NULL, &summer, "k", NULL) == DGEN_EINVAL);
}

static void
bad_message_runs_nothing(void)
{
	dgen_test *test;

	if (dgen_test_open(&test, &summer, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "cast", "{") == DGEN_EJSON);
		CHECK_TEXT(dgen_test_error(test), "message is not valid JSON at byte 2");
		CHECK(dgen_test_run(test, "shout", "1") == DGEN_EINVAL);
		CHECK_TEXT(dgen_test_error(test), "kind is \"shout\"");
		CHECK(dgen_test_run(test, NULL, "1") == DGEN_EINVAL);
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 5}");
	}
	dgen_test_close(test);
}

static void
failed_turn_changes_nothing(void)
{
	dgen_test *test;

	if (dgen_test_open(&test, &summer, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "cast", "1") == 0);
		CHECK(dgen_test_run(test, "cast", "\"x\"") == DGEN_ETYPE);
		CHECK_TEXT(dgen_test_error(test), "message \"\" is not an integer of 64 bits: \"x\"");
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 6}");
		CHECK(dgen_test_run(test, "cast", "1") == 0);
		CHECK_TEXT(dgen_test_error(test), "");
	}
	dgen_test_close(test);
}

static int
remember(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) user;
	dgen_turn_set(turn, "was", message, length);
	dgen_turn_set_string(turn, "kind", dgen_turn_kind(turn));
	dgen_turn_set_int64(turn, "of", dgen_turn_in_reply_to(turn));
	dgen_turn_set_string(turn, "error", dgen_turn_reply_error(turn));
	return dgen_turn_set_string(turn, "sqlstate", dgen_turn_reply_sqlstate(turn));
}

static void
dead_letter_comes_with_its_error(void)
{
	dgen_actor_type type = summer;
	dgen_test *test;

	type.handle_dead_letter = remember;
	type.initial_state = NULL;
	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run_dead_letter(test, "[1]", "no luck", "P0001") == 0);
		CHECK_TEXT(dgen_test_state(test),
				   "{\"error\": \"no luck\", \"kind\": \"dead_letter\", \"of\": 1, "
				   "\"sqlstate\": \"P0001\", \"was\": [1]}");
		CHECK(dgen_test_run_dead_letter(test, NULL, NULL, NULL) == 0);
		CHECK_TEXT(dgen_test_state(test),
				   "{\"error\": \"unspecified error\", \"kind\": \"dead_letter\", \"of\": 1, "
				   "\"sqlstate\": \"ZD400\", \"was\": null}");
	}
	dgen_test_close(test);
}

static void
dead_letter_without_callback_is_dropped(void)
{
	dgen_test *test;

	if (dgen_test_open(&test, &summer, "k", NULL) == 0)
	{
		CHECK(dgen_test_run_dead_letter(test, "1", "no luck", NULL) == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 5}");
	}
	dgen_test_close(test);
}

static int
act(dgen_turn *turn, const char *message, size_t length, void *user)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;

	(void) user;
	options.delay_ms = dgen_turn_arg_int64(turn, "/delay_ms", 0);
	options.priority = (int) dgen_turn_arg_int64(turn, "/priority", 0);
	options.idempotency_key = dgen_turn_arg_string(turn, "/once", NULL);
	(void) dgen_turn_set_bool(turn, "acted", true);
	return dgen_turn_act(turn, dgen_turn_arg_string(turn, "/action", NULL), message, length,
						 &options);
}

/* Sees no state, and replies with what it has. */
static int
perform(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *state;

	(void) length, (void) user;
	if (strcmp(message, "\"set\"") == 0)
		return dgen_turn_set_int64(turn, "n", 1);
	if (strcmp(message, "\"replace\"") == 0)
		return dgen_turn_set_state(turn, "{}", DGEN_STRLEN);
	if (strcmp(message, "\"delete\"") == 0)
		return dgen_turn_delete(turn, "n");
	if (strcmp(message, "\"destroy\"") == 0)
		return dgen_turn_destroy(turn);
	if (strcmp(message, "\"again\"") == 0)
		(void) dgen_turn_act(turn, "again", NULL, 0, NULL);
	state = dgen_turn_state(turn, NULL);
	if (state == NULL || strcmp(state, "{}") != 0 || dgen_turn_get(turn, "sum", NULL) != NULL)
		return DGEN_EFAILED;
	return dgen_turn_reply_string(turn, dgen_turn_correlation(turn));
}

static int
must_not_run(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) turn, (void) message, (void) length, (void) user;
	return DGEN_EFAILED;
}

static dgen_actor_type
actor_that_acts(void)
{
	dgen_actor_type type = summer;

	type.handle_cast = act;
	type.handle_action = perform;
	return type;
}

static void
action_is_stored_with_its_turn(void)
{
	const dgen_actor_type type = actor_that_acts();
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "cast", "{\"action\": \"mail\", \"delay_ms\": 5}") == 0);
		CHECK_TEXT(dgen_test_outcome(test),
				   "{\"committed\": true, \"set\": {\"acted\": true}, \"deleted\": [], \"sends\": "
				   "[{\"kind\": \"action\", \"type\": \"summer\", \"key\": \"k\", \"message\": "
				   "{\"action\": \"mail\", \"delay_ms\": 5}, \"correlation\": \"mail\", "
				   "\"delay_ms\": 5}]}");
		CHECK(dgen_test_run(test, "cast", "{\"action\": \"\"}") == DGEN_EINVAL);
		CHECK(dgen_test_run(test, "cast", "{}") == DGEN_EINVAL);
		CHECK(dgen_test_run(test, "cast", "{\"action\": \"a\", \"priority\": 1}") == DGEN_EINVAL);
		CHECK(dgen_test_run(test, "cast", "{\"action\": \"a\", \"once\": \"x\"}") == DGEN_EINVAL);
		CHECK(dgen_test_run(test, "cast", "{\"action\": \"a\", \"delay_ms\": -1}") == DGEN_EINVAL);
		CHECK(dgen_turn_act(NULL, "a", NULL, 0, NULL) == DGEN_EINVAL);
	}
	dgen_test_close(test);
}

static void
action_needs_a_callback(void)
{
	dgen_actor_type type = actor_that_acts();
	dgen_test *test;

	type.handle_action = NULL;
	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "cast", "{\"action\": \"mail\"}") == DGEN_ESTATE);
		CHECK_TEXT(dgen_test_error(test), "actor type \"summer\" has no handle_action");
		CHECK(dgen_test_run_action(test, "mail", NULL) == DGEN_ESTATE);
	}
	dgen_test_close(test);
}

static void
action_has_no_state(void)
{
	static const char *const changes[] = {"\"set\"", "\"replace\"", "\"delete\"", "\"destroy\""};
	dgen_actor_type type = actor_that_acts();
	dgen_test *test;

	type.init = must_not_run;
	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run_action(test, "mail", "\"again\"") == 0);
		CHECK_TEXT(dgen_test_outcome(test),
				   "{\"committed\": true, \"set\": {}, \"deleted\": [], \"reply\": \"mail\", "
				   "\"sends\": [{\"kind\": \"action\", \"type\": \"summer\", \"key\": \"k\", "
				   "\"message\": null, \"correlation\": \"again\"}]}");
		for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		{
			CHECK(dgen_test_run_action(test, "mail", changes[i]) == DGEN_ESTATE);
			CHECK_TEXT(dgen_test_error(test), "an action has no state to change");
		}
		CHECK_TEXT(dgen_test_state(test), "{\"sum\": 5}");
	}
	dgen_test_close(test);
}

static void
no_test_is_an_error_and_no_crash(void)
{
	CHECK(dgen_test_run(NULL, "cast", NULL) == DGEN_EINVAL);
	CHECK(dgen_test_run_reply(NULL, NULL, NULL, NULL) == DGEN_EINVAL);
	CHECK(dgen_test_run_action(NULL, NULL, NULL) == DGEN_EINVAL);
	CHECK(dgen_test_run_dead_letter(NULL, NULL, NULL, NULL) == DGEN_EINVAL);
	CHECK_TEXT(dgen_test_state(NULL), "");
	CHECK_TEXT(dgen_test_outcome(NULL), "");
	CHECK_TEXT(dgen_test_error(NULL), "");
	dgen_test_close(NULL);
}

static const tap_test tests[] = {
	TEST(state_goes_on_from_turn_to_turn),
	TEST(new_actor_has_the_initial_state),
	TEST(type_and_texts_are_copied),
	TEST(open_tells_what_is_wrong),
	TEST(bad_message_runs_nothing),
	TEST(failed_turn_changes_nothing),
	TEST(dead_letter_comes_with_its_error),
	TEST(dead_letter_without_callback_is_dropped),
	TEST(action_is_stored_with_its_turn),
	TEST(action_needs_a_callback),
	TEST(action_has_no_state),
	TEST(no_test_is_an_error_and_no_crash),
};

TAP_MAIN(tests)
