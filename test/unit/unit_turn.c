/* turn.c: errors that stick, how turns end, and which callback runs. */
#include <math.h>

#include "turn_test.h"

/* ---- errors stick ---- */

CALLBACK(wrong_type)
{
	UNUSED();
	CHECK(dgen_turn_arg_int64(turn, "/n", 7) == 7);
	CHECK(dgen_turn_error(turn) == DGEN_ETYPE || dgen__memory_failed());
	CHECK(dgen_turn_set_int64(turn, "a", 1) < 0);
	CHECK(dgen_turn_get_int64(turn, "old", 9) == 9);
	CHECK(dgen_turn_cast(turn, "t", "k", NULL, 0, NULL) < 0);
	CHECK(dgen_turn_connection(turn) == NULL);
	CHECK(dgen_turn_state(turn, NULL) == NULL && dgen_turn_get(turn, "old", NULL) == NULL);
	return 0;
}

static void
first_error_sticks_whatever_is_returned(void)
{
	check_run(
		wrong_type, "cast", "{\"old\": 5}", "{\"n\": \"seven\"}", DGEN_ETYPE,
		FAILED
		"\"error\", \"error\": \"message \\\"/n\\\" is not an integer of 64 bits: \\\"seven\\\"\"}");
}

static void
long_values_are_cut_in_errors(void)
{
	check_run(wrong_type, "cast", NULL,
			  "{\"n\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]}",
			  DGEN_ETYPE,
			  FAILED "\"error\", \"error\": \"message \\\"/n\\\" is not an integer of 64 bits:"
					 " [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23...\"}");
}

CALLBACK(return_what_comes)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	return (int) dgen_turn_arg_int64(turn, "", 0);
}

static void
negative_code_fails_the_attempt(void)
{
	check_run(return_what_comes, "cast", NULL, "-4", DGEN_ESERVER,
			  FAILED
			  "\"error\", \"error\": \"handle_cast returned -4 (the server reported an error)\"}");
}

static void
positive_code_fails_the_attempt(void)
{
	check_run(
		return_what_comes, "cast", NULL, "5", DGEN_EFAILED,
		FAILED
		"\"error\", \"error\": \"handle_cast returned 5 (0 commits, a negative code fails the attempt)\"}");
}

CALLBACK(try_bad_arguments)
{
	static const struct
	{
		const char *name;
		const char *json;
		int rc;
	} sets[] = {{NULL, "1", DGEN_EINVAL},      {"a", NULL, DGEN_EINVAL},
				{"a", "", DGEN_EJSON},         {"a", "{", DGEN_EJSON},
				{"a", "\"\xff\"", DGEN_EJSON}, {"a", "\"\\u0000\"", DGEN_EJSON},
				{"a\xff", "1", DGEN_EINVAL},   {"a", "1e200000", DGEN_EJSON}};
	size_t i = (size_t) dgen_turn_arg_int64(turn, "", 0);

	UNUSED();
	CHECK(dgen_turn_set(turn, sets[i].name, sets[i].json, DGEN_STRLEN) == sets[i].rc);
	CHECK(dgen_turn_error(turn) == sets[i].rc);
	return 0;
}

static void
bad_entries_are_refused(void)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "cart", .handle_cast = try_bad_arguments};

	for (int i = 0; i < 8; i++)
	{
		dgen_test *test;
		char message[16];

		(void) snprintf(message, sizeof(message), "%d", i);
		if (dgen_test_open(&test, &type, "k", NULL) == 0)
		{
			CHECK(dgen_test_run(test, "cast", message) < 0);
			CHECK_TEXT(dgen_test_state(test), "{}");
		}
		dgen_test_close(test);
	}
}

CALLBACK(refused_one_by_one)
{
	char *key = malloc(600);
	int64_t i = dgen_turn_arg_int64(turn, "", 0);
	int rc = 0;

	UNUSED();
	memset(key, 'k', 599);
	key[i == 0 ? 513 : 129] = '\0';
	if (i == 0)
		rc = dgen_turn_cast(turn, "t", key, "1", 1, NULL);
	else if (i == 1)
		rc = dgen_turn_cast(turn, key, "k", "1", 1, NULL);
	else if (i == 2)
		rc = dgen_turn_request(turn, "t", "k", "1", 1, "\xff", NULL);
	else if (i == 3)
		rc = dgen_turn_reply_double(turn, NAN);
	else if (i == 4)
		rc = dgen_turn_set_double(turn, "a", INFINITY);
	else if (i == 5)
		rc = dgen_turn_set_string(turn, "a", "\xff");
	else if (i == 6)
		rc = dgen_turn_set_string(turn, "a", NULL);
	else if (i == 7)
		rc = dgen_turn_send_reply(turn, 0, "1", 1);
	else if (i == 8)
		rc = dgen_turn_set_state(turn, "[]", 2);
	else if (i == 9)
		rc = dgen_turn_scan(turn, "", NULL, NULL) == NULL ? dgen_turn_error(turn) : 0;
	else if (i == 10)
		rc = dgen_turn_arg_bool(turn, "no pointer", true) ? dgen_turn_error(turn) : 0;
	else if (i == 11)
		rc = dgen_turn_after_commit(turn, NULL, NULL, NULL);
	else if (i == 12)
		rc = dgen_turn_retry(turn, -2);
	else if (i == 13)
		rc = dgen_turn_delete(turn, NULL);
	else if (i == 14)
		rc = dgen_turn_get(turn, NULL, NULL) == NULL ? dgen_turn_error(turn) : 0;
	CHECK(rc == DGEN_EINVAL);
	free(key);
	return 0;
}

static void
bad_arguments_are_errors_that_stick(void)
{
	dgen_actor_type type = {
		.size = sizeof(type), .name = "cart", .handle_cast = refused_one_by_one};

	for (int i = 0; i < 15; i++)
	{
		dgen_test *test;
		char message[16];

		(void) snprintf(message, sizeof(message), "%d", i);
		if (dgen_test_open(&test, &type, "k", NULL) == 0)
			CHECK(dgen_test_run(test, "cast", message) == DGEN_EINVAL);
		dgen_test_close(test);
	}
}

static int released;

static void
release(void *data)
{
	released += *(int *) data;
}

static void
no_turn_is_an_error_and_no_crash(void)
{
	int one = 1;

	released = 0;
	CHECK(dgen_turn_error(NULL) == DGEN_EINVAL && dgen_turn_fail(NULL, "e", NULL) == DGEN_EINVAL);
	CHECK(dgen_turn_retry(NULL, 1) == DGEN_EINVAL && dgen_turn_destroy(NULL) == DGEN_EINVAL);
	CHECK(dgen_turn_set(NULL, "a", "1", 1) == DGEN_EINVAL &&
		  dgen_turn_delete(NULL, "a") == DGEN_EINVAL);
	CHECK(dgen_turn_set_state(NULL, "{}", 2) == DGEN_EINVAL &&
		  dgen_turn_set_double(NULL, "a", 1) == DGEN_EINVAL);
	CHECK(dgen_turn_get_int64(NULL, "a", 3) == 3 && dgen_turn_arg_int64(NULL, "", 4) == 4);
	CHECK(dgen_turn_state(NULL, NULL) == NULL && dgen_turn_scan(NULL, "", NULL, NULL) == NULL);
	CHECK(dgen_turn_reply(NULL, "1", 1) == DGEN_EINVAL &&
		  dgen_turn_reply_string(NULL, "a") == DGEN_EINVAL);
	CHECK(dgen_turn_cast(NULL, "t", "k", NULL, 0, NULL) == DGEN_EINVAL &&
		  dgen_turn_connection(NULL) == NULL);
	CHECK(dgen_turn_send_reply(NULL, 1, "1", 1) == DGEN_EINVAL && dgen_turn_version(NULL) == 0);
	CHECK(*dgen_turn_actor_type(NULL) == '\0' && *dgen_turn_actor_key(NULL) == '\0' &&
		  *dgen_turn_kind(NULL) == '\0');
	CHECK(dgen_turn_headers(NULL) == NULL && dgen_turn_correlation(NULL) == NULL &&
		  dgen_turn_attempt(NULL) == 0);
	CHECK(dgen_turn_after_commit(NULL, release, release, &one) == DGEN_EINVAL && released == 1);
}

/* ---- fail, retry, destroy ---- */

CALLBACK(fail)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	(void) dgen_turn_reply_int64(turn, 1);
	return dgen_turn_fail(turn, "no such item", dgen_turn_arg_string(turn, "", NULL));
}

static void
fail_is_final(void)
{
	check_run(fail, "call", NULL, "\"22012\"", DGEN_EFAILED,
			  FAILED "\"fail\", \"error\": \"no such item\", \"sqlstate\": \"22012\"}");
}

static void
sqlstate_of_fail_has_a_default(void)
{
	check_run(fail, "call", NULL, "\"no\"", DGEN_EFAILED,
			  FAILED "\"fail\", \"error\": \"no such item\", \"sqlstate\": \"ZD400\"}");
}

CALLBACK(fail_after_error)
{
	UNUSED();
	(void) dgen_turn_arg_int64(turn, "/n", 0);
	if (dgen_turn_error(turn) != 0)
		(void) dgen_turn_fail(turn, NULL, NULL);
	(void) dgen_turn_retry(turn, 5);
	CHECK(dgen_turn_error(turn) == DGEN_ETYPE || dgen__memory_failed());
	return 0;
}

static void
fail_counts_more_than_an_error_before_it(void)
{
	check_run(fail_after_error, "cast", NULL, "{\"n\": true}", DGEN_EFAILED,
			  FAILED "\"fail\", \"error\": \"unspecified error\", \"sqlstate\": \"ZD400\"}");
}

CALLBACK(raise_error)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	if (dgen_turn_arg_bool(turn, "/stuck", false))
		(void) dgen_turn_arg_int64(turn, "", 0);
	(void) dgen_turn_raise(turn, dgen_turn_arg_string(turn, "/error", NULL),
						   dgen_turn_arg_string(turn, "/sqlstate", NULL));
	return dgen_turn_fail(turn, "too late", NULL);
}

static void
raise_fails_the_attempt(void)
{
	check_run(raise_error, "call", NULL, "{\"error\": \"busy\", \"sqlstate\": \"55P03\"}",
			  DGEN_EFAILED, FAILED "\"error\", \"error\": \"busy\", \"sqlstate\": \"55P03\"}");
	check_run(raise_error, "cast", NULL, "{\"sqlstate\": \"no\"}", DGEN_EFAILED,
			  FAILED "\"error\", \"error\": \"unspecified error\", \"sqlstate\": \"P0001\"}");
	CHECK(dgen_turn_raise(NULL, "no", NULL) == DGEN_EINVAL);
}

static void
raise_counts_more_than_an_error_before_it(void)
{
	check_run(raise_error, "cast", NULL, "{\"stuck\": true}", DGEN_EFAILED,
			  FAILED "\"error\", \"error\": \"unspecified error\", \"sqlstate\": \"P0001\"}");
}

/* libpq makes results without a connection, but none with fields of an error. */
CALLBACK(raise_made_result)
{
	int64_t status = dgen_turn_arg_int64(turn, "", -1);
	PGresult *result = status < 0 ? NULL : PQmakeEmptyPGresult(NULL, (ExecStatusType) status);
	int rc = dgen_turn_raise_result(turn, result);

	UNUSED();
	PQclear(result);
	CHECK(rc == DGEN_EFAILED && dgen_turn_error(turn) != 0);
	CHECK(dgen_turn_raise_result(turn, NULL) == DGEN_EFAILED);
	return rc;
}

static void
raise_result_has_an_error_whatever_the_result_is(void)
{
	char message[12];

	check_run(raise_made_result, "cast", NULL, "-1", DGEN_EFAILED,
			  FAILED
			  "\"error\", \"error\": \"a statement has no result: connection pointer is NULL\"}");
	(void) snprintf(message, sizeof(message), "%d", PGRES_TUPLES_OK);
	check_run(raise_made_result, "cast", NULL, message, DGEN_EFAILED,
			  FAILED "\"error\", \"error\": "
					 "\"a statement returned unexpected PGRES_TUPLES_OK\"}");
	(void) snprintf(message, sizeof(message), "%d", PGRES_FATAL_ERROR);
	check_run(raise_made_result, "cast", NULL, message, DGEN_EFAILED,
			  FAILED "\"error\", \"error\": \"the handler failed\"}");
	CHECK(dgen_turn_raise_result(NULL, NULL) == DGEN_EINVAL);
}

CALLBACK(retry)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	(void) dgen_turn_retry(turn, dgen_turn_arg_int64(turn, "", 0));
	return dgen_turn_fail(turn, "too late", NULL);
}

static void
retry_undoes_the_turn(void)
{
	check_run(retry, "cast", NULL, "1500", DGEN_EFAILED,
			  FAILED "\"retry\", \"delay_ms\": 1500, \"error\": \"the handler failed\"}");
	check_run(retry, "cast", NULL, "-1", DGEN_EFAILED,
			  FAILED "\"retry\", \"delay_ms\": -1, \"error\": \"the handler failed\"}");
}

CALLBACK(destroy)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	(void) dgen_turn_destroy(turn);
	(void) dgen_turn_cast(turn, "t", "k", NULL, 0, NULL);
	return dgen_turn_reply_bool(turn, true);
}

static void
destroy_commits_all_but_the_state(void)
{
	check_run(
		destroy, "call", "{\"old\": 1}", NULL, 0,
		"{\"committed\": true, " NOTHING ", \"destroyed\": true, \"reply\": true,"
		" \"sends\": [{\"kind\": \"cast\", \"type\": \"t\", \"key\": \"k\", \"message\": null}]}");
}

CALLBACK(set_after_destroy)
{
	UNUSED();
	(void) dgen_turn_destroy(turn);
	return dgen_turn_set_int64(turn, "a", 1);
}

static void
destroyed_state_cannot_change(void)
{
	check_run(
		set_after_destroy, "cast", NULL, NULL, DGEN_ESTATE,
		FAILED
		"\"error\", \"error\": \"the turn destroyed the actor's state before it changes it\"}");
}

/* ---- which callback ---- */

CALLBACK(note_user)
{
	UNUSED();
	return dgen_turn_set_string(turn, user, dgen_turn_kind(turn));
}

CALLBACK(note_init)
{
	UNUSED();
	return dgen_turn_set_int64(turn, "init", dgen_turn_get_int64(turn, "init", 0) + 1);
}

static void
check_kind(dgen_actor_type *type, const char *kind, int rc, const char *state)
{
	dgen_test *test;

	type->size = sizeof(*type);
	type->name = "cart";
	type->user = (void *) (uintptr_t) "kind";
	if (dgen_test_open(&test, type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, kind, NULL) == rc);
		CHECK_TEXT(dgen_test_state(test), state);
	}
	dgen_test_close(test);
}

static void
handle_cast_gets_calls_and_timers(void)
{
	dgen_actor_type type = {.handle_cast = note_user};

	check_kind(&type, "call", 0, "{\"kind\": \"call\"}");
	check_kind(&type, "timer", 0, "{\"kind\": \"timer\"}");
	check_kind(&type, "cast", 0, "{\"kind\": \"cast\"}");
}

static void
kinds_have_callbacks_of_their_own(void)
{
	dgen_actor_type type = {.handle_cast = fail,
							.handle_call = note_user,
							.handle_timer = note_user,
							.handle_reply = note_user};

	check_kind(&type, "call", 0, "{\"kind\": \"call\"}");
	check_kind(&type, "timer", 0, "{\"kind\": \"timer\"}");
	check_kind(&type, "reply", 0, "{\"kind\": \"reply\"}");
}

static void
reply_without_callback_is_dropped(void)
{
	dgen_actor_type type = {.handle_cast = note_user, .init = note_init};

	check_kind(&type, "reply", 0, "{}");
}

static void
cast_without_callback_fails_the_attempt(void)
{
	dgen_actor_type type = {.handle_call = note_user, .init = note_init};

	check_kind(&type, "cast", DGEN_ESTATE, "{}");
}

static void
init_runs_in_the_first_turn_that_changes_something(void)
{
	dgen_actor_type type = {.size = sizeof(type),
							.name = "cart",
							.user = (void *) (uintptr_t) "kind",
							.init = note_init,
							.handle_cast = note_user,
							.handle_call = fail};
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "call", NULL) < 0);
		CHECK_TEXT(dgen_test_state(test), "{}");
		CHECK(dgen_test_run(test, "cast", NULL) == 0 && dgen_test_run(test, "cast", NULL) == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"init\": 1, \"kind\": \"cast\"}");
	}
	dgen_test_close(test);
}

CALLBACK(refuse)
{
	UNUSED();
	return DGEN_EBUSY;
}

static void
failed_init_ends_the_turn(void)
{
	dgen_actor_type type = {.init = refuse, .handle_cast = note_user};

	check_kind(&type, "cast", DGEN_EBUSY, "{}");
}

/* ---- after the commit ---- */

static dgen__buffer trace;

static void
act(void *data)
{
	dgen__buffer_printf(&trace, "act %s,", (const char *) data);
}

static void
let_go(void *data)
{
	dgen__buffer_printf(&trace, "release %s,", (const char *) data);
}

CALLBACK(act_later)
{
	UNUSED();
	(void) dgen_turn_after_commit(turn, act, let_go, (void *) (uintptr_t) "a");
	if (dgen_turn_arg_bool(turn, "", false))
		(void) dgen_turn_fail(turn, NULL, NULL);
	return dgen_turn_after_commit(turn, act, let_go, (void *) (uintptr_t) "b");
}

static void
check_actions(const char *message, const char *wanted)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "cart", .handle_cast = act_later};
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		(void) dgen_test_run(test, "cast", message);
		CHECK_TEXT(trace.data, wanted);
	}
	dgen_test_close(test);
	dgen__buffer_free(&trace);
}

static void
actions_run_once_committed(void)
{
	check_actions("false", "act a,release a,act b,release b,");
}

/* That of an action which comes too late runs at once. */
static void
releases_always_run(void)
{
	check_actions("true", "release b,release a,");
}

/* ---- the connection ---- */

typedef struct fake
{
	int asked;
	int finished;
	int finish_code;
	bool none;
} fake;

static PGconn *
fake_connection(void *context, dgen__error *error)
{
	fake *f = context;

	f->asked++;
	if (f->none)
		(void) dgen__fail(error, DGEN_ECONNECT, "gone");
	return f->none ? NULL : (PGconn *) context;
}

static int
fake_finish(void *context, dgen__error *error)
{
	fake *f = context;

	f->finished++;
	return f->finish_code == 0 ? 0 : dgen__fail(error, f->finish_code, "a statement failed");
}

CALLBACK(use_connection)
{
	UNUSED();
	(void) dgen_turn_set_int64(turn, "a", 1);
	if (dgen_turn_connection(turn) != NULL)
		CHECK(dgen_turn_connection(turn) == dgen_turn_connection(turn));
	return dgen_turn_arg_bool(turn, "", false) ? DGEN_EFAILED : 0;
}

/* What the turn came to: the outcome, and whether the state was kept. */
static void
run_with(fake *f, const char *message, dgen__outcome outcome, bool used)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "cart", .handle_cast = use_connection};
	dgen__connector connector = {
		.connection = fake_connection, .finish = fake_finish, .context = f};
	dgen__message all = {
		.id = 1, .kind = "cast", .attempt = 1, .message = message, .length = strlen(message)};
	dgen__outbox outbox = {0};
	dgen__turn_result result;
	dgen__state *state;

	if (dgen__state_parse(&state, "{}", 2) != 0)
		return;
	dgen__turn_run(&type, "k", 1, 1, state, &outbox, &all, &connector, &result);
	CHECK(result.outcome == outcome && result.used_connection == used);
	CHECK(dgen__state_changed(state) == (outcome == DGEN__COMMIT));
	dgen__error_free(&result.error);
	dgen__outbox_finish(&outbox, false);
	dgen__state_free(state);
}

static void
connection_is_asked_for_once_and_finished_once(void)
{
	fake f = {0};

	run_with(&f, "false", DGEN__COMMIT, true);
	CHECK(f.asked == 1 && f.finished == 1);
}

static void
connection_of_a_failed_turn_is_not_finished(void)
{
	fake f = {0};

	run_with(&f, "true", DGEN__ERROR, true);
	CHECK(f.asked == 1 && f.finished == 0);
}

static void
finish_can_fail_the_turn(void)
{
	fake f = {.finish_code = DGEN_ESERVER};

	run_with(&f, "false", DGEN__ERROR, true);
	CHECK(f.finished == 1 || dgen__memory_failed());
}

static void
no_connection_is_an_error_that_sticks(void)
{
	fake f = {.none = true};

	run_with(&f, "false", DGEN__ERROR, false);
	CHECK(f.finished == 0);
}

CALLBACK(ask_for_connection)
{
	UNUSED();
	return dgen_turn_connection(turn) == NULL ? 0 : DGEN_EFAILED;
}

static void
harness_has_no_connection(void)
{
	check_run(ask_for_connection, "cast", NULL, NULL, DGEN_ESTATE,
			  FAILED "\"error\", \"error\": \"a turn without a database has no connection\"}");
}

static const tap_test tests[] = {
	TEST(first_error_sticks_whatever_is_returned),
	TEST(long_values_are_cut_in_errors),
	TEST(negative_code_fails_the_attempt),
	TEST(positive_code_fails_the_attempt),
	TEST(bad_entries_are_refused),
	TEST(bad_arguments_are_errors_that_stick),
	TEST(no_turn_is_an_error_and_no_crash),
	TEST(fail_is_final),
	TEST(sqlstate_of_fail_has_a_default),
	TEST(fail_counts_more_than_an_error_before_it),
	TEST(raise_fails_the_attempt),
	TEST(raise_counts_more_than_an_error_before_it),
	TEST(raise_result_has_an_error_whatever_the_result_is),
	TEST(retry_undoes_the_turn),
	TEST(destroy_commits_all_but_the_state),
	TEST(destroyed_state_cannot_change),
	TEST(handle_cast_gets_calls_and_timers),
	TEST(kinds_have_callbacks_of_their_own),
	TEST(reply_without_callback_is_dropped),
	TEST(cast_without_callback_fails_the_attempt),
	TEST(init_runs_in_the_first_turn_that_changes_something),
	TEST(failed_init_ends_the_turn),
	TEST(actions_run_once_committed),
	TEST(releases_always_run),
	TEST(connection_is_asked_for_once_and_finished_once),
	TEST(connection_of_a_failed_turn_is_not_finished),
	TEST(finish_can_fail_the_turn),
	TEST(no_connection_is_an_error_that_sticks),
	TEST(harness_has_no_connection),
};

TAP_MAIN(tests)
