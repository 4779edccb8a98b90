/*
 * What cannot be sent to the client that claims it. The server makes text of the rows only when
 * dgen.claim has returned, and one that fails then would fail all of them, with every claim. So
 * such a message has a failed attempt instead, in the transaction of the claim, and the others go on.
 *
 * And the rows of a batch together are bounded as text, too: the client has them in memory.
 */
#include "reply/answer.h"
#include "base/client_text.h"
#include "dgen_ext.h"

#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* Text of a batch may have so many times dgen.batch_bytes. Ordinary JSON has at most about the half of it. */
#define BATCH_TEXT 8

/* A message up to this size that had to be decompressed stays so for the client. */
#define KEPT_BYTES (1024 * 1024)

#define MOST_PIECES 7

/* A column of a row that is as large as somebody has made it. */
typedef struct Piece
{
	const char *what;
	Datum value;
	bool json;
} Piece;

typedef struct Row
{
	Piece pieces[MOST_PIECES];
	int count;
	Size raw;
	Size text; /* at most */
} Row;

typedef struct Checks
{
	ClientText client;
	MemoryContext scratch; /* of one row */
	Batch *batch;
	Size most; /* text of the batch */
	Size text; /* so far */
} Checks;

/* ---- a row ---- */

static void
add_piece(Row *row, const char *what, Datum value, bool json)
{
	if (value == (Datum) 0)
		return;
	row->pieces[row->count++] = (Piece){what, value, json};
	row->raw += dgen_raw_size(value);
}

typedef void (*Visit)(Row *row, const char *what, Datum value, bool json);

/* The state is that of the actor also where the client holds it: it may have to ask for it again. */
static pg_attribute_always_inline void
visit_pieces(const BatchActor *actor, int n, Row *row, Visit visit)
{
	const BatchMessage *message = &actor->messages[n];

	visit(row, "message", message->message, true);
	if (n == 0)
		visit(row, "state", JsonbPGetDatum(actor->state), true);
	visit(row, "actor key", PointerGetDatum(actor->key), false);
	visit(row, "headers", message->headers, true);
	visit(row, "correlation", message->correlation, false);
	visit(row, "error", message->error, false);
	visit(row, "SQLSTATE", message->sqlstate, false);
}

static void
gather(const BatchActor *actor, int n, Row *row)
{
	row->count = 0;
	row->raw = 0;
	visit_pieces(actor, n, row, add_piece);
}

static void
detoast(Row *row)
{
	for (int i = 0; i < row->count; i++)
		row->pieces[i].value = PointerGetDatum(PG_DETOAST_DATUM(row->pieces[i].value));
}

/* Compressed, or stored elsewhere. (What is stored elsewhere counts as short, too.) */
static bool
is_toasted(Datum value)
{
	Pointer pointer = DatumGetPointer(value);

	return VARATT_IS_EXTERNAL(pointer) || VARATT_IS_COMPRESSED(pointer);
}

/* Strings are not read, and what is short is not copied. */
static void
bound_text(Row *row)
{
	row->text = 0;
	for (int i = 0; i < row->count; i++)
	{
		Piece *piece = &row->pieces[i];

		if (piece->json && is_toasted(piece->value))
			piece->value = PointerGetDatum(PG_DETOAST_DATUM(piece->value));
		row->text +=
			piece->json ? dgen_jsonb_text_bound(piece->value) : dgen_raw_size(piece->value);
	}
}

/* What is toasted needs a look of its own: it counts as too much. */
static pg_attribute_always_inline void
add_bound(Row *row, const char *what, Datum value, bool json)
{
	if (value == (Datum) 0)
		return;
	if (is_toasted(value))
		row->text = MaxAllocHugeSize;
	else
		row->text += json ? dgen_jsonb_text_bound(value)
						  : VARSIZE_ANY_EXHDR(DatumGetPointer(value)) + VARHDRSZ;
}

static void
fail_with(Failure *failure, int sqlstate, const char *error, const char *hint)
{
	memset(failure, 0, sizeof(*failure));
	failure->error = error;
	failure->sqlstate = pstrdup(unpack_sql_state(sqlstate));
	failure->hint = hint;
	failure->unsendable = true;
}

static void
fail_too_large(const Row *row, const Piece *largest, Size most, Failure *failure)
{
	char *error = psprintf("%s of %s%s is %s as text, more than the %s that a client is sent",
						   largest->what, dgen_bytes_text(dgen_raw_size(largest->value)),
						   row->count > 1 ? ", with what belongs to it," : "",
						   dgen_bytes_text(row->text), dgen_bytes_text(most));

	fail_with(failure, ERRCODE_PROGRAM_LIMIT_EXCEEDED, error,
			  "A handler in the database can have it; or send less in one message.");
}

/* Reads every byte. False: it cannot be sent, and failure says why. */
static bool
scan(ClientText *client, Row *row, Size most, Failure *failure)
{
	const Piece *largest = &row->pieces[0];
	Size largest_text = 0;

	client->size = 0;
	for (int i = 0; i < row->count; i++)
	{
		const Piece *piece = &row->pieces[i];
		Size before = client->size;
		bool fits = piece->json ? dgen_scan_jsonb(client, piece->value)
								: dgen_scan_text(client, piece->value);

		if (!fits)
		{
			int sqlstate;
			char *error = dgen_bad_text(client, piece->what, &sqlstate);

			fail_with(
				failure, sqlstate, error,
				"Let the worker use client_encoding UTF8, or a handler in the database have it.");
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
		fail_too_large(row, largest, most, failure);
	return row->text <= most;
}

/* In steps that cost more and more, see client_text.c. Says how much text it is, or a bound of that. */
static bool
measure(ClientText *client, Row *row, Size most, Failure *failure)
{
	if (!client->checks)
	{
		bound_text(row);
		if (row->text <= most)
			return true;
	}
	detoast(row);
	return scan(client, row, most, failure);
}

/* Does not look at what is small. */
static bool
can_be_sent(ClientText *client, Row *row, Size most, Failure *failure)
{
	return (!client->checks && row->raw * DGEN_WORST_TEXT <= most) ||
		   measure(client, row, most, failure);
}

/* ---- a batch ---- */

/* What is left out stays in its mailbox, for another claim. */
static void
leave_out(Checks *checks, BatchActor *actor, int from)
{
	int count = actor->nmessages - from;

	if (count == 0)
		return;
	actor->nmessages = from;
	checks->batch->nmessages -= count;
	dgen_wakeup_undrained(actor->held);
	if (checks->batch->has_rate)
		dgen_give_back_turns(actor->type, count);
}

/* The first message of the actor has a failed attempt. The next one may go on if that was the last. */
static void
fail_first(Checks *checks, BatchActor *actor, const Failure *failure)
{
	bool dead = dgen_record_failure(actor, &actor->messages[0], failure);

	dgen_absolve(actor, 1);
	actor->messages++;
	actor->nmessages--;
	checks->batch->nmessages--;
	if (!dead)
		leave_out(checks, actor, 0);
}

/* What was decompressed to be looked at need not be again to be sent. */
static void
keep_detoasted(const Checks *checks, BatchMessage *message, const Row *row)
{
	Datum value = row->pieces[0].value;

	if (!is_toasted(message->message) || is_toasted(value) ||
		VARSIZE(DatumGetPointer(value)) > KEPT_BYTES)
		return;
	MemoryContextSwitchTo(checks->batch->context);
	message->message = datumCopy(value, false, -1);
	MemoryContextSwitchTo(checks->scratch);
}

/* Of nearly all messages no more has to be known. It is bound_text without the pieces. */
static bool
is_small(Checks *checks, const BatchActor *actor, int n)
{
	Row row;

	if (checks->client.checks)
		return false;
	row.text = checks->text;
	visit_pieces(actor, n, &row, add_bound);
	if (row.text > checks->most)
		return false;
	checks->text = row.text;
	return true;
}

/* False: the batch has enough. */
static bool
check_actor(Checks *checks, BatchActor *actor)
{
	int n = 0;

	while (n < actor->nmessages)
	{
		Size room = checks->most > checks->text ? checks->most - checks->text : 0;
		Failure failure;
		Row row;

		if (is_small(checks, actor, n))
		{
			n++;
			continue;
		}
		MemoryContextReset(checks->scratch);
		gather(actor, n, &row);
		if (!measure(&checks->client, &row, DGEN_MOST_TEXT, &failure))
		{
			if (n > 0)
			{
				leave_out(checks, actor, n); /* it comes first with the next claim */
				return true;
			}
			fail_first(checks, actor, &failure);
			continue;
		}
		if (row.text > room && checks->text > 0)
		{
			leave_out(checks, actor, n);
			return false;
		}
		keep_detoasted(checks, &actor->messages[n], &row);
		checks->text += row.text;
		n++;
	}
	return true;
}

static void
drop_empty(Batch *batch)
{
	int kept = 0;

	for (int i = 0; i < batch->nactors; i++)
		if (batch->actors[i].nmessages > 0)
			batch->actors[kept++] = batch->actors[i];
	batch->nactors = kept;
}

static void
begin_checks(Checks *checks, Batch *batch)
{
	memset(checks, 0, sizeof(*checks));
	dgen_client_text_begin(&checks->client);
	checks->batch = batch;
	checks->scratch =
		AllocSetContextCreate(CurrentMemoryContext, "dgen unsendable", ALLOCSET_DEFAULT_SIZES);
}

void
dgen_check_batch(Batch *batch, Size bytes)
{
	MemoryContext old = CurrentMemoryContext;
	Checks checks;
	bool more = true;

	if (batch->nactors == 0)
		return;
	begin_checks(&checks, batch);
	checks.most = Min(bytes, DGEN_MOST_TEXT / BATCH_TEXT) * BATCH_TEXT;
	MemoryContextSwitchTo(checks.scratch);
	for (int i = 0; i < batch->nactors; i++)
		if (more)
			more = check_actor(&checks, &batch->actors[i]);
		else
			leave_out(&checks, &batch->actors[i], 0);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(checks.scratch);
	drop_empty(batch);
}

/* A locked part is one row. False: it has a failed attempt. */
bool
dgen_check_part(Batch *batch)
{
	MemoryContext old = CurrentMemoryContext;
	Failure failure;
	Checks checks;
	bool fits;
	Row row;

	begin_checks(&checks, batch);
	MemoryContextSwitchTo(checks.scratch);
	gather(&batch->actors[0], 0, &row);
	fits = can_be_sent(&checks.client, &row, DGEN_MOST_TEXT, &failure);
	MemoryContextSwitchTo(old);
	if (!fits)
		dgen_part_fail(&failure);
	MemoryContextDelete(checks.scratch);
	return fits;
}

/* ---- a reply ---- */

void
dgen_check_answer(Answer *answer)
{
	ClientText client;
	Failure failure;
	Row row = {0};

	if (!answer->done || answer->failed)
		return;
	dgen_client_text_begin(&client);
	add_piece(&row, "reply", answer->reply, true);
	if (can_be_sent(&client, &row, DGEN_MOST_TEXT, &failure))
		return;
	answer->failed = true;
	answer->error = (char *) failure.error;
	answer->hint = (char *) failure.hint;
	answer->sqlstate = MAKE_SQLSTATE(failure.sqlstate[0], failure.sqlstate[1], failure.sqlstate[2],
									 failure.sqlstate[3], failure.sqlstate[4]);
}

/* ---- in views ---- */

PG_FUNCTION_INFO_V1(dgen_show_jsonb);
PG_FUNCTION_INFO_V1(dgen_show_text);

static Datum
json_string(const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = pstrdup(text);
	value.val.string.len = strlen(text);
	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

/*
 * What stands in place of a value that a reader cannot be sent; NULL: it can be. A handler is no
 * client, whoever has called it.
 */
static char *
placeholder(const char *what, Datum value, bool json, bool any_encoding)
{
	ClientText client;
	Failure failure;
	Row row = {0};

	if (dgen_in_handler())
		return NULL;
	dgen_client_text_begin(&client);
	if (any_encoding)
		client.checks = false;
	add_piece(&row, what, value, json);
	if (can_be_sent(&client, &row, DGEN_MOST_SHOWN, &failure))
		return NULL;
	return psprintf("(%s)", failure.error);
}

/* For programs in the database, too: only what no client can be sent is replaced. */
Datum
dgen_show_state(Datum state)
{
	char *shown = placeholder("state", state, true, true);

	return shown == NULL ? state : json_string(shown);
}

Datum
dgen_show_key(text *key)
{
	char *shown = placeholder("actor key", PointerGetDatum(key), false, false);

	return shown == NULL ? PointerGetDatum(key) : CStringGetTextDatum(shown);
}

Datum
dgen_show_jsonb(PG_FUNCTION_ARGS)
{
	char *shown = placeholder(PG_GETARG_CSTRING(1), PG_GETARG_DATUM(0), true, false);

	PG_RETURN_DATUM(shown == NULL ? PG_GETARG_DATUM(0) : json_string(shown));
}

Datum
dgen_show_text(PG_FUNCTION_ARGS)
{
	char *shown = placeholder(PG_GETARG_CSTRING(1), PG_GETARG_DATUM(0), false, false);

	PG_RETURN_DATUM(shown == NULL ? PG_GETARG_DATUM(0) : CStringGetTextDatum(shown));
}
