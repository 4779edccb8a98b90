/*
 * Strings of JSON text.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "json/json.h"

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
		n = (unsigned char) **text < 0x20 ? 0 : dgen__utf8_character(*text, (size_t) (end - *text));
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

/* Text on its way into a caller's buffer, which can be too small. */
typedef struct Output
{
	char *buffer;
	size_t size;
	size_t written;
	size_t length; /* that all of it takes */
} Output;

/* Pieces are not cut, and none follows one that was left out. */
static void
put_piece(Output *output, const char *piece, size_t length)
{
	if (output->written == output->length && output->length + length < output->size)
	{
		memcpy(output->buffer + output->written, piece, length);
		output->written += length;
	}
	output->length += length;
}

static long
end_output(Output *output, int too_long)
{
	if (output->size > 0)
		output->buffer[output->written] = '\0';
	return output->length > LONG_MAX ? too_long : (long) output->length;
}

/* As dgen_json_string; next and end are inside the quotes. */
static long
unescape_into(const char *next, const char *end, char *buffer, size_t size)
{
	Output output = {.buffer = buffer, .size = size};
	char bytes[4];

	while (next < end)
	{
		size_t n = *next == '"' ? 0 : dgen__json_character(&next, end, bytes);

		if (n == 0 || bytes[0] == '\0')
			return DGEN_ETYPE;
		put_piece(&output, bytes, n);
	}
	return end_output(&output, DGEN_ETYPE);
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

/* How the byte is written in a string; the length of that, 0 if it stands for itself. */
static size_t
escape(unsigned char c, char out[8])
{
	static const char letters[] = "btnvfr"; /* of 8 to 13; \v is not JSON's */

	if (c >= 0x20 && c != '"' && c != '\\')
		return 0;
	if (c == '"' || c == '\\')
		return (size_t) snprintf(out, 8, "\\%c", c);
	if (c >= 8 && c <= 13 && c != '\v')
		return (size_t) snprintf(out, 8, "\\%c", letters[c - 8]);
	return (size_t) snprintf(out, 8, "\\u%04x", c);
}

void
dgen__json_add_string(dgen__buffer *buffer, const char *text, size_t length)
{
	size_t from = 0;
	char escaped[8];

	dgen__buffer_add(buffer, "\"", 1);
	for (size_t i = 0; i < length; i++)
	{
		size_t n = escape((unsigned char) text[i], escaped);

		if (n == 0)
			continue;
		dgen__buffer_add(buffer, text + from, i - from);
		dgen__buffer_add(buffer, escaped, n);
		from = i + 1;
	}
	dgen__buffer_add(buffer, text + from, length - from);
	dgen__buffer_add(buffer, "\"", 1);
}

long
dgen_json_quote(const char *text, size_t length, char *buffer, size_t size)
{
	Output output = {.buffer = buffer, .size = size};
	char escaped[8];

	if (text == NULL || (buffer == NULL && size > 0))
		return DGEN_EINVAL;
	if (length == DGEN_STRLEN)
		length = strlen(text);
	put_piece(&output, "\"", 1);
	for (size_t i = 0, n; i < length; i += n)
	{
		size_t quoted = escape((unsigned char) text[i], escaped);

		n = dgen__utf8_character(text + i, length - i);
		if (n == 0 || text[i] == '\0')
		{
			output = (Output){.buffer = buffer, .size = size};
			(void) end_output(&output, 0);
			return DGEN_EJSON;
		}
		put_piece(&output, quoted > 0 ? escaped : text + i, quoted > 0 ? quoted : n);
	}
	put_piece(&output, "\"", 1);
	return end_output(&output, DGEN_EINVAL);
}
