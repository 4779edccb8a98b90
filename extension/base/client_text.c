/*
 * The text of values for this session's client: its size, and whether the client's encoding has all
 * characters. Both are checked before the server makes the text, because an error there would fail the
 * whole statement.
 *
 * Sizes are computed in three steps of increasing cost: from the size of the stored value, from its
 * numbers, from every byte of it.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

#include "base/client_text.h"

#define BUFFER_BYTES 65536

/* A control character becomes six: \u0001. */
#define WORST_STRING 6

/* A numeric after its length: a word of flags, in the long form a weight, and the digits. */
#define NUMERIC_SHORT 0x8000
#define NUMERIC_SHORT_SCALE 0x1f80
#define NUMERIC_SHORT_SCALE_SHIFT 7
#define NUMERIC_SHORT_NEGATIVE_WEIGHT 0x0040
#define NUMERIC_SHORT_WEIGHT 0x003f
#define NUMERIC_LONG_SCALE 0x3fff
#define DIGITS_OF_A_PLACE 4

/* ---- the client ---- */

void
dgen_client_text_begin(ClientText *client)
{
	memset(client, 0, sizeof(*client));
	client->server = GetDatabaseEncoding();
	client->client = pg_get_client_encoding();
	client->context = CurrentMemoryContext;
	client->checks = client->client != client->server && client->client != PG_SQL_ASCII;
	if (client->checks && client->server != PG_SQL_ASCII)
		client->conversion = FindDefaultConversionProc(client->server, client->client);
}

/* ---- bounds ---- */

Size
dgen_raw_size(Datum value)
{
	return toast_raw_datum_size(value);
}

/* At most three characters too many, because the first place can have fewer digits. */
static Size
numeric_text(const char *numeric)
{
	const char *data = numeric + (VARATT_IS_SHORT(numeric) ? VARHDRSZ_SHORT : VARHDRSZ);
	uint16 flags;
	int16 weight;
	int scale;

	memcpy(&flags, data, sizeof(flags));
	if ((flags & NUMERIC_SHORT) != 0)
	{
		scale = (flags & NUMERIC_SHORT_SCALE) >> NUMERIC_SHORT_SCALE_SHIFT;
		weight = flags & NUMERIC_SHORT_WEIGHT;
		if ((flags & NUMERIC_SHORT_NEGATIVE_WEIGHT) != 0)
			weight -= NUMERIC_SHORT_WEIGHT + 1;
	}
	else
	{
		scale = flags & NUMERIC_LONG_SCALE;
		memcpy(&weight, data + sizeof(flags), sizeof(weight));
	}
	return 1 + (weight < 0 ? 1 : (weight + 1) * DIGITS_OF_A_PLACE) + (scale > 0 ? scale + 1 : 0);
}

/* In a jsonb with a short header no part is aligned. */
static inline uint32
load(const char *at)
{
	uint32 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static Size nested_numbers_text(const char *container);

/* Inlined, because each claim calls it for each message. */
static inline Size
numbers_text(const char *container)
{
	uint32 header = load(container);
	uint32 count = (header & JB_CMASK) * ((header & JB_FOBJECT) != 0 ? 2 : 1);
	const char *entries = container + offsetof(JsonbContainer, children);
	const char *base = entries + count * sizeof(JEntry);
	uint32 offset = 0;
	Size size = 0;

	for (uint32 i = 0; i < count; i++)
	{
		JEntry entry = load(entries + i * sizeof(JEntry));

		if (JBE_ISNUMERIC(entry))
			size += numeric_text(base + INTALIGN(offset));
		else if (JBE_ISCONTAINER(entry))
			size += nested_numbers_text(base + INTALIGN(offset));
		JBE_ADVANCE_OFFSET(offset, entry);
	}
	return size;
}

static pg_noinline Size
nested_numbers_text(const char *container)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	return numbers_text(container);
}

Size
dgen_jsonb_text_bound(Datum jsonb)
{
	Pointer value = DatumGetPointer(jsonb);

	return (VARSIZE_ANY_EXHDR(value) + VARHDRSZ) * WORST_STRING + numbers_text(VARDATA_ANY(value));
}

/* ---- every byte ---- */

static bool
is_ascii(const char *text, int length)
{
	for (int i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	return true;
}

static bool
refuse(ClientText *client, const char *text, int length)
{
	client->bad = text;
	client->bad_bytes = length;
	return false;
}

/* Converts in pieces. Each piece ends with a whole character. */
static bool
convert(ClientText *client, const char *text, int length)
{
	if (client->buffer == NULL)
		client->buffer = MemoryContextAlloc(client->context, BUFFER_BYTES);
	while (length > 0)
	{
		int done = pg_do_encoding_conversion_buf(client->conversion, client->server, client->client,
												 (unsigned char *) text, length, client->buffer,
												 BUFFER_BYTES, true);

		if (done <= 0)
			return refuse(client, text, length);
		client->size += strlen((char *) client->buffer);
		text += done;
		length -= done;
	}
	return true;
}

static bool
scan_bytes(ClientText *client, const char *text, int length)
{
	int valid;

	if (!client->checks || is_ascii(text, length))
	{
		client->size += length;
		return true;
	}
	if (OidIsValid(client->conversion))
		return convert(client, text, length);
	client->size += length;
	valid = pg_encoding_verifymbstr(client->client, text, length);
	return valid == length || refuse(client, text + valid, length - valid);
}

static Size
escapes(const char *text, int length)
{
	Size size = 0;

	for (int i = 0; i < length; i++)
		if (text[i] == '"' || text[i] == '\\')
			size++;
		else if ((unsigned char) text[i] < ' ')
			size += strchr("\b\f\n\r\t", text[i]) != NULL ? 1 : WORST_STRING - 1;
	return size;
}

/* Iterates over the values of a container; the keys of an object come first. */
typedef struct Children
{
	const JsonbContainer *container;
	const char *base;
	uint32 count;
	uint32 next;
	uint32 offset; /* of the next child */
	JEntry entry;  /* the current child ... */
	const char *string;
	int length;
	const char *value; /* ... if it is not a string */
} Children;

static void
begin_children(Children *children, const JsonbContainer *container)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	children->container = container;
	children->count = JsonContainerSize(container);
	if (JsonContainerIsObject(container))
		children->count *= 2;
	children->base = (const char *) &container->children[children->count];
	children->next = children->offset = 0;
}

static bool
next_child(Children *children)
{
	uint32 offset = children->offset;

	if (children->next == children->count)
		return false;
	children->entry = children->container->children[children->next++];
	JBE_ADVANCE_OFFSET(children->offset, children->entry);
	children->string = children->base + offset;
	children->length = (int) (children->offset - offset);
	children->value = children->base + INTALIGN(offset);
	return true;
}

static bool scan_container(ClientText *client, const JsonbContainer *container);

static bool
scan_child(ClientText *client, const Children *child)
{
	if (JBE_ISSTRING(child->entry))
	{
		client->size += escapes(child->string, child->length) + strlen("\"\"");
		return scan_bytes(client, child->string, child->length);
	}
	if (JBE_ISCONTAINER(child->entry))
		return scan_container(client, (const JsonbContainer *) child->value);
	client->size += JBE_ISNUMERIC(child->entry) ? numeric_text(child->value) : strlen("false");
	return true;
}

/* Counts ", " or ": " after each child. */
static bool
scan_container(ClientText *client, const JsonbContainer *container)
{
	Children children;

	begin_children(&children, container);
	client->size += strlen("[]") + children.count * strlen(", ");
	while (next_child(&children))
		if (!scan_child(client, &children))
			return false;
	return true;
}

bool
dgen_scan_jsonb(ClientText *client, Datum jsonb)
{
	return scan_container(client, &((Jsonb *) DatumGetPointer(jsonb))->root);
}

bool
dgen_scan_text(ClientText *client, Datum text)
{
	return scan_bytes(client, VARDATA_ANY(DatumGetPointer(text)),
					  VARSIZE_ANY_EXHDR(DatumGetPointer(text)));
}

/* ---- in words ---- */

/* The bytes of one character of the refused text, as far as they exist. */
static char *
hexadecimal(const ClientText *client)
{
	StringInfoData text;
	int length = client->server == PG_SQL_ASCII || client->bad_bytes == 1
					 ? 1
					 : pg_encoding_mblen(client->server, client->bad);

	initStringInfo(&text);
	for (int i = 0; i < Min(length, client->bad_bytes); i++)
		appendStringInfo(&text, "%s0x%02x", i > 0 ? " " : "", (unsigned char) client->bad[i]);
	return text.data;
}

char *
dgen_bad_text(const ClientText *client, const char *what, int *sqlstate)
{
	const char *encoding = pg_encoding_to_char(client->client);

	if (OidIsValid(client->conversion))
	{
		*sqlstate = ERRCODE_UNTRANSLATABLE_CHARACTER;
		return psprintf("%s has a character, %s, that the client's encoding \"%s\" lacks", what,
						hexadecimal(client), encoding);
	}
	*sqlstate = ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
	return psprintf("%s has a byte, %s, that is no text in the client's encoding \"%s\"", what,
					hexadecimal(client), encoding);
}

char *
dgen_bytes_text(Size bytes)
{
	if (bytes < 10 * 1024)
		return psprintf("%zu bytes", bytes);
	if (bytes < (Size) 10 * 1024 * 1024)
		return psprintf("%zu kB", bytes / 1024);
	return psprintf("%zu MB", bytes / (1024 * 1024));
}
