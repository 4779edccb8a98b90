/* json.c and json_string.c: checking, finding, walking, strings. */
#include "tap.h"

static int
check(const char *text)
{
	return dgen_json_check(text, DGEN_STRLEN);
}

static void
valid_json_passes(void)
{
	static const char *const valid[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"1",
		"-1.5e+10",
		"1E-2",
		"0.5",
		"\"\"",
		"\"a\"",
		"[]",
		"{}",
		" [ 1 , 2 ] ",
		"{\"a\":1,\"b\":[{}]}",
		"\t\r\n1\n",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\\ud83d\\ude00\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"\"\x7f\"",
		"[[[[[]]]]]",
		"\"\\u0000\"",
		"{\"\":0}",
		"{\"a\":1,\"a\":2}",
		"123456789012345678901234567890",
		"\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"",
	};

	for (size_t i = 0; i < COUNT(valid); i++)
		if (!CHECK(check(valid[i]) == 0))
			printf("#   %s\n", valid[i]);
}

static void
invalid_json_does_not_pass(void)
{
	static const char *const invalid[] = {
		"",
		" ",
		"nul",
		"nulll",
		"True",
		"01",
		"-",
		"+1",
		"1.",
		".5",
		"1e",
		"1e+",
		"0x1",
		"1 2",
		"--1",
		"-a",
		"00",
		"1.e1",
		"[",
		"]",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1}",
		"{",
		"}",
		"{]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{1:1}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1]",
		"\"",
		"\"a",
		"'a'",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u12g4\"",
		"\"\n\"",
		"\"\t\"",
		"\"\x01\"",
		"\"\\",
		"\"\\u",
		"NaN",
		"Infinity",
		"[1]]",
		"{}{}",
		"\"a\"b",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\\ud800x\"",
		"\"\\ud800\\n\"",
		"\"\\ud800\\ue000\"",
		"\"\\ud800\\ud800\"",
		"\v1",
		"\xef\xbb\xbf{}",
		"// c\n1",
		"[1]//",
	};

	for (size_t i = 0; i < COUNT(invalid); i++)
		if (!CHECK(check(invalid[i]) == DGEN_EJSON))
			printf("#   %s\n", invalid[i]);
}

static void
invalid_utf8_does_not_pass(void)
{
	static const char *const invalid[] = {
		"\"\x80\"",
		"\"\xc3\"",
		"\"\xc0\x80\"",
		"\"\xc1\xbf\"",
		"\"\xe0\x80\x80\"",
		"\"\xe0\x9f\xbf\"",
		"\"\xed\xa0\x80\"",
		"\"\xed\xbf\xbf\"",
		"\"\xf0\x80\x80\x80\"",
		"\"\xf0\x8f\xbf\xbf\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xf5\x80\x80\x80\"",
		"\"\xff\"",
		"\"\xe2\x82\"",
		"\"\xe2\x28\xa1\"",
		"\"\xf0\x9f\x98\"",
		"\"\xf0\x9f\x28\x80\"",
		"\xc3\xa9",
		"{\"\x80\":1}",
	};

	for (size_t i = 0; i < COUNT(invalid); i++)
	{
		CHECK(check(invalid[i]) == DGEN_EJSON);
		CHECK(dgen__utf8_valid(invalid[i], strlen(invalid[i])) ==
			  (strcmp(invalid[i], "\xc3\xa9") == 0));
	}
}

static void
length_ends_the_text(void)
{
	CHECK(dgen_json_check("12x", 2) == 0);
	CHECK(dgen_json_check("\"ab\"", 3) == DGEN_EJSON);
	CHECK(dgen_json_check("\"\xe2\x82\xac\"", 3) == DGEN_EJSON);
	CHECK(dgen_json_check("\"\\u0041\"", 5) == DGEN_EJSON);
	CHECK(dgen_json_check("", 0) == DGEN_EJSON);
	CHECK(dgen_json_check("1\0", 2) == DGEN_EJSON);
	CHECK(dgen_json_check(NULL, 0) == DGEN_EINVAL);
}

/* depth levels of text around inner; memory of the caller. */
static char *
nested(size_t depth, const char *open, const char *inner, const char *close)
{
	size_t size = depth * (strlen(open) + strlen(close)) + strlen(inner) + 1;
	char *text = malloc(size);
	char *next = text;

	for (size_t i = 0; i < depth; i++)
		next = strcpy(next, open) + strlen(open);
	next = strcpy(next, inner) + strlen(inner);
	for (size_t i = 0; i < depth; i++)
		next = strcpy(next, close) + strlen(close);
	return text;
}

static void
depth_is_limited(void)
{
	static const struct
	{
		size_t depth;
		int rc;
	} cases[] = {{DGEN__JSON_DEPTH, 0}, {DGEN__JSON_DEPTH + 1, DGEN_EJSON}, {1000000, DGEN_EJSON}};

	for (size_t i = 0; i < COUNT(cases); i++)
	{
		char *arrays = nested(cases[i].depth, "[", "", "]");
		char *objects = nested(cases[i].depth, "{\"a\":", "1", "}");

		CHECK(check(arrays) == cases[i].rc);
		CHECK(check(objects) == cases[i].rc);
		free(arrays);
		free(objects);
	}
}

/* ---- finding ---- */

/* What is found, or the code, as text. Lives until the next call. */
static const char *
find(const char *text, const char *pointer)
{
	static char found[200];
	dgen_json value = {0};
	int rc = dgen_json_find(text, DGEN_STRLEN, pointer, &value);

	if (rc == DGEN_ENOTFOUND)
		return "ENOTFOUND";
	if (rc == DGEN_EJSON)
		return "EJSON";
	if (rc == DGEN_EINVAL)
		return "EINVAL";
	(void) snprintf(found, sizeof(found), "%.*s", (int) value.length, value.text);
	return found;
}

/* The example of RFC 6901, section 5. */
static void
find_follows_the_rfc(void)
{
	static const char text[] =
		"{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, \"e^f\": 3,"
		" \"g|h\": 4, \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, \"m~n\": 8}";

	CHECK_TEXT(find(text, ""), text);
	CHECK_TEXT(find(text, "/foo"), "[\"bar\", \"baz\"]");
	CHECK_TEXT(find(text, "/foo/0"), "\"bar\"");
	CHECK_TEXT(find(text, "/"), "0");
	CHECK_TEXT(find(text, "/a~1b"), "1");
	CHECK_TEXT(find(text, "/c%d"), "2");
	CHECK_TEXT(find(text, "/e^f"), "3");
	CHECK_TEXT(find(text, "/g|h"), "4");
	CHECK_TEXT(find(text, "/i\\j"), "5");
	CHECK_TEXT(find(text, "/k\"l"), "6");
	CHECK_TEXT(find(text, "/ "), "7");
	CHECK_TEXT(find(text, "/m~0n"), "8");
}

static void
find_goes_deep(void)
{
	static const char text[] =
		" {\"items\": [{\"price\": 5}, {\"price\": [1, 2, {\"x\": \"y\"}]}]} ";

	CHECK_TEXT(find(text, "/items/1/price/2/x"), "\"y\"");
	CHECK_TEXT(find(text, "/items/0/price"), "5");
	CHECK_TEXT(find(text, "/items/0/price/0"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/items/2"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/items/price"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/item"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/items2"), "ENOTFOUND");
	CHECK_TEXT(find("  7 ", ""), "7");
}

static void
array_index_is_a_plain_number(void)
{
	static const char text[] = "[[10, 11], 1]";

	CHECK_TEXT(find(text, "/0/1"), "11");
	CHECK_TEXT(find(text, "/00"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/-"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/-1"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/1a"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/"), "ENOTFOUND");
	CHECK_TEXT(find(text, "/99999999999999999999999999"), "ENOTFOUND");
	CHECK_TEXT(find("[]", "/0"), "ENOTFOUND");
}

static void
names_are_compared_without_escapes(void)
{
	CHECK_TEXT(find("{\"\\u00e9\": 1}", "/\xc3\xa9"), "1");
	CHECK_TEXT(find("{\"\\ud83d\\ude00\": 1}", "/\xf0\x9f\x98\x80"), "1");
	CHECK_TEXT(find("{\"a\\/b\": 1}", "/a~1b"), "1");
	CHECK_TEXT(find("{\"ab\": 1}", "/a"), "ENOTFOUND");
	CHECK_TEXT(find("{\"a\": 1}", "/ab"), "ENOTFOUND");
	CHECK_TEXT(find("{\"a\\u0000b\": 1}", "/a"), "ENOTFOUND");
}

static void
last_of_equal_names_counts(void)
{
	CHECK_TEXT(find("{\"a\": 1, \"b\": 0, \"a\": 2}", "/a"), "2");
	CHECK_TEXT(find("{\"a\": {\"b\": 1}, \"a\": 2}", "/a/b"), "ENOTFOUND");
}

static void
find_tells_bad_text_and_bad_pointer(void)
{
	dgen_json value;

	CHECK_TEXT(find("{\"a\": 1", "/a"), "EJSON");
	CHECK_TEXT(find("{\"a\": tru}", "/b"), "EJSON");
	CHECK_TEXT(find("[1 2]", "/1"), "EJSON");
	CHECK_TEXT(find("1 1", ""), "EJSON");
	CHECK_TEXT(find("x", "/a"), "EJSON");
	CHECK_TEXT(find("", ""), "EJSON");
	CHECK_TEXT(find("{}", "a"), "EINVAL");
	CHECK_TEXT(find("{}", "/~2"), "EINVAL");
	CHECK_TEXT(find("{}", "/~"), "EINVAL");
	CHECK(dgen_json_find(NULL, 0, "", &value) == DGEN_EINVAL);
	CHECK(dgen_json_find("1", 1, NULL, &value) == DGEN_EINVAL);
	CHECK(dgen_json_find("1", 1, "", NULL) == DGEN_EINVAL);
}

/* ---- strings and truth values ---- */

static long
string(const char *json, char *buffer, size_t size)
{
	dgen_json value = {json, strlen(json)};

	return dgen_json_string(&value, buffer, size);
}

static void
string_loses_quotes_and_escapes(void)
{
	char text[50];

	CHECK(string("\"\"", text, sizeof(text)) == 0 && *text == '\0');
	CHECK(string("\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", text, sizeof(text)) == 9);
	CHECK_TEXT(text, "a\n\t\"\\/\b\f\r");
	CHECK(string("\"\\u0041\\u00E9\\u20ac\\uD83D\\uDE00\"", text, sizeof(text)) == 10);
	CHECK_TEXT(text, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void
string_is_cut_at_a_character(void)
{
	char text[50];

	CHECK(string("\"ab\"", NULL, 0) == 2);
	CHECK(string("\"abc\"", text, 3) == 3);
	CHECK_TEXT(text, "ab");
	CHECK(string("\"a\\u20acb\"", text, 4) == 5);
	CHECK_TEXT(text, "a");
	CHECK(string("\"a\\u20acb\"", text, 1) == 5);
	CHECK_TEXT(text, "");
}

static void
what_is_no_string_is_another_type(void)
{
	static const char *const others[] = {
		"1",        "null",        "[\"a\"]",  "\"",     "",      "\"a", "\"a\\u0000\"",
		"\"a\"b\"", "\"\\ud800\"", "\"\x80\"", "\"\\\"", "\"\n\""};
	dgen_json none = {NULL, 0};

	for (size_t i = 0; i < COUNT(others); i++)
		if (!CHECK(string(others[i], NULL, 0) == DGEN_ETYPE))
			printf("#   %s\n", others[i]);
	CHECK(dgen_json_string(NULL, NULL, 0) == DGEN_EINVAL);
	CHECK(dgen_json_string(&none, NULL, 0) == DGEN_EINVAL);
	CHECK(string("\"a\"", NULL, 5) == DGEN_EINVAL);
}

static void
quote_makes_a_string(void)
{
	char text[50];
	char byte[] = "a";

	CHECK(dgen_json_quote("", 0, text, sizeof(text)) == 2);
	CHECK_TEXT(text, "\"\"");
	CHECK(dgen_json_quote("a\"\\/\n\x01\xc3\xa9rest", 9 - 1, text, sizeof(text)) == 19 - 1);
	CHECK_TEXT(text, "\"a\\\"\\\\/\\n\\u0001\xc3\xa9\"");
	for (int c = 1; c < 128; c++)
	{
		byte[0] = (char) c;
		CHECK(dgen_json_quote(byte, DGEN_STRLEN, text, sizeof(text)) == (long) strlen(text) &&
			  check(text) == 0 && string(text, byte, sizeof(byte)) == 1 && byte[0] == (char) c);
	}
}

static void
quote_that_does_not_fit_is_cut(void)
{
	char text[50];

	CHECK(dgen_json_quote("a\xc3\xa9\n", DGEN_STRLEN, NULL, 0) == 7);
	CHECK(dgen_json_quote("a\xc3\xa9\n", DGEN_STRLEN, text, 8) == 7);
	CHECK_TEXT(text, "\"a\xc3\xa9\\n\"");
	CHECK(dgen_json_quote("a\xc3\xa9\n", DGEN_STRLEN, text, 7) == 7);
	CHECK_TEXT(text, "\"a\xc3\xa9\\n");
	CHECK(dgen_json_quote("a\xc3\xa9\n", DGEN_STRLEN, text, 6) == 7);
	CHECK_TEXT(text, "\"a\xc3\xa9");
	CHECK(dgen_json_quote("a\xc3\xa9\n", DGEN_STRLEN, text, 4) == 7);
	CHECK_TEXT(text, "\"a");
	CHECK(dgen_json_quote("a", 1, text, 1) == 3);
	CHECK_TEXT(text, "");
}

static void
quote_takes_only_utf8_without_nul(void)
{
	char text[] = "unchanged";

	CHECK(dgen_json_quote("a\xff", DGEN_STRLEN, text, sizeof(text)) == DGEN_EJSON);
	CHECK_TEXT(text, "");
	CHECK(dgen_json_quote("a\xc3\xa9", 2, NULL, 0) == DGEN_EJSON);
	CHECK(dgen_json_quote("a\0b", 3, NULL, 0) == DGEN_EJSON);
	CHECK(dgen_json_quote(NULL, 0, text, sizeof(text)) == DGEN_EINVAL);
	CHECK(dgen_json_quote("a", 1, NULL, 5) == DGEN_EINVAL);
}

static void
bool_is_true_or_false(void)
{
	static const char *const others[] = {"1", "null", "\"true\"", "tru", "truee", ""};
	bool truth = false;
	dgen_json value = {"true", 4};

	CHECK(dgen_json_bool(&value, &truth) == 0 && truth);
	value = (dgen_json){"false", 5};
	CHECK(dgen_json_bool(&value, &truth) == 0 && !truth);
	for (size_t i = 0; i < COUNT(others); i++)
	{
		value = (dgen_json){others[i], strlen(others[i])};
		CHECK(dgen_json_bool(&value, &truth) == DGEN_ETYPE);
	}
	CHECK(dgen_json_bool(NULL, &truth) == DGEN_EINVAL &&
		  dgen_json_bool(&value, NULL) == DGEN_EINVAL);
}

static void
added_string_reads_back(void)
{
	static const char original[] = "plain \"quoted\" \\ / \b\f\n\r\t\v\x01\x1f\x7f \xe2\x82\xac";
	dgen__buffer json = {0};
	char text[100];

	dgen__json_add_string(&json, original, strlen(original));
	if (CHECK(!json.failed))
	{
		CHECK(check(json.data) == 0);
		CHECK(string(json.data, text, sizeof(text)) == (long) strlen(original));
		CHECK_TEXT(text, original);
	}
	dgen__buffer_free(&json);
}

/* ---- walking ---- */

/* "name=value;" for each member. */
static void
walk_all(const char *text, char open, dgen__buffer *found)
{
	dgen__json_walk walk;
	dgen_json name = {"", 0};
	dgen_json value;

	if (dgen__json_walk_begin(&walk, text, strlen(text), open) != 0)
		dgen__buffer_puts(found, "ETYPE");
	else
		while (dgen__json_walk_next(&walk, &name, &value))
			dgen__buffer_printf(found, "%.*s=%.*s;", (int) name.length, name.text,
								(int) value.length, value.text);
}

static void
walk_visits_each_member(void)
{
	static const char *const cases[][2] = {
		{" {\"a\": 1, \"b\\\"}\":[1, {\"x\":\"]\"}] ,\"\" : \"s,\" } ",
		 "\"a\"=1;\"b\\\"}\"=[1, {\"x\":\"]\"}];\"\"=\"s,\";"},
		{"{}", ""},
		{"{ }", ""},
		{"[]", "ETYPE"},
		{"", "ETYPE"},
		{"{\"a\":{}}", "\"a\"={};"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
	{
		dgen__buffer found = {0};

		walk_all(cases[i][0], '{', &found);
		CHECK_TEXT(found.data != NULL ? found.data : "", cases[i][1]);
		dgen__buffer_free(&found);
	}
}

static void
walk_visits_each_element(void)
{
	dgen__buffer found = {0};

	walk_all("[1,[2,3], \"a,]\" ,{\"b\":null}]", '[', &found);
	CHECK_TEXT(found.data, "=1;=[2,3];=\"a,]\";={\"b\":null};");
	dgen__buffer_free(&found);
}

/* It is for valid text; with other text it has to stay inside and come to an end. */
static void
walk_of_bad_text_ends(void)
{
	static const char *const bad[] = {"{",       "{\"",       "{\"a",        "{\"a\"",
									  "{\"a\":", "{\"a\":[",  "{\"a\":\"\\", "{,",
									  "{:",      "{\"a\":1,", "{1"};

	for (size_t i = 0; i < COUNT(bad); i++)
	{
		dgen__buffer found = {0};
		char *exact = malloc(strlen(bad[i]));

		memcpy(exact, bad[i], strlen(bad[i]));
		walk_all(bad[i], '{', &found);
		CHECK(found.length < 20);
		free(exact);
		dgen__buffer_free(&found);
	}
}

static const tap_test tests[] = {
	TEST(valid_json_passes),
	TEST(invalid_json_does_not_pass),
	TEST(invalid_utf8_does_not_pass),
	TEST(length_ends_the_text),
	TEST(depth_is_limited),
	TEST(find_follows_the_rfc),
	TEST(find_goes_deep),
	TEST(array_index_is_a_plain_number),
	TEST(names_are_compared_without_escapes),
	TEST(last_of_equal_names_counts),
	TEST(find_tells_bad_text_and_bad_pointer),
	TEST(string_loses_quotes_and_escapes),
	TEST(string_is_cut_at_a_character),
	TEST(what_is_no_string_is_another_type),
	TEST(quote_makes_a_string),
	TEST(quote_that_does_not_fit_is_cut),
	TEST(quote_takes_only_utf8_without_nul),
	TEST(bool_is_true_or_false),
	TEST(added_string_reads_back),
	TEST(walk_visits_each_member),
	TEST(walk_visits_each_element),
	TEST(walk_of_bad_text_ends),
};

TAP_MAIN(tests)
