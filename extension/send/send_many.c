/*
 * Sends many messages in one statement: dgen.cast_many sends all or none; in dgen.send_many an invalid
 * message fails alone. Seqs are drawn in the order of the arrays.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "base/base.h"
#include "base/blame.h"
#include "base/errors.h"
#include "base/rights.h"
#include "send/bulk.h"
#include "send/idempotency.h"
#include "send/request.h"
#include "send/send.h"
#include "send/send_arrays.h"
#include "table/table.h"
#include "write/sequence.h"

PG_FUNCTION_INFO_V1(dgen_cast_many);
PG_FUNCTION_INFO_V1(dgen_send_many);

/* ---- all or none ---- */

static void
refuse_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name),
				 errhint("To send nothing, pass an empty array.")));
}

/* dgen.cast_many's parameters, in order */
enum CastManyParameter
{
	CAST_TYPE,
	CAST_KEYS,
	CAST_MESSAGES,
	CAST_IDEMPOTENCY_KEYS
};

typedef struct Casts
{
	const ActorType *type;
	Elements keys;
	Elements messages;
	Elements idempotency_keys;
} Casts;

static void
check_lengths(const Casts *casts, bool once)
{
	const int count = casts->messages.count;

	if (casts->keys.count != count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("arrays have different lengths: %d actor_keys, %d messages",
						casts->keys.count, count),
				 errhint("Give arrays of the same length. messages[i] goes to actor_keys[i].")));
	if (once && casts->idempotency_keys.count != count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arrays have different lengths: %d idempotency_keys, %d messages",
							   casts->idempotency_keys.count, count),
						errhint("Give a key or NULL for each message, or no array at all.")));
}

static void
check_cast(const Casts *casts, int i)
{
	bool key_is_null = casts->keys.nulls[i];

	if (key_is_null || casts->messages.nulls[i])
		ereport(ERROR, (errcode(key_is_null ? DGEN_ERR_INVALID_KEY : DGEN_ERR_INVALID_MESSAGE),
						errmsg("element %d of %s must not be null", i + 1,
							   key_is_null ? "actor_keys" : "messages"),
						errdetail("Nothing was sent.")));
	dgen_check_key((text *) DatumGetPointer(casts->keys.values[i]));
	if (dgen_has_element(&casts->idempotency_keys, i))
		dgen_check_idempotency_key((text *) DatumGetPointer(casts->idempotency_keys.values[i]));
}

/*
 * Draws the seqs of all messages, in array order, and takes the keys. Messages whose key was used before
 * get the seq 0. NULL: there are no keys.
 */
static int64 *
number_once(const Casts *casts)
{
	const int count = casts->idempotency_keys.count;
	int64 *seqs;
	KeyTaken *taken;
	int *places;
	int ntaken = 0;

	if (count == 0)
		return NULL;
	seqs = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(*seqs));
	taken = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(*taken));
	places = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(*places));
	for (int i = 0; i < count; i++)
	{
		KeyTaken *key = &taken[ntaken];

		CHECK_FOR_INTERRUPTS();
		seqs[i] = dgen_nextval(SEQUENCE_MESSAGE);
		if (!dgen_has_element(&casts->idempotency_keys, i))
			continue;
		key->type = casts->type;
		key->actor_key = DatumGetTextPP(casts->keys.values[i]);
		key->mailbox = dgen_mailbox_of(key->actor_key);
		key->key = DatumGetTextPP(casts->idempotency_keys.values[i]);
		key->id = seqs[i];
		places[ntaken++] = i;
	}
	dgen_take_idempotency_keys(taken, ntaken);
	for (int i = 0; i < ntaken; i++)
		if (taken[i].first != taken[i].id)
			seqs[places[i]] = 0;
	pfree(places);
	pfree(taken);
	return seqs;
}

/* Returns how many were sent. */
static int64
cast_all(const Casts *casts)
{
	Send send = {.type = casts->type, .kind = KIND_CAST, .sent_at = GetCurrentTimestamp()};
	int64 *seqs = number_once(casts);
	int64 sent = 0;
	Bulk bulk;

	dgen_bulk_begin(&bulk);
	for (int i = 0; i < casts->keys.count; i++)
	{
		send.seq = seqs != NULL ? seqs[i] : dgen_nextval(SEQUENCE_MESSAGE);
		if (send.seq == 0)
			continue;
		send.key = DatumGetTextPP(casts->keys.values[i]);
		send.message = casts->messages.values[i];
		dgen_bulk_message(&bulk, &send);
		sent++;
	}
	dgen_bulk_end(&bulk);
	return sent;
}

Datum
dgen_cast_many(PG_FUNCTION_ARGS)
{
	Casts casts;

	dgen_refuse_read_only(fcinfo);
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	casts.type = dgen_type_argument(fcinfo, CAST_TYPE);
	dgen_check_privilege(casts.type, dgen_calling_role(), PRIVILEGE_SEND);
	refuse_null(fcinfo, CAST_KEYS, "actor_keys");
	refuse_null(fcinfo, CAST_MESSAGES, "messages");
	dgen_get_elements(fcinfo, CAST_KEYS, TEXTOID, &casts.keys);
	dgen_get_elements(fcinfo, CAST_MESSAGES, JSONBOID, &casts.messages);
	dgen_get_elements(fcinfo, CAST_IDEMPOTENCY_KEYS, TEXTOID, &casts.idempotency_keys);
	check_lengths(&casts, !PG_ARGISNULL(CAST_IDEMPOTENCY_KEYS));
	for (int i = 0; i < casts.keys.count; i++)
		check_cast(&casts, i);
	PG_RETURN_INT64(casts.keys.count > 0 ? cast_all(&casts) : 0);
}

/* ---- each alone ---- */

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
	MANY_HEADERS,
	MANY_BRIEF
};

/* The result of an element. */
typedef struct Sent
{
	int64 id;
	ErrorData *error; /* NULL: none */
} Sent;

typedef struct Many
{
	MemoryContext context;
	TimestampTz sent_at;
	SendArrays arrays;
	Sent *sent;
	int count;
	int current; /* the element in progress; count: none */
} Many;

static void
send_element(Many *many, int i, Bulk *bulk)
{
	Send send;
	text *idempotency_key = dgen_get_send(&many->arrays, i, &send);

	if (bulk == NULL)
		return;
	if (!dgen_number_send(&send, idempotency_key, &many->sent[i].id))
	{
		dgen_bulk_flush(bulk); /* this statement might have sent the first one */
		if (send.kind == KIND_REQUEST)
			dgen_ask_again(&send, many->sent[i].id, idempotency_key, NULL, NULL);
		return;
	}
	send.sent_at = many->sent_at;
	dgen_bulk_message(bulk, &send);
	if (send.kind == KIND_REQUEST)
		dgen_bulk_request(bulk, &send, NULL, NULL, idempotency_key != NULL);
}

static void
send_range(Many *many, int from, int to, bool check_only)
{
	Bulk bulk;

	dgen_bulk_begin(&bulk);
	for (many->current = from; many->current < to; many->current++)
	{
		CHECK_FOR_INTERRUPTS();
		if (many->sent[many->current].error == NULL)
			send_element(many, many->current, check_only ? NULL : &bulk);
	}
	many->current = many->count;
	dgen_bulk_end(&bulk);
}

/* An error that any other message would also get fails the statement, and so does one without an element. */
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
 * Sends the elements of the range, or only checks them, in a subtransaction. Returns `to`, or the element
 * whose error rolled it back.
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
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_about_element(many, error))
			ReThrowError(error);
		failed = many->current;
		many->sent[failed].error = error;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(many->context);
	CurrentResourceOwner = owner;
	return failed;
}

/*
 * Sends all at once, which nearly always succeeds. If that fails, it checks all first, which writes
 * nothing, so the subtransactions cost other sessions nothing. An element that still fails splits the
 * rest in two parts, each small enough to be sent twice.
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
put_sent(ReturnSetInfo *result, const Sent *sent, int i)
{
	Datum values[5] = {0};
	bool nulls[5] = {true, true, true, true, false};

	values[4] = Int32GetDatum(i + 1);
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

static bool
is_request(const Many *many, int i)
{
	return dgen_has_element(&many->arrays.requests, i) &&
		   DatumGetBool(many->arrays.requests.values[i]);
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
	const bool brief = !PG_ARGISNULL(MANY_BRIEF) && PG_GETARG_BOOL(MANY_BRIEF);
	Many many = {.context = CurrentMemoryContext,
				 .sent_at = GetCurrentTimestamp(),
				 .arrays = {.prefix = "", .names = {"actor_types", "actor_keys"}}};

	dgen_refuse_read_only(fcinfo);
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
		if (!brief || many.sent[i].error != NULL || is_request(&many, i))
			put_sent((ReturnSetInfo *) fcinfo->resultinfo, &many.sent[i], i);
	return (Datum) 0;
}
