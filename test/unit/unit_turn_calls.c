/* turn_send.c, turn_state.c, turn_message.c: what callbacks can do. */
#include "turn_test.h"

/* ---- replies ---- */

CALLBACK(count)
{
	int64_t n = dgen_turn_get_int64(turn, "n", 0);

	UNUSED();
	(void) dgen_turn_set_int64(turn, "n", n + 1);
	return dgen_turn_reply_int64(turn, n + 1);
}

static void
call_gets_its_reply(void)
{
	check_run(
		count, "call", "{\"n\": 41}", NULL, 0,
		"{\"committed\": true, \"set\": {\"n\": 42}, \"deleted\": [], \"reply\": 42, \"sends\": []}");
}

static void
cast_drops_the_reply(void)
{
	check_run(count, "cast", "{}", NULL, 0,
			  "{\"committed\": true, \"set\": {\"n\": 1}, \"deleted\": [], \"sends\": []}");
}

CALLBACK(reply_as_asked)
{
	const char *how = dgen_turn_arg_string(turn, "", "");

	UNUSED();
	if (strcmp(how, "double") == 0)
		return dgen_turn_reply_double(turn, -0.5);
	if (strcmp(how, "bool") == 0)
		return dgen_turn_reply_bool(turn, true);
	if (strcmp(how, "string") == 0)
		return dgen_turn_reply_string(turn, "a\"b");
	if (strcmp(how, "null") == 0)
		return dgen_turn_reply(turn, NULL, 0);
	return dgen_turn_reply(turn, "[1, 2]xx", 6);
}

static void
reply_has_any_type(void)
{
	static const char *const cases[][2] = {
		{"\"double\"", "-0.5"}, {"\"bool\"", "true"},   {"\"string\"", "\"a\\\"b\""},
		{"\"null\"", "null"},   {"\"json\"", "[1, 2]"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
	{
		char outcome[200];

		(void) snprintf(outcome, sizeof(outcome),
						"{\"committed\": true, " NOTHING ", \"reply\": %s, \"sends\": []}",
						cases[i][1]);
		check_run(reply_as_asked, "call", NULL, cases[i][0], 0, outcome);
	}
}

CALLBACK(reply_twice)
{
	UNUSED();
	(void) dgen_turn_reply_int64(turn, 1);
	(void) dgen_turn_reply_int64(turn, 2);
	return 0;
}

static void
replying_twice_is_an_error(void)
{
	check_run(reply_twice, "call", NULL, NULL, DGEN_ESTATE,
			  FAILED "\"error\", \"error\": \"the turn has replied already\"}");
	check_run(reply_twice, "cast", NULL, NULL, DGEN_ESTATE,
			  FAILED "\"error\", \"error\": \"the turn has replied already\"}");
}

CALLBACK(keep_open)
{
	UNUSED();
	if (strcmp(dgen_turn_kind(turn), "call") == 0)
		return dgen_turn_set_int64(turn, "waiting", dgen_turn_message_id(turn));
	(void) dgen_turn_send_reply(turn, dgen_turn_get_int64(turn, "waiting", 0), "\"late\"",
								DGEN_STRLEN);
	return dgen_turn_delete(turn, "waiting");
}

static void
call_may_be_answered_by_a_later_turn(void)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "cart", .handle_cast = keep_open};
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", NULL) == 0)
	{
		CHECK(dgen_test_run(test, "call", NULL) == 0);
		CHECK_TEXT(
			dgen_test_outcome(test),
			"{\"committed\": true, \"set\": {\"waiting\": 1}, \"deleted\": [], \"sends\": []}");
		CHECK(dgen_test_run(test, "cast", NULL) == 0);
		CHECK_TEXT(dgen_test_outcome(test),
				   "{\"committed\": true, \"set\": {}, \"deleted\": [\"waiting\"],"
				   " \"replies\": [{\"request\": 1, \"reply\": \"late\"}], \"sends\": []}");
	}
	dgen_test_close(test);
}

CALLBACK(answer_itself_twice)
{
	UNUSED();
	(void) dgen_turn_send_reply(turn, dgen_turn_message_id(turn), "1", 1);
	return dgen_turn_reply_int64(turn, 2);
}

static void
send_reply_to_the_own_call_is_a_reply(void)
{
	check_run(answer_itself_twice, "call", NULL, NULL, DGEN_ESTATE,
			  FAILED "\"error\", \"error\": \"the turn has replied already\"}");
}

/* Fails what is asked for, with the error and SQLSTATE that are. */
CALLBACK(fail_a_request)
{
	int64_t request = dgen_turn_arg_int64(turn, "/request", dgen_turn_message_id(turn));

	UNUSED();
	if (dgen_turn_arg_bool(turn, "/reply", false))
		(void) dgen_turn_reply_int64(turn, 1);
	(void) dgen_turn_set_int64(turn, "a", 1);
	return dgen_turn_fail_request(turn, request, dgen_turn_arg_string(turn, "/error", NULL),
								  dgen_turn_arg_string(turn, "/sqlstate", NULL));
}

#define FAILS \
	"{\"committed\": true, \"set\": {\"a\": 1}, \"deleted\": [], \"replies\": [{\"request\": "

static void
request_of_an_earlier_turn_may_be_failed(void)
{
	check_run(fail_a_request, "cast", "{}",
			  "{\"request\": 7, \"error\": \"sold out\", \"sqlstate\": \"P0042\"}", 0,
			  FAILS "7, \"error\": \"sold out\", \"sqlstate\": \"P0042\"}], \"sends\": []}");
	check_run(fail_a_request, "cast", "{}", "{\"request\": 7, \"sqlstate\": \"p0042\"}", 0,
			  FAILS "7, \"error\": \"unspecified error\", \"sqlstate\": \"ZD400\"}], "
					"\"sends\": []}");
	check_run(fail_a_request, "cast", "{}", "{\"request\": -1}", DGEN_EINVAL,
			  FAILED "\"error\", \"error\": \"request is -1\"}");
}

static void
failing_the_own_call_is_its_reply(void)
{
	check_run(fail_a_request, "call", "{}", "{\"error\": \"no\"}", 0,
			  FAILS "1, \"error\": \"no\", \"sqlstate\": \"ZD400\"}], \"sends\": []}");
	check_run(fail_a_request, "call", "{}", "{\"reply\": true}", DGEN_ESTATE,
			  FAILED "\"error\", \"error\": \"the turn has replied already\"}");
}

CALLBACK(fail_with_bad_text)
{
	UNUSED();
	return dgen_turn_fail_request(turn, 7, "a\xff", "ZD400");
}

static void
error_of_a_request_is_made_utf8(void)
{
	check_run(fail_with_bad_text, "cast", "{}", NULL, 0,
			  "{\"committed\": true, " NOTHING ", \"replies\": [{\"request\": 7, "
			  "\"error\": \"a?\", \"sqlstate\": \"ZD400\"}], \"sends\": []}");
	CHECK(dgen_turn_fail_request(NULL, 1, "no", NULL) == DGEN_EINVAL);
}

/* ---- sends ---- */

CALLBACK(send_much)
{
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;

	UNUSED();
	options.delay_ms = 5;
	options.priority = -3;
	options.idempotency_key = "once";
	options.headers = "{\"h\": 1}";
	(void) dgen_turn_cast(turn, "a", "1", "[1]zzz", 3, &options);
	return dgen_turn_request(turn, "b", "2", "{}", DGEN_STRLEN, "c", NULL);
}

static void
sends_carry_their_options(void)
{
	check_run(
		send_much, "cast", NULL, NULL, 0,
		"{\"committed\": true, " NOTHING
		", \"sends\": [{\"kind\": \"cast\", \"type\": \"a\", \"key\": \"1\","
		" \"message\": [1], \"delay_ms\": 5, \"priority\": -3, \"idempotency_key\": \"once\", \"headers\": {\"h\": 1}},"
		" {\"kind\": \"request\", \"type\": \"b\", \"key\": \"2\", \"message\": {}, \"correlation\": \"c\"}]}");
}

CALLBACK(send_without_size)
{
	dgen_send_options options = {0};

	UNUSED();
	(void) dgen_turn_cast(turn, "a", "1", "1", 1, NULL);
	return dgen_turn_cast(turn, "a", "1", "1", 1, &options);
}

static void
failed_turn_sends_nothing(void)
{
	check_run(send_without_size, "cast", NULL, NULL, DGEN_EINVAL,
			  FAILED "\"error\", \"error\": \"the size of dgen_send_options is 0\"}");
}

/* ---- the state ---- */

CALLBACK(use_each_type)
{
	UNUSED();
	CHECK(dgen_turn_get_double(turn, "d", 0) < 1.51 && dgen_turn_get_double(turn, "d", 0) > 1.49);
	CHECK(dgen_turn_get_bool(turn, "b", false));
	CHECK_TEXT(dgen_turn_get_string(turn, "s", ""), "text \xe2\x82\xac");
	CHECK_TEXT(dgen_turn_get_string(turn, "none", "absent"), "absent");
	CHECK_TEXT(dgen_turn_get(turn, "d", NULL), "1.5");
	(void) dgen_turn_set_double(turn, "d", 0.1);
	(void) dgen_turn_set_bool(turn, "b", false);
	(void) dgen_turn_set_string(turn, "s", "\"");
	return dgen_turn_set(turn, "j", " [1] ", DGEN_STRLEN);
}

static void
entries_have_any_type(void)
{
	check_run(
		use_each_type, "cast", "{\"d\": 1.5, \"b\": true, \"s\": \"text \\u20ac\"}", NULL, 0,
		"{\"committed\": true, \"set\": {\"d\": 0.1, \"b\": false, \"s\": \"\\\"\", \"j\": [1]}, \"deleted\": [], \"sends\": []}");
}

CALLBACK(use_whole_state)
{
	size_t bytes = 0;
	const char *first = dgen_turn_state(turn, &bytes);
	const char *second = dgen_turn_state(turn, NULL);

	UNUSED();
	CHECK(first == second && first != NULL && bytes == strlen(first));
	(void) dgen_turn_set_state(turn, first, bytes);
	(void) dgen_turn_set_int64(turn, "c", 3);
	CHECK_TEXT(dgen_turn_state(turn, NULL), "{\"a\": 1, \"b\": 2, \"c\": 3}");
	return dgen_turn_set_state(turn, " {\"b\": 2, \"x\": {}} ", DGEN_STRLEN);
}

static void
whole_state_can_be_had_and_replaced(void)
{
	check_run(use_whole_state, "cast", "{\"a\": 1, \"b\": 2}", NULL, 0,
			  "{\"committed\": true, \"set\": {\"x\": {}}, \"deleted\": [\"a\"], \"sends\": []}");
}

CALLBACK(scan_items)
{
	const char *name = NULL;
	const char *value;
	size_t bytes;
	int64_t sum = 0;

	UNUSED();
	while ((value = dgen_turn_scan(turn, "item:", &name, &bytes)) != NULL)
	{
		sum += dgen_turn_get_int64(turn, name, 0);
		CHECK(strlen(value) == bytes);
	}
	return dgen_turn_reply_int64(turn, sum);
}

static void
scan_finds_what_begins_with_the_prefix(void)
{
	check_run(scan_items, "call", "{\"item:1\": 10, \"item:2\": 20, \"item\": 1, \"jtem\": 2}",
			  NULL, 0, "{\"committed\": true, " NOTHING ", \"reply\": 30, \"sends\": []}");
}

CALLBACK(keep_texts)
{
	const char *name = dgen_turn_get_string(turn, "name", "");
	const char *arg = dgen_turn_arg_string(turn, "/to", "");

	UNUSED();
	(void) dgen_turn_set_string(turn, "name", arg);
	(void) dgen_turn_delete(turn, "name");
	(void) dgen_turn_set_string(turn, "from", name);
	return dgen_turn_set_string(turn, "to", arg);
}

static void
strings_live_as_long_as_the_turn(void)
{
	check_run(
		keep_texts, "cast", "{\"name\": \"old\"}", "{\"to\": \"new\"}", 0,
		"{\"committed\": true, \"set\": {\"from\": \"old\", \"to\": \"new\"}, \"deleted\": [\"name\"], \"sends\": []}");
}

/* ---- the message ---- */

CALLBACK(read_message)
{
	UNUSED();
	CHECK_TEXT(message, "{\"a\": {\"b\": [1, 2.5, true, \"x\", null]}}");
	CHECK(length == strlen(message));
	CHECK(dgen_turn_arg_int64(turn, "/a/b/0", 0) == 1);
	CHECK(dgen_turn_arg_double(turn, "/a/b/1", 0) > 2.4);
	CHECK(dgen_turn_arg_bool(turn, "/a/b/2", false));
	CHECK_TEXT(dgen_turn_arg_string(turn, "/a/b/3", ""), "x");
	CHECK(dgen_turn_arg_int64(turn, "/a/c", 5) == 5);
	CHECK(dgen_turn_arg_string(turn, "/a/b/9", NULL) == NULL);
	CHECK(dgen_turn_error(turn) == 0);
	CHECK(dgen_turn_arg_int64(turn, "/a/b/4", 5) == 5 && dgen_turn_error(turn) == DGEN_ETYPE);
	return 0;
}

static void
args_come_by_pointer(void)
{
	check_run(
		read_message, "cast", NULL, "{\"a\": {\"b\": [1, 2.5, true, \"x\", null]}}", DGEN_ETYPE,
		FAILED
		"\"error\", \"error\": \"message \\\"/a/b/4\\\" is not an integer of 64 bits: null\"}");
}

CALLBACK(tell_about_the_turn)
{
	UNUSED();
	CHECK_TEXT(dgen_turn_actor_type(turn), "cart");
	CHECK_TEXT(dgen_turn_actor_key(turn), "k");
	CHECK_TEXT(dgen_turn_kind(turn), "reply");
	CHECK_TEXT(dgen_turn_correlation(turn), "order 5");
	CHECK(dgen_turn_message_id(turn) == 1 && dgen_turn_attempt(turn) == 1 &&
		  dgen_turn_in_reply_to(turn) > 0);
	CHECK(dgen_turn_version(turn) == 1 && dgen_turn_headers(turn) == NULL);
	return dgen_turn_set_string(
		turn, "error", dgen_turn_reply_error(turn) != NULL ? dgen_turn_reply_error(turn) : "none");
}

static void
reply_has_correlation_and_error(void)
{
	dgen_actor_type type = {
		.size = sizeof(type), .name = "cart", .handle_reply = tell_about_the_turn};
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", "{}") == 0)
	{
		CHECK(dgen_test_run_reply(test, "order 5", NULL, "sold out") == 0);
		CHECK_TEXT(dgen_test_state(test), "{\"error\": \"sold out\"}");
	}
	dgen_test_close(test);
}

static const tap_test tests[] = {
	TEST(call_gets_its_reply),
	TEST(cast_drops_the_reply),
	TEST(reply_has_any_type),
	TEST(replying_twice_is_an_error),
	TEST(call_may_be_answered_by_a_later_turn),
	TEST(send_reply_to_the_own_call_is_a_reply),
	TEST(request_of_an_earlier_turn_may_be_failed),
	TEST(failing_the_own_call_is_its_reply),
	TEST(error_of_a_request_is_made_utf8),
	TEST(sends_carry_their_options),
	TEST(failed_turn_sends_nothing),
	TEST(entries_have_any_type),
	TEST(whole_state_can_be_had_and_replaced),
	TEST(scan_finds_what_begins_with_the_prefix),
	TEST(strings_live_as_long_as_the_turn),
	TEST(args_come_by_pointer),
	TEST(reply_has_correlation_and_error),
};

TAP_MAIN(tests)
