/*
 * Can a row be sent to this session's client? The size of its columns is checked in three steps of
 * increasing cost; see client_text.c.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/client_row.h"
#include "base/client_text.h"

void
dgen_client_row_add(ClientRow *row, const char *what, Datum value, bool json)
{
	if (value == (Datum) 0)
		return;
	row->pieces[row->count++] = (ClientPiece){what, value, json};
	row->raw += dgen_raw_size(value);
}

static void
detoast(ClientRow *row)
{
	for (int i = 0; i < row->count; i++)
		row->pieces[i].value = PointerGetDatum(PG_DETOAST_DATUM(row->pieces[i].value));
}

/* Reads no strings, and copies no short values. */
static void
bound_text(ClientRow *row)
{
	row->text = 0;
	for (int i = 0; i < row->count; i++)
	{
		ClientPiece *piece = &row->pieces[i];

		if (piece->json && dgen_is_toasted(piece->value))
			piece->value = PointerGetDatum(PG_DETOAST_DATUM(piece->value));
		row->text +=
			piece->json ? dgen_jsonb_text_bound(piece->value) : dgen_raw_size(piece->value);
	}
}

static void
fail_too_large(const ClientRow *row, const ClientPiece *largest, Size most, Unsendable *why)
{
	why->sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	why->hint = "A handler in the database can have it; or send less in one message.";
	why->error = psprintf("%s of %s%s is %s as text, more than the %s that a client is sent",
						  largest->what, dgen_bytes_text(dgen_raw_size(largest->value)),
						  row->count > 1 ? ", with what belongs to it," : "",
						  dgen_bytes_text(row->text), dgen_bytes_text(most));
}

/* Reads every byte. False: the row cannot be sent, and *why has the reason. */
static bool
scan(ClientText *client, ClientRow *row, Size most, Unsendable *why)
{
	const ClientPiece *largest = &row->pieces[0];
	Size largest_text = 0;

	client->size = 0;
	for (int i = 0; i < row->count; i++)
	{
		const ClientPiece *piece = &row->pieces[i];
		Size before = client->size;
		bool fits = piece->json ? dgen_scan_jsonb(client, piece->value)
								: dgen_scan_text(client, piece->value);

		if (!fits)
		{
			why->error = dgen_bad_text(client, piece->what, &why->sqlstate);
			why->hint =
				"Let the worker use client_encoding UTF8, or a handler in the database have it.";
			return false;
		}
		if (client->size - before > largest_text)
		{
			largest = piece;
			largest_text = client->size - before;
		}
	}
	row->text = client->size;
	if (row->text > most)
		fail_too_large(row, largest, most, why);
	return row->text <= most;
}

/* Uses the later steps (client_text.c). row->text is then the size of the text, or a bound of it. */
bool
dgen_client_row_measure(ClientText *client, ClientRow *row, Size most, Unsendable *why)
{
	if (!client->checks)
	{
		bound_text(row);
		if (row->text <= most)
			return true;
	}
	detoast(row);
	return scan(client, row, most, why);
}

/* Does not read small rows. */
bool
dgen_client_row_fits(ClientText *client, ClientRow *row, Size most, Unsendable *why)
{
	return (!client->checks && row->raw * DGEN_WORST_TEXT <= most) ||
		   dgen_client_row_measure(client, row, most, why);
}
