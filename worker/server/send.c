/*
 * A message to be sent: its texts as one piece of memory, and as elements of arrays.
 */
#include <string.h>

#include "base/memory.h"
#include "server/array.h"
#include "server/send.h"

static size_t
size_of(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

/* Copies the text to *room, moves *room behind it, and lets *text be the copy. */
static void
pack(char **room, const char **text, size_t length)
{
	if (*text == NULL)
		return;
	memcpy(*room, *text, length);
	(*room)[length] = '\0';
	*text = *room;
	*room += length + 1;
}

static void
pack_text(char **room, const char **text)
{
	pack(room, text, *text != NULL ? strlen(*text) : 0);
}

/* The memory begins with type. */
int
dgen__send_copy(dgen__send *send, size_t message_length)
{
	size_t size = size_of(send->type) + size_of(send->key) + message_length + 1 +
				  size_of(send->correlation) + size_of(send->idempotency_key) +
				  size_of(send->headers);
	char *room = dgen__malloc(size);

	if (room == NULL)
		return DGEN_ENOMEM;
	pack_text(&room, &send->type);
	pack_text(&room, &send->key);
	pack(&room, &send->message, message_length);
	pack_text(&room, &send->correlation);
	pack_text(&room, &send->idempotency_key);
	pack_text(&room, &send->headers);
	return 0;
}

void
dgen__send_free(dgen__send *send)
{
	dgen__free((char *) send->type);
}

void
dgen__send_encode(const dgen__send *send, size_t message_length, const dgen__send_arrays *arrays)
{
	dgen__array_text_or_null(arrays->types, send->type);
	dgen__array_text_or_null(arrays->keys, send->key);
	dgen__array_text(arrays->messages, send->message, message_length);
	if (send->request)
		dgen__array_bool(arrays->requests, true);
	else
		dgen__array_null(arrays->requests);
	if (send->delay_ms > 0)
		dgen__array_int8(arrays->delays_ms, send->delay_ms);
	else
		dgen__array_null(arrays->delays_ms);
	if (send->priority != 0)
		dgen__array_int4(arrays->priorities, send->priority);
	else
		dgen__array_null(arrays->priorities);
	dgen__array_text_or_null(arrays->idempotency_keys, send->idempotency_key);
	dgen__array_text_or_null(arrays->headers, send->headers);
}
