/*
 * JSON: the checker against a recursive one that follows the grammar of RFC 8259 word by
 * word; find, string, numbers and walk against what the checker says.
 */
#include <math.h>

#include "fuzz.h"

const char *const fuzz_words[] = {"{",
								  "}",
								  "[",
								  "]",
								  ",",
								  ":",
								  "\"",
								  "\"a\"",
								  "\"b\":",
								  "\"a\":1,",
								  "{\"a\":",
								  "[1,",
								  "1",
								  "-",
								  "0",
								  ".5",
								  "e3",
								  "E-2",
								  "true",
								  "false",
								  "null",
								  " ",
								  "\n",
								  "\\",
								  "\\u0041",
								  "\\ud83d\\ude00",
								  "\\ue000",
								  "\\ud800",
								  "\\u0000",
								  "\\n",
								  "\xc3\xa9",
								  "\xe2\x82\xac",
								  "\xf0\x9f\x98\x80",
								  "\xed\xa0\x80",
								  "/",
								  "~0",
								  "~1",
								  "a",
								  "[]",
								  "{}",
								  "123456789012345678",
								  NULL};

/* ---- the reference: each function passes what its name says, or returns NULL ---- */

static const char *ref_value(const char *p, const char *end, int depth);

static const char *
ref_space(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n", *p) != NULL && *p != '\0')
		p++;
	return p;
}

static const char *
ref_word(const char *p, const char *end, const char *word)
{
	for (; *word != '\0'; word++, p++)
		if (p == end || *p != *word)
			return NULL;
	return p;
}

static const char *
ref_digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > from ? p : NULL;
}

static const char *
ref_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = ref_digits(p, end);
	if (p != NULL && p < end && *p == '.')
		p = ref_digits(p + 1, end);
	if (p != NULL && p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = ref_digits(p, end);
	}
	return p;
}

/* The code point of the UTF-8 there, by arithmetic; -1 if it is none. */
static long
ref_decode(const unsigned char *p, size_t left, size_t *length)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	long point;

	*length = *p < 0x80             ? 1
			  : (*p & 0xe0) == 0xc0 ? 2
			  : (*p & 0xf0) == 0xe0 ? 3
			  : (*p & 0xf8) == 0xf0 ? 4
									: 0;
	if (*length == 0 || *length > left)
		return -1;
	point = *length == 1 ? *p : *p & (0xff >> (*length + 1));
	for (size_t i = 1; i < *length; i++)
	{
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		point = point * 64 + (p[i] & 0x3f);
	}
	return point < least[*length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)
			   ? -1
			   : point;
}

static long
ref_unit(const char *p, const char *end)
{
	char digits[5] = {0};

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	memcpy(digits, p + 2, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return -1;
	return strtol(digits, NULL, 16);
}

static const char *
ref_escape(const char *p, const char *end)
{
	long high = ref_unit(p, end);
	long low;

	if (high >= 0 && (high < 0xd800 || high > 0xdfff))
		return p + 6;
	if (high >= 0)
	{
		low = ref_unit(p + 6, end);
		return high < 0xdc00 && low >= 0xdc00 && low <= 0xdfff ? p + 12 : NULL;
	}
	return end - p >= 2 && p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
}

static const char *
ref_string(const char *p, const char *end)
{
	size_t length;

	if (p == end || *p != '"')
		return NULL;
	p++;
	while (p != NULL && p < end && *p != '"')
	{
		if (*p == '\\')
			p = ref_escape(p, end);
		else if (ref_decode((const unsigned char *) p, (size_t) (end - p), &length) < 0x20)
			p = NULL;
		else
			p += length;
	}
	return p != NULL && p < end ? p + 1 : NULL;
}

static const char *
ref_member(const char *p, const char *end, bool object, int depth)
{
	if (object)
	{
		p = ref_string(ref_space(p, end), end);
		if (p != NULL)
			p = ref_word(ref_space(p, end), end, ":");
	}
	return p != NULL ? ref_value(p, end, depth) : NULL;
}

static const char *
ref_container(const char *p, const char *end, int depth)
{
	bool object = *p == '{';
	char closing = object ? '}' : ']';

	p = ref_space(p + 1, end);
	if (p < end && *p == closing)
		return p + 1;
	while ((p = ref_member(p, end, object, depth)) != NULL && p < end && *p == ',')
		p++;
	return p != NULL && p < end && *p == closing ? p + 1 : NULL;
}

/* With the space around it. */
static const char *
ref_value(const char *p, const char *end, int depth)
{
	p = ref_space(p, end);
	if (p == end || depth > DGEN__JSON_DEPTH)
		return NULL;
	if (*p == '{' || *p == '[')
		p = depth == DGEN__JSON_DEPTH ? NULL : ref_container(p, end, depth + 1);
	else if (*p == '"')
		p = ref_string(p, end);
	else if (*p == 't')
		p = ref_word(p, end, "true");
	else if (*p == 'f')
		p = ref_word(p, end, "false");
	else if (*p == 'n')
		p = ref_word(p, end, "null");
	else
		p = ref_number(p, end);
	return p != NULL ? ref_space(p, end) : NULL;
}

/* ---- what must hold ---- */

static void
test_string(const dgen_json *value)
{
	char text[300];
	long length = dgen_json_string(value, text, sizeof(text));
	dgen__buffer again = {0};
	char *copy;

	if (length < 0)
		return;
	copy = malloc((size_t) length + 1);
	REQUIRE(dgen_json_string(value, copy, (size_t) length + 1) == length &&
			strlen(copy) == (size_t) length);
	REQUIRE(dgen__utf8_valid(copy, (size_t) length));
	REQUIRE(strncmp(copy, text, strlen(text)) == 0);
	dgen__json_add_string(&again, copy, (size_t) length);
	value = &(dgen_json){again.data, again.length};
	REQUIRE(dgen_json_check(again.data, again.length) == 0);
	REQUIRE(dgen_json_string(value, text, sizeof(text)) == length);
	dgen__buffer_free(&again);
	free(copy);
}

/* Any text: quoted and read again it is the same, whatever fits. */
static void
test_quote(const char *text, size_t length)
{
	long quoted = dgen_json_quote(text, length, NULL, 0);
	bool fit = dgen__utf8_valid(text, length) && memchr(text, '\0', length) == NULL;
	char *json;
	char *again = malloc(length + 1);
	size_t room = length * 2;

	REQUIRE((quoted < 0) == !fit && (fit || quoted == DGEN_EJSON));
	REQUIRE(quoted <= (long) (6 * length + 2));
	json = malloc((size_t) (quoted < 0 ? 0 : quoted) + room + 1);
	if (fit)
	{
		const dgen_json value = {json, (size_t) quoted};

		REQUIRE(dgen_json_quote(text, length, json, (size_t) quoted + 1) == quoted &&
				strlen(json) == (size_t) quoted);
		REQUIRE(dgen_json_check(json, (size_t) quoted) == 0);
		REQUIRE(dgen_json_string(&value, again, length + 1) == (long) length &&
				memcmp(again, text, length) == 0);
		if (room > 0)
			REQUIRE(dgen_json_quote(text, length, json, room) == quoted && strlen(json) < room &&
					dgen__utf8_valid(json, strlen(json)));
	}
	free(json);
	free(again);
}

/* libc's conversion is the reference: this runs in the locale C. */
static void
test_number(const dgen_json *value)
{
	char text[400];
	double number;
	double reference;
	int64_t integer;
	dgen__buffer again = {0};

	if (value->length >= sizeof(text) || dgen_json_double(value, &number) != 0)
		return;
	(void) snprintf(text, sizeof(text), "%.*s", (int) value->length, value->text);
	reference = strtod(text, NULL);
	REQUIRE(memcmp(&number, &reference, sizeof(number)) == 0);
	REQUIRE(dgen__json_add_double(&again, number));
	REQUIRE(strtod(again.data, NULL) == number && dgen_json_check(again.data, again.length) == 0);
	dgen__buffer_free(&again);
	if (dgen_json_int64(value, &integer) == 0)
		REQUIRE((double) integer == number);
	else if (value->length <= 15 && strpbrk(text, "eE") == NULL)
		REQUIRE(floor(number) != number || fabs(number) >= 9007199254740992.0);
}

/* The walk over valid text finds what find finds, as far as names are plain and single. */
static void
test_walk(const char *text, size_t length, char open)
{
	dgen__json_walk walk;
	dgen_json name;
	dgen_json value;
	dgen_json found;
	char pointer[24];

	if (dgen__json_walk_begin(&walk, text, length, open) != 0)
		return;
	for (int i = 0; dgen__json_walk_next(&walk, &name, &value); i++)
	{
		REQUIRE(dgen_json_check(value.text, value.length) == 0);
		REQUIRE(open == '[' || dgen_json_check(name.text, name.length) == 0);
		(void) snprintf(pointer, sizeof(pointer), "/%d", i);
		if (open == '[')
			REQUIRE(dgen_json_find(text, length, pointer, &found) == 0 &&
					found.text == value.text && found.length == value.length);
	}
}

static void
test_find(const char *text, size_t length, const char *pointer, bool valid)
{
	dgen_json value;
	int rc = dgen_json_find(text, length, pointer, &value);

	REQUIRE(rc == 0 || rc == DGEN_ENOTFOUND || rc == DGEN_EINVAL || rc == DGEN_EJSON);
	REQUIRE(!valid || rc != DGEN_EJSON);
	if (rc != 0)
		return;
	REQUIRE(value.text >= text && value.text + value.length <= text + length && value.length > 0);
	REQUIRE(dgen_json_check(value.text, value.length) == 0);
	test_string(&value);
	test_number(&value);
}

/* The input is a pointer up to the first NUL, if there is one, and text. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const pointers[] = {"",   "/a", "/a/b", "/0",  "/0/a", "/1/0",
										   "/b", "/",  "a",    "/~1", "/~"};
	const char *text = (const char *) data;
	const char *pointer = "";
	const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
	bool valid;
	size_t wrong = 0;

	if (nul != NULL)
	{
		pointer = text;
		text = (const char *) nul + 1;
		size -= (size_t) (text - pointer);
	}
	test_quote(text, size);
	valid = ref_value(text, text + size, 0) == text + size;
	REQUIRE((dgen_json_check(text, size) == 0) == valid);
	if (dgen__json_storable(text, size, &wrong))
		REQUIRE(valid);
	else
		REQUIRE(wrong <= size);
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
		test_find(text, size, pointers[i], valid);
	test_find(text, size, pointer, valid);
	if (valid)
	{
		test_walk(text, size, '{');
		test_walk(text, size, '[');
	}
	return 0;
}
