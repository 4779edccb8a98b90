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

/* Why the row cannot be sent. */
typedef struct Unsendable
{
	int sqlstate; /* 54000, 22021 or 22P05 */
	char *error;
	const char *hint;
} Unsendable;

/* Ignores a value of 0. */
extern void dgen_client_row_add(ClientRow *row, const char *what, Datum value, bool json);

/* Does not read small rows. False: the row cannot be sent, and *why has the reason. */
extern bool dgen_client_row_fits(struct ClientText *client, ClientRow *row, Size most,
								 Unsendable *why);

/* The same for rows of any size; row->text is then the size of the text, or a bound of it. */
extern bool dgen_client_row_measure(struct ClientText *client, ClientRow *row, Size most,
									Unsendable *why);

/* Is the value compressed or stored out of line? (VARATT_IS_SHORT is also true for the latter.) */
static inline bool
dgen_is_toasted(Datum value)
{
	Pointer pointer = DatumGetPointer(value);

	return VARATT_IS_EXTERNAL(pointer) || VARATT_IS_COMPRESSED(pointer);
}

#endif /* DGEN_BASE_CLIENT_ROW_H */
