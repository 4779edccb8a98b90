/*
 * UTF-8.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static bool
continues(const char *text, size_t n)
{
	return ((unsigned char) text[n] & 0xc0) == 0x80;
}

/* The bytes of the character that begins here; 0 if it is not one. */
size_t
dgen__utf8_character(const char *text, size_t length)
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
		if ((n = dgen__utf8_character(text + i, length - i)) == 0)
			return false;
	return true;
}

void
dgen__utf8_mend(char *text)
{
	size_t length = strlen(text);
	size_t n;

	for (size_t i = 0; i < length; i += n)
		if ((n = dgen__utf8_character(text + i, length - i)) == 0)
		{
			text[i] = '?';
			n = 1;
		}
}

void
dgen__utf8_to_ascii(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++)
		if ((*from & 0xc0) == 0xc0)
			*to++ = '?';
		else if ((*from & 0x80) == 0)
			*to++ = *from;
	*to = '\0';
}

size_t
dgen__utf8_cut(const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length <= most)
		return length;
	for (length = most; length > 0 && (text[length] & 0xc0) == 0x80; length--)
		;
	return length;
}
