/*
 * Can a value be sent as text to the client of this session, and how much text is it (client_text.c)?
 */
#ifndef DGEN_BASE_CLIENT_TEXT_H
#define DGEN_BASE_CLIENT_TEXT_H

#include "postgres.h"

/* Maximum size of a row of dgen.claim, or of a reply, as text: the server and libpq accept 1 GB. */
#define DGEN_MOST_TEXT ((Size) 512 * 1024 * 1024)

/* Maximum size of a value in a view. */
#define DGEN_MOST_SHOWN ((Size) 256 * 1024 * 1024)

/*
 * The text of a jsonb has at most so many times its size. The worst case is a number with 131072 digits
 * before the point and 16383 zeros after it: 147457 characters and a separator, in 14 bytes at least.
 */
#define DGEN_WORST_TEXT ((Size) 10600)

typedef struct ClientText
{
	int server; /* encodings */
	int client;
	MemoryContext context; /* of the buffer */
	bool checks;           /* the encodings differ: some text might not be sendable */
	Oid conversion;        /* if so; Invalid: none exists, or the server's is SQL_ASCII */
	unsigned char *buffer; /* NULL: nothing was converted yet */
	Size size;             /* of the texts scanned so far, in the client's encoding */
	const char *bad;       /* the part of the last text that cannot be sent */
	int bad_bytes;
} ClientText;

/* Needs a transaction. *client is valid as long as the current memory context. */
extern void dgen_client_text_begin(ClientText *client);

/* Neither fetches nor decompresses the value. */
extern Size dgen_raw_size(Datum value);

/*
 * At least the size of the jsonb as text; close to it for numbers, which it reads, unlike strings. The
 * value must not be toasted.
 */
extern Size dgen_jsonb_text_bound(Datum jsonb);

/*
 * Exact, except that a number can count as three characters too many. False: the client's encoding lacks
 * a character. The values must not be toasted.
 */
extern bool dgen_scan_jsonb(ClientText *client, Datum jsonb);
extern bool dgen_scan_text(ClientText *client, Datum text);

/* Returns why the last scan returned false, with its SQLSTATE; what: "message". */
extern char *dgen_bad_text(const ClientText *client, const char *what, int *sqlstate);

/* "81 kB" */
extern char *dgen_bytes_text(Size bytes);

#endif /* DGEN_BASE_CLIENT_TEXT_H */
