/*
 * Strings of JSON text, and UTF-8.
 */
#include <limits.h>
#include <string.h>

#include "dgen_int.h"

/* ---- UTF-8 ---- */

static bool
continues(const char *text, size_t n)
{
	return ((unsigned char) text[n] & 0xc0) == 0x80;
}

/* The bytes of the character that begins here; 0 if it is not one. */
static size_t
character(const char *text, size_t length)
{
	unsigned char first = (unsigned char) text[0];
	unsigned char second = length > 1 ? (unsigned char) text[1] : 0;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4 || length < 2 || !continues(text, 1))
		return 0;
	if (first < 0xe0)
		return 2;
	/* too long a form, a surrogate, beyond U+10FFFF */
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
		(first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	if (length < 3 || !continues(text, 2))
		return 0;
	if (first < 0xf0)
		return 3;
	return length > 3 && continues(text, 3) ? 4 : 0;
}

bool
dgen__utf8_valid(const char *text, size_t length)
{
	size_t n;

	for (size_t i = 0; i < length; i += n)
		if ((n = character(text + i, length - i)) == 0)
			return false;
	return true;
}

void
dgen__utf8_mend(char *text)
{
	size_t length = strlen(text);
	size_t n;

	for (size_t i = 0; i < length; i += n)
		if ((n = character(text + i, length - i)) == 0)
		{
			text[i] = '?';
			n = 1;
		}
}

/* Writes the code point, at most 4 bytes. */
static size_t
encode(uint32_t point, char *out)
{
	if (point < 0x80)
	{
		out[0] = (char) point;
		return 1;
	}
	if (point < 0x800)
	{
		out[0] = (char) (0xc0 | (point >> 6));
		out[1] = (char) (0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000)
	{
		out[0] = (char) (0xe0 | (point >> 12));
		out[1] = (char) (0x80 | ((point >> 6) & 0x3f));
		out[2] = (char) (0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | (point >> 18));
	out[1] = (char) (0x80 | ((point >> 12) & 0x3f));
	out[2] = (char) (0x80 | ((point >> 6) & 0x3f));
	out[3] = (char) (0x80 | (point & 0x3f));
	return 4;
}

/* ---- strings, character by character ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The four digits of a \u; false if they are none. */
static bool
read_hex(const char *text, const char *end, uint32_t *unit)
{
	*unit = 0;
	if (end - text < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		*unit = *unit << 4 | (uint32_t) digit;
	}
	return true;
}

/* text is behind "\u". The bytes read, 4 or 10; 0 if it is no character: half a pair is none. */
static size_t
read_point(const char *text, const char *end, uint32_t *point)
{
	uint32_t low;

	if (!read_hex(text, end, point) || (*point >= 0xdc00 && *point < 0xe000))
		return 0;
	if (*point < 0xd800 || *point >= 0xe000)
		return 4;
	if (end - text < 6 || text[4] != '\\' || text[5] != 'u' || !read_hex(text + 6, end, &low))
		return 0;
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
	return 10;
}

size_t
dgen__json_character(const char **text, const char *end, char *out)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	uint32_t point;
	size_t n;

	if (**text != '\\')
	{
		n = (unsigned char) **text < 0x20 ? 0 : character(*text, (size_t) (end - *text));
		memcpy(out, *text, n);
		*text += n;
		return n;
	}
	if (end - *text < 2)
		return 0;
	if ((*text)[1] == 'u')
	{
		n = read_point(*text + 2, end, &point);
		*text += 2 + n;
		return n == 0 ? 0 : encode(point, out);
	}
	letter = memchr(letters, (*text)[1], sizeof(letters) - 1);
	if (letter == NULL)
		return 0;
	*text += 2;
	out[0] = meant[letter - letters];
	return 1;
}

/* ---- reading and writing strings ---- */

size_t
dgen__json_unescape(char *text, size_t length)
{
	const char *next = text + 1;
	const char *end = text + length - 1;
	char *out = text;
	char bytes[4];
	size_t n;

	while (next < end && (n = dgen__json_character(&next, end, bytes)) > 0)
	{
		memcpy(out, bytes, n);
		out += n;
	}
	*out = '\0';
	return (size_t) (out - text);
}

/* As dgen_json_string; next and end are inside the quotes. */
static long
unescape_into(const char *next, const char *end, char *buffer, size_t size)
{
	size_t length = 0;
	size_t written = 0;
	char bytes[4];

	while (next < end)
	{
		size_t n = *next == '"' ? 0 : dgen__json_character(&next, end, bytes);

		if (n == 0 || bytes[0] == '\0')
			return DGEN_ETYPE;
		/* a character is not cut, and none follows one that was left out */
		if (written == length && length + n < size)
		{
			memcpy(buffer + written, bytes, n);
			written += n;
		}
		length += n;
	}
	if (size > 0)
		buffer[written] = '\0';
	return length > LONG_MAX ? DGEN_ETYPE : (long) length;
}

long
dgen_json_string(const dgen_json *value, char *buffer, size_t size)
{
	const char *text;
	size_t length;

	if (value == NULL || value->text == NULL || (buffer == NULL && size > 0))
		return DGEN_EINVAL;
	text = value->text;
	length = value->length;
	if (length < 2 || text[0] != '"' || text[length - 1] != '"')
		return DGEN_ETYPE;
	return unescape_into(text + 1, text + length - 1, buffer, size);
}

static void
add_escaped(dgen__buffer *buffer, unsigned char c)
{
	static const char letters[] = "btnvfr"; /* of 8 to 13; \v is not JSON's */

	if (c == '"' || c == '\\')
		dgen__buffer_printf(buffer, "\\%c", c);
	else if (c >= 8 && c <= 13 && c != '\v')
		dgen__buffer_printf(buffer, "\\%c", letters[c - 8]);
	else
		dgen__buffer_printf(buffer, "\\u%04x", c);
}

void
dgen__json_add_string(dgen__buffer *buffer, const char *text, size_t length)
{
	size_t from = 0;

	dgen__buffer_add(buffer, "\"", 1);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		dgen__buffer_add(buffer, text + from, i - from);
		add_escaped(buffer, c);
		from = i + 1;
	}
	dgen__buffer_add(buffer, text + from, length - from);
	dgen__buffer_add(buffer, "\"", 1);
}
