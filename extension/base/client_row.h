/*
 * Can a row be sent to the client of this session? (client_row.c)
 */
#ifndef DGEN_BASE_CLIENT_ROW_H
#define DGEN_BASE_CLIENT_ROW_H

#include "postgres.h"

#include "version/varlena.h"

struct ClientText;

#define DGEN_MOST_PIECES 7

/* A column of a row that can have any size. */
typedef struct ClientPiece
{
	const char *what;
	Datum value;
	bool json;
} ClientPiece;

typedef struct ClientRow
{
	ClientPiece pieces[DGEN_MOST_PIECES];
	int count;
	Size raw;
	Size text; /* at most */
} ClientRow;

/* Why it cannot be. */
typedef struct Unsendable
{
	int sqlstate; /* 54000, 22021 or 22P05 */
	char *error;
	const char *hint;
} Unsendable;

/* A value of 0 is none. */
extern void dgen_client_row_add(ClientRow *row, const char *what, Datum value, bool json);

/* Does not look at what is small. False: it cannot be sent, and why says it. */
extern bool dgen_client_row_fits(struct ClientText *client, ClientRow *row, Size most,
								 Unsendable *why);

/* The same; says how much text it is in any case, or a bound of that. */
extern bool dgen_client_row_measure(struct ClientText *client, ClientRow *row, Size most,
									Unsendable *why);

/* Compressed, or stored elsewhere. (What is stored elsewhere counts as short, too.) */
static inline bool
dgen_is_toasted(Datum value)
{
	Pointer pointer = DatumGetPointer(value);

	return VARATT_IS_EXTERNAL(pointer) || VARATT_IS_COMPRESSED(pointer);
}

#endif /* DGEN_BASE_CLIENT_ROW_H */
