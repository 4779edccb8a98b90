/*
 * What the client of this session can be sent as text, and how much text a value is (client_text.c).
 */
#ifndef DGEN_BASE_CLIENT_TEXT_H
#define DGEN_BASE_CLIENT_TEXT_H

#include "postgres.h"

/* Maximum size of a row of dgen.claim, or of a reply, as text: the server and libpq accept 1 GB. */
#define DGEN_MOST_TEXT ((Size) 512 * 1024 * 1024)

/* And a value in a view. */
#define DGEN_MOST_SHOWN ((Size) 256 * 1024 * 1024)

/*
 * No jsonb has more text than so many times its size. It is the number with 131072 digits before the
 * point and 16383 behind it that are zeros: 147457 characters, a separator, and 14 bytes at least.
 */
#define DGEN_WORST_TEXT ((Size) 10600)

typedef struct ClientText
{
	int server; /* encodings */
	int client;
	MemoryContext context; /* of the buffer */
	bool checks;           /* is there text that the client cannot be sent? */
	Oid conversion;        /* if so; Invalid: there is none, the text is as it is or is none */
	unsigned char *buffer; /* NULL: nothing was converted yet */
	Size size;             /* of the texts scanned so far, as the client gets them */
	const char *bad;       /* what cannot be sent, in the text scanned last */
	int bad_bytes;
} ClientText;

/* Needs a transaction. It is good for as long as the current memory context. */
extern void dgen_client_text_begin(ClientText *client);

/* Neither fetches nor decompresses. */
extern Size dgen_raw_size(Datum value);

/*
 * No less than what the jsonb is as text, and not much more for its numbers; reads no strings. The value
 * is neither compressed nor stored elsewhere.
 */
extern Size dgen_jsonb_text_bound(Datum jsonb);

/* Exact, but for up to three characters too many of each number. False: the client lacks something of it. The values are not toasted. */
extern bool dgen_scan_jsonb(ClientText *client, Datum jsonb);
extern bool dgen_scan_text(ClientText *client, Datum text);

/* Why the last scan returned false, with its SQLSTATE; what: "message". */
extern char *dgen_bad_text(const ClientText *client, const char *what, int *sqlstate);

/* "81 kB" */
extern char *dgen_bytes_text(Size bytes);

#endif /* DGEN_BASE_CLIENT_TEXT_H */
