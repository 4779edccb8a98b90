/*
 * Numbers of JSON text, exact and whatever the locale is: neither strtod nor printf ever
 * sees a decimal point here, because a number goes to them and comes from them as digits
 * and an exponent.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "json/json.h"

/* More significant digits than this cannot change how a double is rounded. */
#define DOUBLE_DIGITS 800

/* A number's exponent is cut here; far outside what any number can use. */
#define MAX_EXPONENT 100000000

/*
 * The parts of -12.5e3: whole is 2, fraction is 1, exponent is 3. The value is the
 * digits without the point, times ten to the power of exponent - fraction.
 */
typedef struct decimal
{
	bool negative;
	const char *digits; /* whole digits, then the point if there are more */
	size_t whole;
	size_t fraction;
	long exponent;
} decimal;

static size_t
count_digits(const char *text, const char *end)
{
	const char *from = text;

	while (text < end && *text >= '0' && *text <= '9')
		text++;
	return (size_t) (text - from);
}

/* text is behind the 'e'. */
static bool
read_exponent(const char *text, const char *end, long *exponent)
{
	bool negative = text < end && *text == '-';

	if (text < end && (*text == '-' || *text == '+'))
		text++;
	if (text == end || count_digits(text, end) != (size_t) (end - text))
		return false;
	for (; text < end; text++)
		if (*exponent < MAX_EXPONENT)
			*exponent = *exponent * 10 + (*text - '0');
	if (negative)
		*exponent = -*exponent;
	return true;
}

/* False if the text is not a number of JSON and nothing else. */
static bool
read_decimal(const dgen_json *value, decimal *number)
{
	const char *text = value->text;
	const char *end = text + value->length;

	memset(number, 0, sizeof(*number));
	number->negative = text < end && *text == '-';
	if (number->negative)
		text++;
	number->digits = text;
	number->whole = count_digits(text, end);
	if (number->whole == 0 || (*text == '0' && number->whole > 1))
		return false;
	text += number->whole;
	if (text < end && *text == '.')
	{
		number->fraction = count_digits(text + 1, end);
		text += 1 + number->fraction;
		if (number->fraction == 0)
			return false;
	}
	if (text < end && (*text == 'e' || *text == 'E'))
		return read_exponent(text + 1, end, &number->exponent);
	return text == end;
}

static size_t
digit_count(const decimal *number)
{
	return number->whole + number->fraction;
}

static unsigned
digit(const decimal *number, size_t i)
{
	return (unsigned) (number->digits[i < number->whole ? i : i + 1] - '0');
}

/* ---- integers ---- */

/* sum = sum * 10 + next, up to 2^63: what the absolute value of an int64 can be. */
static bool
shift_in(uint64_t *sum, unsigned next)
{
	const uint64_t limit = (uint64_t) INT64_MAX + 1;

	if (*sum > (limit - next) / 10)
		return false;
	*sum = *sum * 10 + next;
	return true;
}

/* The absolute value; false if it is no integer or too large. */
static bool
integer_of(const decimal *number, uint64_t *sum)
{
	long point = (long) number->whole + number->exponent;
	size_t count = digit_count(number);

	*sum = 0;
	for (size_t i = 0; i < count; i++)
	{
		unsigned next = digit(number, i);

		if ((long) i >= point ? next != 0 : !shift_in(sum, next))
			return false;
	}
	for (long i = (long) count; i < point && *sum != 0; i++)
		if (!shift_in(sum, 0))
			return false;
	return true;
}

int
dgen_json_int64(const dgen_json *value, int64_t *number)
{
	decimal parts;
	uint64_t sum;

	if (value == NULL || value->text == NULL || number == NULL)
		return DGEN_EINVAL;
	if (!read_decimal(value, &parts) || !integer_of(&parts, &sum))
		return DGEN_ETYPE;
	if (sum == (uint64_t) INT64_MAX + 1)
	{
		if (!parts.negative)
			return DGEN_ETYPE;
		*number = INT64_MIN;
		return 0;
	}
	*number = parts.negative ? -(int64_t) sum : (int64_t) sum;
	return 0;
}

/* ---- doubles ---- */

/*
 * Rounds correctly: text is digits, 'e' and an exponent. strtod sets errno for numbers
 * that are merely small; the caller's stays as it was.
 */
static double
to_double(const char *text)
{
	int saved = errno;
	double number = strtod(text, NULL);

	errno = saved;
	return number;
}

/*
 * Writes the number as digits and an exponent. Of the digits that are too many it
 * matters only whether one is not 0.
 */
static void
write_plain(const decimal *number, char *text, size_t size)
{
	size_t count = digit_count(number);
	size_t n = 0;
	size_t i = 0;
	bool more = false;
	long exponent;

	if (number->negative)
		text[n++] = '-';
	while (i < count && digit(number, i) == 0)
		i++;
	text[n++] = '0';
	for (; i < count && n < DOUBLE_DIGITS; i++)
		text[n++] = (char) ('0' + digit(number, i));
	for (size_t rest = i; rest < count; rest++)
		more = more || digit(number, rest) != 0;
	if (more)
	{
		text[n++] = '1';
		i++;
	}
	exponent = number->exponent - (long) number->fraction + (long) (count - i);
	(void) snprintf(text + n, size - n, "e%ld", exponent);
}

int
dgen_json_double(const dgen_json *value, double *number)
{
	char text[DOUBLE_DIGITS + 32];
	decimal parts;
	double read;

	if (value == NULL || value->text == NULL || number == NULL)
		return DGEN_EINVAL;
	if (!read_decimal(value, &parts))
		return DGEN_ETYPE;
	write_plain(&parts, text, sizeof(text));
	read = to_double(text);
	if (isinf(read))
		return DGEN_ETYPE;
	*number = read;
	return 0;
}

/* ---- writing doubles ---- */

/* A double as d.ddd times ten to the power of exponent. */
typedef struct rounded
{
	char digits[20];
	int count;
	int exponent;
} rounded;

static void
round_to(double number, int count, rounded *r)
{
	char text[64];
	const char *c;

	(void) snprintf(text, sizeof(text), "%.*e", count - 1, number);
	r->count = 0;
	for (c = text; *c != 'e'; c++)
		if (*c >= '0' && *c <= '9')
			r->digits[r->count++] = *c;
	r->exponent = atoi(c + 1);
}

static bool
reads_back(const rounded *r, double number)
{
	char text[64];
	double read;

	(void) snprintf(text, sizeof(text), "%.*se%d", r->count, r->digits, r->exponent - r->count + 1);
	read = to_double(text);
	return !(read < number) && !(read > number);
}

static void
add_rounded(dgen__buffer *buffer, const rounded *r)
{
	int whole = r->exponent + 1;

	if (r->exponent < -5 || r->exponent > 16)
	{
		dgen__buffer_add(buffer, r->digits, 1);
		if (r->count > 1)
			dgen__buffer_printf(buffer, ".%.*s", r->count - 1, r->digits + 1);
		dgen__buffer_printf(buffer, "e%d", r->exponent);
	}
	else if (whole <= 0)
		dgen__buffer_printf(buffer, "0.%.*s%.*s", -whole, "0000", r->count, r->digits);
	else if (whole >= r->count)
		dgen__buffer_printf(buffer, "%.*s%.*s", r->count, r->digits, whole - r->count,
							"0000000000000000");
	else
		dgen__buffer_printf(buffer, "%.*s.%.*s", whole, r->digits, r->count - whole,
							r->digits + whole);
}

bool
dgen__json_add_double(dgen__buffer *buffer, double number)
{
	double positive = signbit(number) ? -number : number;
	rounded r;

	if (!isfinite(number))
		return false;
	for (int count = 15; count <= 17; count++)
	{
		round_to(positive, count, &r);
		if (reads_back(&r, positive))
			break;
	}
	while (r.count > 1 && r.digits[r.count - 1] == '0')
		r.count--;
	if (signbit(number))
		dgen__buffer_add(buffer, "-", 1);
	add_rounded(buffer, &r);
	return true;
}
