/*
 * Reading JSON text: checking it, finding a value by pointer, and walking through it.
 * Nothing recurses, nothing allocates. Strings are in json_string.c, numbers in
 * json_number.c.
 */
#include <string.h>

#include "json/json.h"

/* What jsonb can hold (NUMERIC_WEIGHT_MAX and NUMERIC_DSCALE_MAX in PostgreSQL). */
#define MAX_INTEGER_DIGITS 131072
#define MAX_FRACTION_DIGITS 16383

/* ---- the checking scanner ---- */

typedef struct scanner
{
	const char *next;
	const char *end;
	bool storable; /* only what jsonb can hold */
	int depth;
	char closing[DGEN__JSON_DEPTH]; /* the bracket that ends each level */
} scanner;

static void
start(scanner *s, const char *text, size_t length, bool storable)
{
	s->next = text;
	s->end = text + length;
	s->storable = storable;
	s->depth = 0;
}

static void
skip_space(scanner *s)
{
	while (s->next < s->end &&
		   (*s->next == ' ' || *s->next == '\n' || *s->next == '\t' || *s->next == '\r'))
		s->next++;
}

static bool
at(const scanner *s, char c)
{
	return s->next < s->end && *s->next == c;
}

static bool
take(scanner *s, char c)
{
	if (!at(s, c))
		return false;
	s->next++;
	return true;
}

static bool
scan_string(scanner *s)
{
	char bytes[4];

	if (!take(s, '"'))
		return false;
	while (s->next < s->end)
	{
		unsigned char c = (unsigned char) *s->next;

		if (c == '"')
		{
			s->next++;
			return true;
		}
		if (c >= 0x20 && c < 0x80 && c != '\\')
			s->next++;
		else if (dgen__json_character(&s->next, s->end, bytes) == 0)
			return false;
		else if (bytes[0] == '\0' && s->storable)
			return false;
	}
	return false;
}

/* The digits passed. */
static size_t
scan_digits(scanner *s)
{
	const char *from = s->next;

	while (s->next < s->end && *s->next >= '0' && *s->next <= '9')
		s->next++;
	return (size_t) (s->next - from);
}

static bool
scan_exponent(scanner *s, long *exponent)
{
	bool negative;
	const char *from;

	if (!at(s, 'e') && !at(s, 'E'))
		return true;
	s->next++;
	negative = at(s, '-');
	if (negative || at(s, '+'))
		s->next++;
	from = s->next;
	if (scan_digits(s) == 0)
		return false;
	for (; from < s->next; from++)
		if (*exponent < 1000000)
			*exponent = *exponent * 10 + (*from - '0');
	if (negative)
		*exponent = -*exponent;
	return true;
}

static bool
scan_number(scanner *s)
{
	size_t integer = 1;
	size_t fraction = 0;
	long exponent = 0;

	(void) take(s, '-');
	if (!take(s, '0') && (integer = scan_digits(s)) == 0)
		return false;
	if (take(s, '.') && (fraction = scan_digits(s)) == 0)
		return false;
	if (!scan_exponent(s, &exponent))
		return false;
	return !s->storable || ((long) integer + exponent <= MAX_INTEGER_DIGITS &&
							(long) fraction - exponent <= MAX_FRACTION_DIGITS);
}

static bool
scan_word(scanner *s, const char *word)
{
	size_t length = strlen(word);

	if ((size_t) (s->end - s->next) < length || memcmp(s->next, word, length) != 0)
		return false;
	s->next += length;
	return true;
}

static bool
scan_scalar(scanner *s)
{
	if (s->next == s->end)
		return false;
	switch (*s->next)
	{
		case '"':
			return scan_string(s);
		case 't':
			return scan_word(s, "true");
		case 'f':
			return scan_word(s, "false");
		case 'n':
			return scan_word(s, "null");
		default:
			return scan_number(s);
	}
}

/* Passes `"name" :`. */
static bool
scan_name(scanner *s)
{
	skip_space(s);
	if (!scan_string(s))
		return false;
	skip_space(s);
	return take(s, ':');
}

/* Passes '{' or '['. */
static bool
descend(scanner *s)
{
	if (s->depth == DGEN__JSON_DEPTH)
		return false;
	s->closing[s->depth++] = *s->next == '{' ? '}' : ']';
	s->next++;
	return true;
}

/*
 * Goes on to the next value, behind one or behind an opening bracket (first). False
 * if there is none: then the whole is over, with depth 0, or wrong.
 */
static bool
next_value(scanner *s, bool first)
{
	while (s->depth > 0)
	{
		char closing = s->closing[s->depth - 1];

		skip_space(s);
		if (!take(s, closing))
			return (first || take(s, ',')) && (closing == ']' || scan_name(s));
		s->depth--;
		first = false;
	}
	return false;
}

/* Passes one value. False if it is not valid; next is where that shows. */
static bool
scan_value(scanner *s)
{
	bool opens;

	do
	{
		skip_space(s);
		opens = at(s, '{') || at(s, '[');
		if (opens ? !descend(s) : !scan_scalar(s))
			return false;
	} while (next_value(s, opens));
	return s->depth == 0;
}

static bool
scan_all(scanner *s)
{
	if (!scan_value(s))
		return false;
	skip_space(s);
	return s->next == s->end;
}

int
dgen_json_check(const char *text, size_t length)
{
	scanner s;

	if (text == NULL)
		return DGEN_EINVAL;
	start(&s, text, length == DGEN_STRLEN ? strlen(text) : length, false);
	return scan_all(&s) ? 0 : DGEN_EJSON;
}

bool
dgen__json_storable(const char *text, size_t length, size_t *wrong)
{
	scanner s;

	start(&s, text, length, true);
	if (scan_all(&s))
		return true;
	*wrong = (size_t) (s.next - text);
	return false;
}

/* ---- finding by pointer ---- */

/*
 * Does the name, with quotes and valid, say the same as the token of the pointer, in
 * which ~0 is ~ and ~1 is /?
 */
static bool
same_name(const char *name, const char *name_end, const char *token, const char *token_end)
{
	char bytes[4];
	size_t n;

	name++;
	name_end--;
	while (name < name_end)
	{
		n = dgen__json_character(&name, name_end, bytes);
		if (token == token_end || n == 0)
			return false;
		if (*token == '~')
		{
			if (n != 1 || bytes[0] != (token[1] == '1' ? '/' : '~'))
				return false;
			token += 2;
			continue;
		}
		if ((size_t) (token_end - token) < n || memcmp(token, bytes, n) != 0)
			return false;
		token += n;
	}
	return token == token_end;
}

/* An array index: digits without leading zeros. */
static bool
read_index(const char *token, const char *end, size_t *index)
{
	*index = 0;
	if (token == end || (*token == '0' && end - token > 1))
		return false;
	for (; token < end; token++)
	{
		if (*token < '0' || *token > '9' || *index > SIZE_MAX / 10 - 1)
			return false;
		*index = *index * 10 + (size_t) (*token - '0');
	}
	return true;
}

/* Passes the value at hand and notes where it lies. */
static bool
scan_into(scanner *s, dgen_json *value)
{
	skip_space(s);
	value->text = s->next;
	if (!scan_value(s))
		return false;
	value->length = (size_t) (s->next - value->text);
	return true;
}

/* The last of equal names counts, as in jsonb. */
static int
find_member(scanner *s, const char *token, const char *token_end, dgen_json *found)
{
	dgen_json value;
	int rc = DGEN_ENOTFOUND;

	s->next++;
	skip_space(s);
	if (take(s, '}'))
		return rc;
	do
	{
		const char *name;
		const char *name_end;

		skip_space(s);
		name = s->next;
		if (!scan_string(s))
			return DGEN_EJSON;
		name_end = s->next;
		skip_space(s);
		if (!take(s, ':') || !scan_into(s, &value))
			return DGEN_EJSON;
		if (same_name(name, name_end, token, token_end))
		{
			*found = value;
			rc = 0;
		}
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}') ? rc : DGEN_EJSON;
}

static int
find_element(scanner *s, const char *token, const char *token_end, dgen_json *found)
{
	size_t index;

	if (!read_index(token, token_end, &index))
		return DGEN_ENOTFOUND;
	s->next++;
	skip_space(s);
	if (at(s, ']'))
		return DGEN_ENOTFOUND;
	for (;;)
	{
		if (!scan_into(s, found))
			return DGEN_EJSON;
		if (index-- == 0)
			return 0;
		skip_space(s);
		if (!take(s, ','))
			return at(s, ']') ? DGEN_ENOTFOUND : DGEN_EJSON;
	}
}

/* The value that the token names in the value found so far, which it replaces. */
static int
find_child(dgen_json *value, const char *token, const char *token_end)
{
	scanner s;
	dgen_json child = {0};
	int rc = DGEN_ENOTFOUND;

	start(&s, value->text, value->length, false);
	skip_space(&s);
	if (at(&s, '{'))
		rc = find_member(&s, token, token_end, &child);
	else if (at(&s, '['))
		rc = find_element(&s, token, token_end, &child);
	else if (!scan_all(&s))
		rc = DGEN_EJSON;
	if (rc == 0)
		*value = child;
	return rc;
}

static bool
pointer_valid(const char *pointer)
{
	if (*pointer != '\0' && *pointer != '/')
		return false;
	for (; *pointer != '\0'; pointer++)
		if (*pointer == '~' && pointer[1] != '0' && pointer[1] != '1')
			return false;
	return true;
}

/* "" is the one pointer that does not pass a container, and must be checked here. */
static int
find_whole(dgen_json *value)
{
	scanner s;

	start(&s, value->text, value->length, false);
	if (!scan_into(&s, value))
		return DGEN_EJSON;
	skip_space(&s);
	return s.next == s.end ? 0 : DGEN_EJSON;
}

int
dgen_json_find(const char *text, size_t length, const char *pointer, dgen_json *value)
{
	dgen_json found = {text, length};
	int rc = 0;

	if (text == NULL || pointer == NULL || value == NULL || !pointer_valid(pointer))
		return DGEN_EINVAL;
	if (length == DGEN_STRLEN)
		found.length = strlen(text);
	if (*pointer == '\0')
		rc = find_whole(&found);
	while (rc == 0 && *pointer != '\0')
	{
		const char *token = pointer + 1;

		pointer = token + strcspn(token, "/");
		rc = find_child(&found, token, pointer);
	}
	if (rc == 0)
		*value = found;
	return rc;
}

int
dgen_json_bool(const dgen_json *value, bool *truth)
{
	if (value == NULL || value->text == NULL || truth == NULL)
		return DGEN_EINVAL;
	if (value->length == 4 && memcmp(value->text, "true", 4) == 0)
		*truth = true;
	else if (value->length == 5 && memcmp(value->text, "false", 5) == 0)
		*truth = false;
	else
		return DGEN_ETYPE;
	return 0;
}

/* ---- walking through text that is known to be valid ---- */

static const char *
pass_space(const char *text, const char *end)
{
	while (text < end && (*text == ' ' || *text == '\n' || *text == '\t' || *text == '\r'))
		text++;
	return text;
}

static const char *
pass_string(const char *text, const char *end)
{
	for (text++; text < end && *text != '"'; text++)
		if (*text == '\\' && end - text > 1)
			text++;
	return text < end ? text + 1 : end;
}

/* However deep it is: the server can allow more than the scanner. */
static const char *
pass_value(const char *text, const char *end)
{
	size_t depth = 0;

	while (text < end)
	{
		char c = *text;

		if (depth == 0 &&
			(c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r'))
			break;
		text = c == '"' ? pass_string(text, end) : text + 1;
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
	}
	return text;
}

void
dgen__json_trim(const char **text, size_t *length)
{
	const char *end = *text + *length;

	*text = pass_space(*text, end);
	while (end > *text && pass_space(end - 1, end) == end)
		end--;
	*length = (size_t) (end - *text);
}

int
dgen__json_walk_begin(dgen__json_walk *walk, const char *text, size_t length, char open)
{
	const char *end = text + length;

	text = pass_space(text, end);
	if (text == end || *text != open)
		return DGEN_ETYPE;
	walk->next = text + 1;
	walk->end = end;
	walk->object = open == '{';
	return 0;
}

bool
dgen__json_walk_next(dgen__json_walk *walk, dgen_json *name, dgen_json *value)
{
	const char *end = walk->end;
	const char *text = pass_space(walk->next, end);

	if (text < end && *text == ',')
		text = pass_space(text + 1, end);
	if (text == end || *text == '}' || *text == ']')
		return false;
	if (walk->object)
	{
		name->text = text;
		text = pass_string(text, end);
		name->length = (size_t) (text - name->text);
		text = pass_space(text, end);
		if (text < end && *text == ':')
			text = pass_space(text + 1, end);
	}
	value->text = text;
	walk->next = pass_value(text, end);
	value->length = (size_t) (walk->next - text);
	return value->length > 0;
}
