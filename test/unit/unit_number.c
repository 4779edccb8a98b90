/* json_number.c: integers and doubles, exact in any locale. */
#include <float.h>
#include <locale.h>
#include <math.h>

#include "tap.h"

static int
int64_of(const char *text, int64_t *number)
{
	dgen_json value = {text, strlen(text)};

	return dgen_json_int64(&value, number);
}

static int
double_of(const char *text, double *number)
{
	dgen_json value = {text, strlen(text)};

	return dgen_json_double(&value, number);
}

static bool
same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static void
integers_are_exact(void)
{
	static const struct
	{
		const char *text;
		int64_t number;
	} cases[] = {
		{"0", 0},
		{"-0", 0},
		{"7", 7},
		{"-12", -12},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
		{"9007199254740993", 9007199254740993},
		{"1.0", 1},
		{"1e2", 100},
		{"1.5e1", 15},
		{"12300e-2", 123},
		{"0.0", 0},
		{"0e99999999999", 0},
		{"0e-99999999999", 0},
		{"922337203685477580.7e1", INT64_MAX},
		{"100E+0", 100},
	};
	int64_t number = 1;

	for (size_t i = 0; i < COUNT(cases); i++)
		if (!CHECK(int64_of(cases[i].text, &number) == 0 && number == cases[i].number))
			printf("#   %s\n", cases[i].text);
}

static void
what_is_no_int64_is_another_type(void)
{
	static const char *const others[] = {
		"9223372036854775808",
		"-9223372036854775809",
		"1e19",
		"1e999999999",
		"1.5",
		"1e-1",
		"0.1",
		"12345e-3",
		"\"1\"",
		"null",
		"",
		"-",
		"1.",
		"01",
		" 1",
		"1 ",
		"1e",
		"1e+",
		"1x",
		"0x1",
		"true",
		"1e99999999999999999999",
		"18446744073709551616",
		"18446744073709551617",
		"922337203685477580.71e1",
	};
	int64_t number;
	dgen_json none = {NULL, 0};

	for (size_t i = 0; i < COUNT(others); i++)
		if (!CHECK(int64_of(others[i], &number) == DGEN_ETYPE))
			printf("#   %s\n", others[i]);
	CHECK(dgen_json_int64(NULL, &number) == DGEN_EINVAL &&
		  dgen_json_int64(&none, &number) == DGEN_EINVAL);
}

static void
doubles_are_rounded_correctly(void)
{
	static const struct
	{
		const char *text;
		double number;
	} cases[] = {
		{"0", 0.0},
		{"-0", -0.0},
		{"0.1", 0.1},
		{"1e23", 1e23},
		{"-2.5e-3", -2.5e-3},
		{"1.7976931348623157e308", DBL_MAX},
		{"2.2250738585072014e-308", DBL_MIN},
		{"5e-324", 5e-324},
		{"4.9e-324", 5e-324},
		{"1e-400", 0.0},
		{"0e999999999", 0.0},
		{"9007199254740993", 9007199254740992.0},
		{"9007199254740993.00000000000000000001", 9007199254740994.0},
		{"2.2250738585072011e-308", 2.2250738585072011e-308},
		{"0.000000000000000000000000000001", 1e-30},
		{"179769313486231580793728971405301e276", 1.797693134862315807e308},
	};
	double number = 1;

	for (size_t i = 0; i < COUNT(cases); i++)
		if (!CHECK(double_of(cases[i].text, &number) == 0 && same(number, cases[i].number)))
			printf("#   %s: %.17g\n", cases[i].text, number);
}

/* Halfway between two doubles, and a digit far behind decides. */
static void
thousand_digits_are_read(void)
{
	char text[1100];
	double number = 0;

	(void) snprintf(text, sizeof(text), "9007199254740993.%0999d1", 0);
	CHECK(double_of(text, &number) == 0 && same(number, 9007199254740994.0));
	(void) snprintf(text, sizeof(text), "9007199254740993.%01000d", 0);
	CHECK(double_of(text, &number) == 0 && same(number, 9007199254740992.0));
	(void) snprintf(text, sizeof(text), "1%01000de-1000", 0);
	CHECK(double_of(text, &number) == 0 && same(number, 1.0));
	(void) snprintf(text, sizeof(text), "0.%01000d1e1001", 0);
	CHECK(double_of(text, &number) == 0 && same(number, 1.0));
}

static void
what_does_not_fit_a_double_is_another_type(void)
{
	static const char *const others[] = {
		"1e309", "-1e309", "1e999999999999", "nan", "inf", "\"1\"", "", "-",
		".5",    "5.",     "0x1p3",          "1e5x"};
	double number;

	for (size_t i = 0; i < COUNT(others); i++)
		if (!CHECK(double_of(others[i], &number) == DGEN_ETYPE))
			printf("#   %s\n", others[i]);
	CHECK(dgen_json_double(NULL, &number) == DGEN_EINVAL);
}

static void
written_doubles_are_short(void)
{
	static const struct
	{
		double number;
		const char *text;
	} cases[] = {
		{0.0, "0"},
		{-0.0, "-0"},
		{0.1, "0.1"},
		{-1.5, "-1.5"},
		{100, "100"},
		{1e15, "1000000000000000"},
		{12345678.25, "12345678.25"},
		{1e16, "10000000000000000"},
		{1e17, "1e17"},
		{1e300, "1e300"},
		{1.5e-7, "1.5e-7"},
		{0.00001, "0.00001"},
		{0.000001, "1e-6"},
		{DBL_MAX, "1.7976931348623157e308"},
		{5e-324, "4.94065645841247e-324"},
		{1.0 / 3, "0.3333333333333333"},
		{123456789012345680.0, "1.2345678901234568e17"},
		{12345678901234568.0, "12345678901234568"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
	{
		dgen__buffer json = {0};

		CHECK(dgen__json_add_double(&json, cases[i].number));
		CHECK_TEXT(json.data, cases[i].text);
		dgen__buffer_free(&json);
	}
}

static void
nan_and_infinity_are_no_json(void)
{
	dgen__buffer json = {0};

	CHECK(!dgen__json_add_double(&json, NAN));
	CHECK(!dgen__json_add_double(&json, INFINITY));
	CHECK(!dgen__json_add_double(&json, -INFINITY));
	CHECK(json.length == 0);
	dgen__buffer_free(&json);
}

static uint64_t
random64(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void
check_reads_back(double number)
{
	dgen__buffer json = {0};
	double read = 0;

	if (dgen__json_add_double(&json, number) && !json.failed)
	{
		CHECK(dgen_json_check(json.data, json.length) == 0);
		CHECK(double_of(json.data, &read) == 0 && same(read, number));
	}
	dgen__buffer_free(&json);
}

static void
any_double_reads_back(void)
{
	for (int i = 0; i < tap_times(500); i++)
	{
		uint64_t bits = random64();
		double number;

		memcpy(&number, &bits, sizeof(number));
		if (!isfinite(number))
			continue;
		check_reads_back(number);
		check_reads_back((double) (int64_t) bits / 1000);
	}
}

/* Locales with a decimal comma, if there is one here. */
static void
locale_does_not_matter(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8",
										"fa_IR.UTF-8"};
	bool found = false;

	for (size_t i = 0; i < COUNT(names); i++)
	{
		double number = 0;
		dgen__buffer json = {0};

		if (setlocale(LC_ALL, names[i]) == NULL)
			continue;
		found = true;
		CHECK(double_of("1234.5e-1", &number) == 0 && same(number, 123.45));
		CHECK(dgen__json_add_double(&json, 1234.5));
		CHECK_TEXT(json.data, "1234.5");
		dgen__buffer_free(&json);
	}
	if (!found)
		printf("# no locale with a decimal comma is installed\n");
	(void) setlocale(LC_ALL, "C");
}

static const tap_test tests[] = {
	TEST(integers_are_exact),
	TEST(what_is_no_int64_is_another_type),
	TEST(doubles_are_rounded_correctly),
	TEST(thousand_digits_are_read),
	TEST(what_does_not_fit_a_double_is_another_type),
	TEST(written_doubles_are_short),
	TEST(nan_and_infinity_are_no_json),
	TEST(any_double_reads_back),
	TEST(locale_does_not_matter),
};

TAP_MAIN(tests)
