/*
 * Many messages in one statement: dgen.cast_many, which sends all or none, and
 * dgen.send_many, in which a bad one fails alone.
 *
 * Rows are put into the tables many at a time, which saves WAL and page locks. Their
 * order there does not matter: the sequence numbers are drawn in the order of the arrays.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dgen_cast_many);
PG_FUNCTION_INFO_V1(dgen_send_many);

/* ---- rows on their way to a table ---- */

#define MANY_ROWS 100

typedef struct Rows
{
	DgenTable table;
	DgenWriter writer; /* open once there is a row */
	TupleTableSlot *slots[MANY_ROWS];
	int nslots;
	int count;
} Rows;

/* The memory that rows refer to is the caller's until they are flushed. */
static TupleTableSlot *
next_row(Rows *rows)
{
	if (rows->nslots == 0)
		dgen_writer_open(&rows->writer, rows->table);
	if (rows->count == rows->nslots)
		rows->slots[rows->nslots++] =
			MakeSingleTupleTableSlot(RelationGetDescr(rows->writer.heap), &TTSOpsHeapTuple);
	return ExecClearTuple(rows->slots[rows->count]);
}

static void
add_row(Rows *rows)
{
	ExecStoreVirtualTuple(rows->slots[rows->count++]);
}

static void
flush_rows(Rows *rows)
{
	if (rows->count > 0)
		dgen_writer_insert_many(&rows->writer, rows->slots, rows->count);
	rows->count = 0;
}

static void
close_rows(Rows *rows)
{
	for (int i = 0; i < rows->nslots; i++)
		ExecDropSingleTupleTableSlot(rows->slots[i]);
	if (rows->nslots > 0)
		dgen_writer_close(&rows->writer);
}

typedef struct Bulk
{
	MemoryContext context; /* of the Bulk */
	MemoryContext chunk;   /* of what the rows are made of */
	Rows messages;
	Rows requests;
} Bulk;

static void
begin_bulk(Bulk *bulk)
{
	memset(bulk, 0, sizeof(*bulk));
	bulk->context = CurrentMemoryContext;
	bulk->chunk = AllocSetContextCreate(CurrentMemoryContext, "dgen bulk", ALLOCSET_DEFAULT_SIZES);
	bulk->messages.table = TABLE_MESSAGE;
	bulk->requests.table = TABLE_REQUEST;
}

static void
flush_bulk(Bulk *bulk)
{
	MemoryContextSwitchTo(bulk->chunk);
	flush_rows(&bulk->messages);
	flush_rows(&bulk->requests);
	MemoryContextSwitchTo(bulk->context);
	MemoryContextReset(bulk->chunk);
}

static void
end_bulk(Bulk *bulk)
{
	flush_bulk(bulk);
	close_rows(&bulk->messages);
	close_rows(&bulk->requests);
	MemoryContextDelete(bulk->chunk);
}

/* The message has its number; one for later goes its own way. */
static void
add_message(Bulk *bulk, const Send *send)
{
	int64 mailbox;
	TupleTableSlot *slot;

	if (send->not_before != 0)
	{
		(void) dgen_send(send);
		return;
	}
	mailbox = dgen_mailbox_of(send->key);
	slot = next_row(&bulk->messages);
	MemoryContextSwitchTo(bulk->chunk);
	dgen_message_row(send, mailbox, send->seq, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(bulk->context);
	add_row(&bulk->messages);
	dgen_wakeup_sent(send->type->id, mailbox);
}

static void
add_request(Bulk *bulk, const Send *send, bool keep)
{
	TupleTableSlot *slot = next_row(&bulk->requests);

	dgen_request_row(send, send->seq, NULL, NULL, keep, slot->tts_values, slot->tts_isnull);
	add_row(&bulk->requests);
}

/* ---- all or none ---- */

static void
refuse_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s is NULL", name),
						errhint("An empty array sends nothing.")));
}

static void
check_pair(const Elements *keys, const Elements *messages, int i)
{
	bool key_is_null = keys->nulls[i];

	if (key_is_null || messages->nulls[i])
		ereport(ERROR,
				(errcode(key_is_null ? DGEN_ERR_INVALID_KEY : DGEN_ERR_INVALID_MESSAGE),
				 errmsg("element %d of %s is NULL", i + 1, key_is_null ? "actor_keys" : "messages"),
				 errhint("Nothing was sent.")));
	dgen_check_key((text *) DatumGetPointer(keys->values[i]));
}

static void
cast_all(const ActorType *type, const Elements *keys, const Elements *messages)
{
	Send send = {.type = type, .kind = KIND_CAST, .sent_at = GetCurrentTimestamp()};
	Bulk bulk;

	begin_bulk(&bulk);
	for (int i = 0; i < keys->count; i++)
	{
		send.key = DatumGetTextPP(keys->values[i]);
		send.message = messages->values[i];
		send.seq = dgen_nextval(SEQUENCE_MESSAGE);
		add_message(&bulk, &send);
		if (bulk.messages.count == MANY_ROWS)
			flush_bulk(&bulk);
	}
	end_bulk(&bulk);
}

Datum
dgen_cast_many(PG_FUNCTION_ARGS)
{
	const ActorType *type;
	Elements keys, messages;

	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	type = dgen_type_argument(fcinfo, 0);
	dgen_check_privilege(type, dgen_calling_role(), PRIVILEGE_SEND);
	refuse_null(fcinfo, 1, "actor_keys");
	refuse_null(fcinfo, 2, "messages");
	dgen_get_elements(fcinfo, 1, TEXTOID, &keys);
	dgen_get_elements(fcinfo, 2, JSONBOID, &messages);
	if (keys.count != messages.count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d actor keys for %d messages", keys.count, messages.count),
				 errhint("Give arrays of the same length: messages[i] goes to actor_keys[i].")));
	for (int i = 0; i < keys.count; i++)
		check_pair(&keys, &messages, i);
	if (keys.count > 0)
		cast_all(type, &keys, &messages);
	PG_RETURN_INT64(keys.count);
}

/* ---- each for itself ---- */

/* dgen.send_many's parameters, in order */
enum SendManyParameter
{
	MANY_TYPES,
	MANY_KEYS,
	MANY_MESSAGES,
	MANY_REQUESTS,
	MANY_DELAYS_MS,
	MANY_PRIORITIES,
	MANY_IDEMPOTENCY_KEYS,
	MANY_HEADERS
};

/* What became of an element. */
typedef struct Sent
{
	int64 id;
	ErrorData *error; /* NULL: none */
} Sent;

typedef struct Many
{
	MemoryContext context;
	SendArrays arrays;
	Sent *sent;
	int count;
	int current; /* the element that is being sent; count: none is to blame */
} Many;

static void
send_element(Many *many, int i, Bulk *bulk)
{
	Send send;
	text *idempotency_key = dgen_get_send(&many->arrays, i, &send);

	if (bulk == NULL || !dgen_number_send(&send, idempotency_key, &many->sent[i].id))
		return;
	add_message(bulk, &send);
	if (send.kind == KIND_REQUEST)
		add_request(bulk, &send, idempotency_key != NULL);
	if (bulk->messages.count == MANY_ROWS || bulk->requests.count == MANY_ROWS)
		flush_bulk(bulk);
}

static void
send_range(Many *many, int from, int to, bool check_only)
{
	Bulk bulk;

	begin_bulk(&bulk);
	for (many->current = from; many->current < to; many->current++)
		if (many->sent[many->current].error == NULL)
			send_element(many, many->current, check_only ? NULL : &bulk);
	many->current = many->count;
	end_bulk(&bulk);
}

/* Errors that would meet any other message, too, are the statement's; so is one that no element has. */
static bool
is_about_element(const Many *many, const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_INVALID_TRANSACTION_STATE):
		case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
		case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
		case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
		case ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR):
			return false;
		default:
			return many->current < many->count && !dgen_is_blameless(error);
	}
}

/*
 * Sends the elements of the range, or only checks them, in a subtransaction. Returns `to`,
 * or the element whose error undid it all.
 */
static int
try_range(Many *many, int from, int to, bool check_only)
{
	ResourceOwner owner = CurrentResourceOwner;
	volatile int failed = to;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(many->context);
	PG_TRY();
	{
		send_range(many, from, to, check_only);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(many->context);
		error = CopyErrorData();
		if (!is_about_element(many, error))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		failed = many->current;
		many->sent[failed].error = error;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(many->context);
	CurrentResourceOwner = owner;
	return failed;
}

/*
 * All at once, which is what nearly always works. If not, all are checked first: that
 * writes nothing, so its subtransactions cost others nothing. What then still fails cuts
 * what is to be sent in two: each half is small enough to be sent twice.
 */
static void
send_all(Many *many)
{
	int count = many->count;
	int failed = try_range(many, 0, count, false);

	if (failed == count)
		return;
	while (failed < count)
		failed = try_range(many, failed + 1, count, true);
	for (int from = 0; from < count; from = failed + 1)
	{
		CHECK_FOR_INTERRUPTS();
		failed = try_range(many, from, count, false);
		while (failed < count && failed > from)
		{
			int again = try_range(many, from, failed, false);

			if (again == failed)
				break;
			failed = again;
		}
	}
}

static void
put_sent(ReturnSetInfo *result, const Sent *sent)
{
	Datum values[4] = {0};
	bool nulls[4] = {true, true, true, true};

	if (sent->error == NULL)
	{
		values[0] = Int64GetDatum(sent->id);
		nulls[0] = false;
	}
	else
	{
		values[1] = CStringGetTextDatum(sent->error->message);
		values[2] = CStringGetTextDatum(unpack_sql_state(sent->error->sqlerrcode));
		nulls[1] = nulls[2] = false;
		nulls[3] = sent->error->hint == NULL;
		if (!nulls[3])
			values[3] = CStringGetTextDatum(sent->error->hint);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
dgen_send_many(PG_FUNCTION_ARGS)
{
	static const SendArguments arguments = {
		.types = MANY_TYPES,
		.keys = MANY_KEYS,
		.messages = MANY_MESSAGES,
		.requests = MANY_REQUESTS,
		.delays = MANY_DELAYS_MS,
		.priorities = MANY_PRIORITIES,
		.idempotency_keys = MANY_IDEMPOTENCY_KEYS,
		.headers = MANY_HEADERS,
	};
	Many many = {.context = CurrentMemoryContext,
				 .arrays = {.prefix = "", .names = {"actor_types", "actor_keys"}}};

	InitMaterializedSRF(fcinfo, 0);
	refuse_null(fcinfo, MANY_TYPES, "actor_types");
	refuse_null(fcinfo, MANY_KEYS, "actor_keys");
	refuse_null(fcinfo, MANY_MESSAGES, "messages");
	dgen_get_send_arrays(fcinfo, &arguments, &many.arrays);
	many.count = many.arrays.messages.count;
	many.sent = palloc0(many.count * sizeof(Sent) + 1);
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	if (many.count > 0)
		send_all(&many);
	for (int i = 0; i < many.count; i++)
		put_sent((ReturnSetInfo *) fcinfo->resultinfo, &many.sent[i]);
	return (Datum) 0;
}
