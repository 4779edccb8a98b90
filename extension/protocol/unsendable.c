/*
 * Messages that cannot be sent to the client that claims them. The server converts the rows to text
 * only after dgen.claim has returned. One row that fails then would fail all of them, with every
 * claim. So such a message has a failed attempt instead, in the transaction of the claim, and dgen
 * returns the others.
 *
 * The text of all rows of a batch is also limited, because the client holds them in memory.
 */
#include "postgres.h"

#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "actor/batch.h"
#include "base/client_row.h"
#include "base/client_text.h"
#include "claim/suspect.h"
#include "commit/failure.h"
#include "locked/locked.h"
#include "own/rate.h"
#include "protocol/protocol.h"
#include "wake/held_locks.h"

/*
 * The text of a batch can be this many times dgen.batch_bytes. Ordinary JSON has at most about half
 * of it.
 */
#define BATCH_TEXT 8

/* A message up to this size that had to be decompressed stays so for the client. */
#define KEPT_BYTES (1024 * 1024)

typedef struct Checks
{
	ClientText client;
	MemoryContext scratch; /* of one row */
	Batch *batch;
	Size most; /* text of the batch */
	Size text; /* so far */
} Checks;

/* ---- a row ---- */

typedef void (*Visit)(ClientRow *row, const char *what, Datum value, bool json);

/*
 * The state of the actor counts even if the client holds it: the client might have to ask for it
 * again.
 */
static pg_attribute_always_inline void
visit_pieces(const BatchActor *actor, int n, ClientRow *row, Visit visit)
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
gather(const BatchActor *actor, int n, ClientRow *row)
{
	row->count = 0;
	row->raw = 0;
	visit_pieces(actor, n, row, dgen_client_row_add);
}

/* A toasted value needs a check of its own: it counts as too much. */
static pg_attribute_always_inline void
add_bound(ClientRow *row, const char *what, Datum value, bool json)
{
	if (value == (Datum) 0)
		return;
	if (dgen_is_toasted(value))
		row->text = MaxAllocHugeSize;
	else
		row->text += json ? dgen_jsonb_text_bound(value)
						  : VARSIZE_ANY_EXHDR(DatumGetPointer(value)) + VARHDRSZ;
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

static Failure
failure_of(const Unsendable *why)
{
	return (Failure){
		.error = why->error,
		.sqlstate = pstrdup(unpack_sql_state(why->sqlstate)),
		.hint = why->hint,
		.unsendable = true,
	};
}

/*
 * The first message of the actor has a failed attempt. The next one can continue if that was the
 * last attempt.
 */
static void
fail_first(Checks *checks, BatchActor *actor, const Unsendable *why)
{
	Failure failure = failure_of(why);
	bool dead = dgen_record_failure(actor, &actor->messages[0], &failure);

	dgen_absolve(actor, 1);
	actor->messages++;
	actor->nmessages--;
	checks->batch->nmessages--;
	if (!dead)
		leave_out(checks, actor, 0);
}

/* A value that was decompressed for the check need not be decompressed again to be sent. */
static void
keep_detoasted(const Checks *checks, BatchMessage *message, const ClientRow *row)
{
	Datum value = row->pieces[0].value;

	if (!dgen_is_toasted(message->message) || dgen_is_toasted(value) ||
		VARSIZE(DatumGetPointer(value)) > KEPT_BYTES)
		return;
	MemoryContextSwitchTo(checks->batch->context);
	message->message = datumCopy(value, false, -1);
	MemoryContextSwitchTo(checks->scratch);
}

/* This is enough for nearly all messages. It is bound_text without the pieces. */
static bool
is_small(Checks *checks, const BatchActor *actor, int n)
{
	ClientRow row;

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
		Unsendable why;
		ClientRow row;

		if (is_small(checks, actor, n))
		{
			n++;
			continue;
		}
		MemoryContextReset(checks->scratch);
		gather(actor, n, &row);
		if (!dgen_client_row_measure(&checks->client, &row, DGEN_MOST_TEXT, &why))
		{
			if (n > 0)
			{
				leave_out(checks, actor, n); /* it comes first with the next claim */
				return true;
			}
			fail_first(checks, actor, &why);
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
	Unsendable why;
	Checks checks;
	bool fits;
	ClientRow row;

	begin_checks(&checks, batch);
	MemoryContextSwitchTo(checks.scratch);
	gather(&batch->actors[0], 0, &row);
	fits = dgen_client_row_fits(&checks.client, &row, DGEN_MOST_TEXT, &why);
	MemoryContextSwitchTo(old);
	if (!fits)
	{
		Failure failure = failure_of(&why);

		dgen_part_fail(&failure);
	}
	MemoryContextDelete(checks.scratch);
	return fits;
}
