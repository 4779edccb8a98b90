/* state.c: entries, undo, diff. */
#include "tap.h"

/* NULL when memory is out. */
static dgen__state *
state_of(const char *json)
{
	dgen__state *state;

	return dgen__state_parse(&state, json, strlen(json)) == 0 ? state : NULL;
}

static int
set(dgen__state *state, const char *name, const char *json)
{
	return dgen__state_set(state, name, json, strlen(json));
}

static int
replace(dgen__state *state, const char *json)
{
	return dgen__state_replace(state, json, strlen(json));
}

static void
check_json(dgen__state *state, const char *wanted)
{
	dgen__buffer json = {0};

	(void) dgen__state_json(state, &json);
	CHECK_TEXT(json.data, wanted);
	dgen__buffer_free(&json);
}

/* wanted is set and deleted, one behind the other. */
static void
check_diff(dgen__state *state, const char *wanted)
{
	dgen__buffer all = {0};
	dgen__buffer deleted = {0};

	CHECK(dgen__state_diff(state, &all, &deleted) == (*wanted != '\0'));
	CHECK(dgen__state_changed(state) == (*wanted != '\0'));
	if (deleted.data != NULL)
		dgen__buffer_puts(&all, deleted.data);
	CHECK_TEXT(all.data != NULL ? all.data : "", wanted);
	dgen__buffer_free(&all);
	dgen__buffer_free(&deleted);
}

static void
only_an_object_is_a_state(void)
{
	dgen__state *state;

	CHECK(dgen__state_parse(&state, "[]", 2) == DGEN_EJSON && state == NULL);
	CHECK(dgen__state_parse(&state, "", 0) == DGEN_EJSON && state == NULL);
	CHECK(dgen__state_parse(&state, "1", 1) == DGEN_EJSON && state == NULL);
	dgen__state_free(NULL);
}

static void
get_finds_each_entry(void)
{
	dgen__state *state =
		state_of(" { \"b\" : [1, 2] , \"a\":\"x\", \"\" : null, \"\\u00e9\\n\": {\"y\": 1}} ");
	size_t length = 0;

	if (state == NULL)
		return;
	CHECK_TEXT(dgen__state_get(state, "b", &length), "[1, 2]");
	CHECK(length == 6);
	CHECK_TEXT(dgen__state_get(state, "a", NULL), "\"x\"");
	CHECK_TEXT(dgen__state_get(state, "", NULL), "null");
	CHECK_TEXT(dgen__state_get(state, "\xc3\xa9\n", NULL), "{\"y\": 1}");
	CHECK(dgen__state_get(state, "c", NULL) == NULL);
	dgen__state_free(state);
}

static void
last_of_equal_names_counts(void)
{
	dgen__state *state = state_of("{\"b\": 0, \"a\": 1, \"a\": 2, \"\\u0061\": 3}");

	if (state == NULL)
		return;
	CHECK_TEXT(dgen__state_get(state, "a", NULL), "3");
	check_json(state, "{\"a\": 3, \"b\": 0}");
	dgen__state_free(state);
}

static void
untouched_state_is_its_text(void)
{
	dgen__state *state = state_of("{\"b\":1,\"a\":2}");

	if (state == NULL)
		return;
	check_json(state, "{\"b\":1,\"a\":2}");
	check_diff(state, "");
	CHECK(dgen__state_load(state) == 0);
	check_json(state, "{\"a\": 2, \"b\": 1}");
	dgen__state_free(state);
}

static void
set_and_delete_show_at_once(void)
{
	dgen__state *state = state_of("{}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	CHECK(set(state, "b", "1") == 0 && set(state, "a", "2") == 0 && set(state, "b", "3") == 0);
	check_json(state, "{\"a\": 2, \"b\": 3}");
	CHECK(dgen__state_delete(state, "a") == 0 && dgen__state_delete(state, "none") == 0);
	CHECK(dgen__state_get(state, "a", NULL) == NULL);
	check_json(state, "{\"b\": 3}");
	dgen__state_keep_turn(state);
	dgen__state_free(state);
}

static void
empty_state_is_an_empty_object(void)
{
	dgen__state *state = state_of("{\"a\": 1}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	CHECK(dgen__state_delete(state, "a") == 0);
	check_json(state, "{}");
	dgen__state_keep_turn(state);
	check_diff(state, "[\"a\"]");
	dgen__state_free(state);
}

static void
undo_brings_everything_back(void)
{
	dgen__state *state = state_of("{\"a\": 1, \"b\": 2}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	(void) set(state, "a", "10");
	(void) set(state, "a", "11");
	(void) dgen__state_delete(state, "b");
	(void) set(state, "c", "3");
	dgen__state_undo_turn(state);
	CHECK(dgen__state_load(state) == 0);
	check_json(state, "{\"a\": 1, \"b\": 2}");
	check_diff(state, "");
	dgen__state_free(state);
}

static void
undo_leaves_the_turns_before(void)
{
	dgen__state *state = state_of("{\"a\": 1, \"b\": 2}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	(void) set(state, "a", "10");
	(void) dgen__state_delete(state, "b");
	dgen__state_keep_turn(state);
	dgen__state_begin_turn(state);
	(void) set(state, "a", "20");
	(void) set(state, "b", "21");
	(void) set(state, "c", "22");
	dgen__state_undo_turn(state);
	check_json(state, "{\"a\": 10}");
	check_diff(state, "{\"a\": 10}[\"b\"]");
	dgen__state_free(state);
}

static void
diff_is_against_the_server(void)
{
	dgen__state *state = state_of("{\"a\": 1, \"b\": 2, \"c\": 3}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	(void) set(state, "a", "5");
	(void) set(state, "new", "6");
	(void) dgen__state_delete(state, "b");
	dgen__state_keep_turn(state);
	check_diff(state, "{\"a\": 5, \"new\": 6}[\"b\"]");
	dgen__state_confirm(state);
	check_diff(state, "");
	check_json(state, "{\"a\": 5, \"c\": 3, \"new\": 6}");
	dgen__state_begin_turn(state);
	(void) dgen__state_delete(state, "new");
	dgen__state_keep_turn(state);
	check_diff(state, "[\"new\"]");
	dgen__state_free(state);
}

static void
what_comes_back_is_no_change(void)
{
	dgen__state *state = state_of("{\"a\": 1, \"b\": 2}");

	if (state == NULL)
		return;
	for (int turn = 0; turn < 2; turn++)
	{
		dgen__state_begin_turn(state);
		(void) set(state, "a", turn == 0 ? "5" : "1");
		(void) set(state, "c", "3");
		(void) dgen__state_delete(state, turn == 0 ? "b" : "c");
		if (turn == 1)
			(void) set(state, "b", "2");
		dgen__state_keep_turn(state);
	}
	check_diff(state, "");
	dgen__state_confirm(state);
	check_json(state, "{\"a\": 1, \"b\": 2}");
	dgen__state_free(state);
}

static void
names_in_diff_are_escaped(void)
{
	dgen__state *state = state_of("{\"q\\\"\": 1}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	(void) dgen__state_delete(state, "q\"");
	(void) set(state, "n\n\\", "1");
	dgen__state_keep_turn(state);
	check_diff(state, "{\"n\\n\\\\\": 1}[\"q\\\"\"]");
	dgen__state_free(state);
}

static void
replace_changes_what_differs(void)
{
	dgen__state *state = state_of("{\"a\": 1, \"b\": 2, \"c\": 3}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	CHECK(replace(state, "{\"d\":4, \"b\":2, \"c\":30}") == 0);
	dgen__state_keep_turn(state);
	check_json(state, "{\"b\": 2, \"c\": 30, \"d\": 4}");
	check_diff(state, "{\"c\": 30, \"d\": 4}[\"a\"]");
	dgen__state_begin_turn(state);
	CHECK(replace(state, "{}") == 0);
	dgen__state_undo_turn(state);
	check_json(state, "{\"b\": 2, \"c\": 30, \"d\": 4}");
	CHECK(replace(state, "[]") == DGEN_EJSON);
	dgen__state_free(state);
}

static void
value_may_be_the_entrys_own(void)
{
	dgen__state *state = state_of("{\"a\": [1]}");
	const char *value;

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	(void) set(state, "a", "[1, 2]");
	value = dgen__state_get(state, "a", NULL);
	if (value != NULL)
	{
		CHECK(dgen__state_set(state, "a", value + 1, 1) == 0);
		CHECK_TEXT(dgen__state_get(state, "a", NULL), "1");
	}
	dgen__state_keep_turn(state);
	dgen__state_free(state);
}

/* Names that the scan finds, each with a comma. */
static void
check_scan(dgen__state *state, const char *prefix, const char *wanted)
{
	dgen__buffer found = {0};
	const char *name = NULL;

	while (dgen__state_scan(state, prefix, &name, NULL) != NULL)
		dgen__buffer_printf(&found, "%s,", name);
	CHECK_TEXT(found.data != NULL ? found.data : "", wanted);
	dgen__buffer_free(&found);
}

static void
scan_goes_by_the_bytes_of_names(void)
{
	dgen__state *state =
		state_of("{\"b\": 1, \"a2\": 2, \"a10\": 3, \"a\": 4, \"B\": 5, \"\\u00e9\": 6, \"\": 7}");

	if (state == NULL)
		return;
	check_scan(state, "", ",B,a,a10,a2,b,\xc3\xa9,");
	check_scan(state, "a", "a,a10,a2,");
	check_scan(state, "a1", "a10,");
	check_scan(state, "c", "");
	check_scan(state, "zz", "");
	dgen__state_free(state);
}

static void
scan_begins_behind_any_name(void)
{
	dgen__state *state = state_of("{\"a1\": 1, \"a3\": 3, \"b\": 4}");
	const char *name = "a2";
	size_t length = 0;

	if (state == NULL)
		return;
	CHECK_TEXT(dgen__state_scan(state, "a", &name, &length), "3");
	CHECK(length == 1);
	CHECK_TEXT(name, "a3");
	name = "A";
	CHECK_TEXT(dgen__state_scan(state, "a", &name, NULL), "1");
	name = "b";
	CHECK(dgen__state_scan(state, "a", &name, NULL) == NULL);
	dgen__state_free(state);
}

static void
scan_lives_with_changes(void)
{
	dgen__state *state = state_of("{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}");
	dgen__buffer found = {0};
	const char *name = NULL;

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	while (dgen__state_scan(state, "", &name, NULL) != NULL)
	{
		dgen__buffer_printf(&found, "%s,", name);
		(void) dgen__state_delete(state, name);
		if (*name == 'b')
		{
			(void) dgen__state_delete(state, "c");
			(void) set(state, "e", "5");
			(void) set(state, "a0", "6");
		}
	}
	CHECK_TEXT(found.data, "a,b,d,e,");
	check_json(state, "{\"a0\": 6}");
	dgen__state_undo_turn(state);
	check_scan(state, "", "a,b,c,d,");
	dgen__buffer_free(&found);
	dgen__state_free(state);
}

static void
without_memory_nothing_changes(void)
{
	dgen__state *state = state_of("{\"a\": 1}");

	if (state == NULL)
		return;
	dgen__state_begin_turn(state);
	dgen__memory_fail_after(0, true);
	CHECK(dgen__state_load(state) == DGEN_ENOMEM);
	CHECK(dgen__state_get(state, "a", NULL) == NULL);
	CHECK(set(state, "a", "2") == DGEN_ENOMEM && set(state, "b", "2") == DGEN_ENOMEM);
	CHECK(dgen__state_delete(state, "a") == DGEN_ENOMEM);
	dgen__memory_fail_after(-1, false);
	check_diff(state, "");
	CHECK(set(state, "a", "2") == 0);
	dgen__memory_fail_after(0, true);
	CHECK(set(state, "a", "33") == DGEN_ENOMEM && set(state, "b", "2") == DGEN_ENOMEM);
	dgen__memory_fail_after(-1, false);
	check_json(state, "{\"a\": 2}");
	dgen__state_keep_turn(state);
	check_diff(state, "{\"a\": 2}");
	dgen__state_free(state);
}

/* Names that come and go, as in a queue, must not stay in memory. */
static void
deleted_names_go(void)
{
	dgen__state *state = state_of("{\"head\": 0}");
	size_t bytes = 0;
	char name[20];
	int count = tap_times(2000);

	if (state == NULL)
		return;
	for (int i = 0; i < count; i++)
	{
		dgen__state_begin_turn(state);
		(void) snprintf(name, sizeof(name), "item%d", i);
		(void) set(state, name, "\"some value\"");
		(void) snprintf(name, sizeof(name), "item%d", i - 3);
		(void) dgen__state_delete(state, name);
		dgen__state_keep_turn(state);
		dgen__state_confirm(state);
		if (i == count / 2)
			bytes = dgen__state_bytes(state);
	}
	CHECK(dgen__state_bytes(state) <= bytes + 1000);
	CHECK(dgen__state_get(state, name, NULL) == NULL);
	(void) snprintf(name, sizeof(name), "item%d", count - 3);
	CHECK(dgen__state_get(state, name, NULL) != NULL);
	dgen__state_free(state);
}

/* So, too, when turns fail and nothing is ever confirmed. */
static void
undone_names_go(void)
{
	dgen__state *state = state_of("{\"head\": 0}");
	size_t bytes = 0;
	int count = tap_times(2000);

	if (state == NULL)
		return;
	for (int i = 0; i < count; i++)
	{
		char name[20];

		dgen__state_begin_turn(state);
		(void) snprintf(name, sizeof(name), "item%d", i);
		(void) set(state, name, "1");
		dgen__state_undo_turn(state);
		if (i == count / 2)
			bytes = dgen__state_bytes(state);
	}
	CHECK(dgen__state_bytes(state) <= bytes + 1000);
	check_scan(state, "", "head,");
	dgen__state_free(state);
}

static void
bytes_follow_the_values(void)
{
	dgen__state *state = state_of("{}");
	size_t before;
	char *text = malloc(100003);

	memset(text, 'x', 100002);
	text[0] = text[100001] = '"';
	text[100002] = '\0';
	if (state != NULL)
	{
		before = dgen__state_bytes(state);
		dgen__state_begin_turn(state);
		CHECK(set(state, "big", text) == 0);
		dgen__state_keep_turn(state);
		CHECK(dgen__state_bytes(state) > before + 100000);
		dgen__state_confirm(state);
		dgen__state_begin_turn(state);
		(void) set(state, "big", "1");
		dgen__state_keep_turn(state);
		dgen__state_confirm(state);
		CHECK(dgen__state_bytes(state) < before + 5000);
	}
	free(text);
	dgen__state_free(state);
}

static const tap_test tests[] = {
	TEST(only_an_object_is_a_state),
	TEST(get_finds_each_entry),
	TEST(last_of_equal_names_counts),
	TEST(untouched_state_is_its_text),
	TEST(set_and_delete_show_at_once),
	TEST(empty_state_is_an_empty_object),
	TEST(undo_brings_everything_back),
	TEST(undo_leaves_the_turns_before),
	TEST(diff_is_against_the_server),
	TEST(what_comes_back_is_no_change),
	TEST(names_in_diff_are_escaped),
	TEST(replace_changes_what_differs),
	TEST(value_may_be_the_entrys_own),
	TEST(scan_goes_by_the_bytes_of_names),
	TEST(scan_begins_behind_any_name),
	TEST(scan_lives_with_changes),
	TEST(without_memory_nothing_changes),
	TEST(deleted_names_go),
	TEST(undone_names_go),
	TEST(bytes_follow_the_values),
};

TAP_MAIN(tests)
