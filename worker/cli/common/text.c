/*
 * What a terminal shows of a text: how many columns its characters take, and escapes for
 * what is invalid or would control the terminal.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "cli/common/show.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* The length of the UTF-8 character that begins with this byte; 0: none does. */
static size_t
length_of_lead(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead < 0xe0)
		return 2;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* Its bytes; 0 if it is not valid. */
static size_t
decode(const char *text, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (const unsigned char *) text;
	size_t length = length_of_lead(bytes[0]);

	if (length < 2)
	{
		*character = bytes[0];
		return length;
	}
	*character = bytes[0] & (0xffU >> (length + 1));
	for (size_t i = 1; i < length; i++)
	{
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (bytes[i] & 0x3fU);
	}
	if (*character < least[length] || *character > 0x10ffff || (*character & 0xfffff800) == 0xd800)
		return 0;
	return length;
}

/* It would show what follows in another order: marks, embeddings, overrides, isolates. */
static bool
is_bidi(uint32_t character)
{
	return character == 0x061c || character == 0x200e || character == 0x200f ||
		   (character >= 0x202a && character <= 0x202e) ||
		   (character >= 0x2066 && character <= 0x2069);
}

/* C0, DEL, C1: a terminal would obey. */
static bool
is_control(uint32_t character)
{
	return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

/* -1: must be escaped. The text is UTF-8 even if the program's locale is C. */
static int
columns(uint32_t character)
{
	static locale_t utf8;
	locale_t before;
	int width;

	if (is_control(character) || is_bidi(character))
		return -1;
	if (character < 0x80)
		return 1;
	if (utf8 == (locale_t) 0)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
	if (utf8 == (locale_t) 0)
		return 1;
	before = uselocale(utf8);
	width = wcwidth((wchar_t) character);
	(void) uselocale(before);
	return width;
}

static int
escape(char *shown, const char *format, unsigned value)
{
	return snprintf(shown, CLI_SHOWN_SIZE, format, value);
}

static int
escape_ascii(char *shown, unsigned char byte)
{
	static const char letters[] = "\tt\nn\rr";

	for (const char *l = letters; *l != '\0'; l += 2)
		if ((unsigned char) *l == byte)
			return snprintf(shown, CLI_SHOWN_SIZE, "\\%c", l[1]);
	return escape(shown, "\\x%02X", byte);
}

size_t
cli_show_character(const char *text, char *shown, int *width)
{
	uint32_t character;
	size_t length = decode(text, &character);

	if (length == 0)
	{
		*width = escape(shown, "\\x%02X", (unsigned char) *text);
		return 1;
	}
	*width = columns(character);
	if (*width >= 0)
	{
		memcpy(shown, text, length);
		shown[length] = '\0';
	}
	else if (character < 0x80)
		*width = escape_ascii(shown, (unsigned char) character);
	else
		*width = escape(shown, character > 0xffff ? "\\U%08X" : "\\u%04X", character);
	return length;
}

int
cli_width(const char *text)
{
	char shown[CLI_SHOWN_SIZE];
	int total = 0;
	int width;

	while (*text != '\0')
	{
		text += cli_show_character(text, shown, &width);
		total += width;
	}
	return total;
}

int
cli_print_cut(const char *text, int most)
{
	char shown[CLI_SHOWN_SIZE];
	int total = 0;
	bool cut = cli_width(text) > most;

	while (*text != '\0')
	{
		int width;

		text += cli_show_character(text, shown, &width);
		if (cut && total + width > most - 1)
			break;
		fputs(shown, stdout);
		total += width;
	}
	if (!cut)
		return total;
	fputs(ELLIPSIS, stdout);
	return total + 1;
}

/* ---- whole texts ---- */

char *
cli_visible(const char *text)
{
	char *visible = NULL;
	size_t size;
	FILE *stream = open_memstream(&visible, &size);
	char shown[CLI_SHOWN_SIZE];
	int width;

	if (stream == NULL)
		return NULL;
	while (*text != '\0')
	{
		if (*text == '\n')
		{
			fputs("\n  ", stream);
			text += 1 + strspn(text + 1, "\t ");
			continue;
		}
		text += cli_show_character(text, shown, &width);
		fputs(shown, stream);
	}
	if (fclose(stream) == 0)
		return visible;
	free(visible);
	return NULL;
}

bool
cli_print_lines(const char *text)
{
	char *visible = cli_visible(text);

	if (visible == NULL)
		return false;
	puts(visible);
	free(visible);
	return true;
}

void
cli_print_json(const char *json)
{
	const char *plain = json; /* what has not been written yet, and needs no escape */

	while (*json != '\0')
	{
		uint32_t character;
		size_t length = decode(json, &character);

		if (length > 0 && !is_control(character) && !is_bidi(character))
		{
			json += length;
			continue;
		}
		fwrite(plain, 1, (size_t) (json - plain), stdout);
		if (length == 0) /* no UTF-8: the replacement character */
			character = 0xfffd;
		if (character == '\n' || character == '\t' || character == '\r')
			putchar(character == '\r' ? ' ' : (int) character);
		else
			printf("\\u%04X", character);
		json += length > 0 ? length : 1;
		plain = json;
	}
	puts(plain);
}
