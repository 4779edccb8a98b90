/* check.c: what is refused before it goes to the server. */
#include "tap.h"

static char *
repeated(char c, size_t count)
{
	static char text[1000];

	memset(text, c, count);
	text[count] = '\0';
	return text;
}

static void
actor_needs_type_and_key(void)
{
	dgen__error e = {0};

	CHECK(dgen__check_actor(&e, "cart", "k") == 0);
	CHECK(dgen__check_actor(&e, NULL, "k") == DGEN_EINVAL);
	CHECK(dgen__check_actor(&e, "cart", NULL) == DGEN_EINVAL);
	CHECK(dgen__check_actor(&e, "", "k") == DGEN_EINVAL);
	CHECK(dgen__check_actor(&e, "cart", "") == DGEN_EINVAL);
	CHECK_TEXT(dgen__error_text(&e), "actor key must have 1 to 512 bytes, not 0");
	dgen__error_free(&e);
}

static void
type_has_128_bytes_at_most(void)
{
	dgen__error e = {0};

	CHECK(dgen__check_actor(&e, repeated('t', 128), "k") == 0);
	CHECK(dgen__check_actor(&e, repeated('t', 129), "k") == DGEN_EINVAL);
	dgen__error_free(&e);
}

static void
key_has_512_bytes_at_most(void)
{
	dgen__error e = {0};

	CHECK(dgen__check_actor(&e, "cart", repeated('k', 512)) == 0);
	CHECK(dgen__check_actor(&e, "cart", repeated('k', 513)) == DGEN_EINVAL);
	dgen__error_free(&e);
}

static void
key_is_utf8(void)
{
	dgen__error e = {0};

	CHECK(dgen__check_actor(&e, "cart", "\xe2\x82\xac") == 0);
	CHECK(dgen__check_actor(&e, "cart", "\xe2\x82") == DGEN_EINVAL);
	CHECK_TEXT(dgen__error_text(&e), "actor key is not valid UTF-8: \"??\"");
	dgen__error_free(&e);
}

static void
json_tells_where_it_is_wrong(void)
{
	dgen__error e = {0};
	size_t length = DGEN_STRLEN;

	CHECK(dgen__check_json(&e, "reply", "{\"a\": 1}", &length) == 0 && length == 8);
	length = DGEN_STRLEN;
	CHECK(dgen__check_json(&e, "reply", "{\"a\": x}", &length) == DGEN_EJSON);
	CHECK_TEXT(dgen__error_text(&e), "reply is not valid JSON at byte 7");
	length = 1;
	CHECK(dgen__check_json(&e, "reply", NULL, &length) == DGEN_EINVAL);
	dgen__error_free(&e);
}

static void
json_that_jsonb_cannot_hold_is_refused(void)
{
	static const char *const refused[] = {"\"\\u0000\"", "1e131072", "1e-16384",
										  "[{\"\\u0000\": 1}]", "1e999999999999"};
	dgen__error e = {0};

	for (size_t i = 0; i < COUNT(refused); i++)
	{
		size_t length = DGEN_STRLEN;

		CHECK(dgen_json_check(refused[i], DGEN_STRLEN) == 0);
		CHECK(dgen__check_json(&e, "message", refused[i], &length) == DGEN_EJSON);
		CHECK(*dgen__error_hint(&e) != '\0' || dgen__memory_failed());
	}
	dgen__error_free(&e);
}

static void
json_at_the_limits_of_jsonb_passes(void)
{
	static const char *const fine[] = {"1e131071", "1e-16383", "0e-16383", "-1E+131071",
									   "\"\\u0001\""};
	dgen__error e = {0};

	for (size_t i = 0; i < COUNT(fine); i++)
	{
		size_t length = DGEN_STRLEN;

		CHECK(dgen__check_json(&e, "message", fine[i], &length) == 0);
	}
	dgen__error_free(&e);
}

static void
object_is_an_object(void)
{
	dgen__error e = {0};
	size_t length = DGEN_STRLEN;

	CHECK(dgen__check_object(&e, "headers", " {}", &length) == 0);
	length = DGEN_STRLEN;
	CHECK(dgen__check_object(&e, "headers", "[]", &length) == DGEN_EINVAL);
	length = DGEN_STRLEN;
	CHECK(dgen__check_object(&e, "headers", "{", &length) == DGEN_EJSON);
	dgen__error_free(&e);
}

static void
options_without_size_are_refused(void)
{
	dgen__error e = {0};
	dgen_send_options options = {0};
	dgen_send_options copy;

	CHECK(dgen__check_send_options(&e, &options, &copy) == DGEN_EINVAL);
	CHECK(dgen__check_send_options(&e, NULL, &copy) == 0 && copy.size == sizeof(copy) &&
		  copy.headers == NULL);
	dgen__error_free(&e);
}

/* Beyond them there may be no memory at all: the sanitizers see who reads it. */
static void
options_with_a_wild_size_are_refused(void)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, (size_t) 0x7f0012345678, 4097, 1};
	dgen_send_options copy;
	dgen__error e = {0};

	for (size_t i = 0; i < COUNT(sizes); i++)
	{
		dgen_send_options options = {.size = sizes[i]};

		CHECK(dgen__check_send_options(&e, &options, &copy) == DGEN_EINVAL);
		CHECK(strstr(dgen__error_text(&e), "the size of dgen_send_options is ") != NULL);
	}
	dgen__error_free(&e);
}

static void
options_of_another_version_fit(void)
{
	struct
	{
		dgen_send_options known;
		int64_t unknown;
	} later = {{sizeof(later), 5, 1, "k", "{}"}, 0};
	dgen_send_options earlier = {offsetof(dgen_send_options, priority), 5, 1, "k", "{}"};
	dgen_send_options copy;
	dgen__error e = {0};

	CHECK(dgen__check_send_options(&e, &later.known, &copy) == 0 && copy.priority == 1 &&
		  copy.headers != NULL);
	CHECK(dgen__check_send_options(&e, &earlier, &copy) == 0 && copy.delay_ms == 5 &&
		  copy.priority == 0);
	CHECK(copy.headers == NULL && copy.size == sizeof(copy));
	later.unknown = 7;
	CHECK(dgen__check_send_options(&e, &later.known, &copy) == DGEN_EINVAL);
	CHECK(strstr(dgen__error_text(&e), "dgen_send_options has ") != NULL);
	dgen__error_free(&e);
}

static void
options_have_bounds(void)
{
	static const dgen_send_options bad[] = {
		{sizeof(dgen_send_options), -1, 0, NULL, NULL},
		{sizeof(dgen_send_options), DGEN__MAX_DELAY_MS + 1, 0, NULL, NULL},
		{sizeof(dgen_send_options), 0, 32768, NULL, NULL},
		{sizeof(dgen_send_options), 0, -32769, NULL, NULL},
		{sizeof(dgen_send_options), 0, 0, "", NULL},
		{sizeof(dgen_send_options), 0, 0, NULL, "[]"},
	};
	dgen_send_options copy;
	dgen__error e = {0};

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(dgen__check_send_options(&e, &bad[i], &copy) == DGEN_EINVAL);
	dgen__error_free(&e);
}

static void
sqlstate_is_five_digits_or_capitals(void)
{
	CHECK(dgen__sqlstate_valid("ZD400") && dgen__sqlstate_valid("23505"));
	CHECK(!dgen__sqlstate_valid("zd400") && !dgen__sqlstate_valid("ZD40") &&
		  !dgen__sqlstate_valid("ZD4000"));
	CHECK(!dgen__sqlstate_valid("00000") && !dgen__sqlstate_valid(""));
}

static const tap_test tests[] = {
	TEST(actor_needs_type_and_key),
	TEST(type_has_128_bytes_at_most),
	TEST(key_has_512_bytes_at_most),
	TEST(key_is_utf8),
	TEST(json_tells_where_it_is_wrong),
	TEST(json_that_jsonb_cannot_hold_is_refused),
	TEST(json_at_the_limits_of_jsonb_passes),
	TEST(object_is_an_object),
	TEST(options_without_size_are_refused),
	TEST(options_with_a_wild_size_are_refused),
	TEST(options_of_another_version_fit),
	TEST(options_have_bounds),
	TEST(sqlstate_is_five_digits_or_capitals),
};

TAP_MAIN(tests)
