/*
 * Messages to send as parallel arrays, one element each: what dgen.send_many and
 * dgen.commit_turns take.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "base/delay.h"
#include "base/errors.h"
#include "base/rights.h"
#include "send/send.h"
#include "send/send_arrays.h"

/* ---- arrays ---- */

void
dgen_get_elements(FunctionCallInfo fcinfo, int n, Oid type, Elements *elements)
{
	int16 length;
	bool by_value;
	char align;

	memset(elements, 0, sizeof(*elements));
	if (PG_ARGISNULL(n))
		return;
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), type, length, by_value, align, &elements->values,
					  &elements->nulls, &elements->count);
}

char *
dgen_element_text(const Elements *elements, int i)
{
	return dgen_has_element(elements, i) ? TextDatumGetCString(elements->values[i]) : NULL;
}

bool
dgen_element_is_true(const Elements *elements, int i)
{
	return dgen_has_element(elements, i) && DatumGetBool(elements->values[i]);
}

/* Returns the given code, unless the function uses one code for all errors. */
static int
code_of(const SendArrays *arrays, int code)
{
	return arrays->errcode != 0 ? arrays->errcode : code;
}

static void
get_more(FunctionCallInfo fcinfo, int n, Oid type, const char *name, const SendArrays *arrays,
		 Elements *elements)
{
	dgen_get_elements(fcinfo, n, type, elements);
	if (elements->count == 0 || elements->count == arrays->messages.count)
		return;
	ereport(ERROR,
			(errcode(code_of(arrays, ERRCODE_ARRAY_SUBSCRIPT_ERROR)),
			 errmsg("array %s%s has %d elements, but there are %d messages", arrays->prefix, name,
					elements->count, arrays->messages.count),
			 errhint("Element i belongs to %smessages[i]. Use NULL for none.", arrays->prefix)));
}

void
dgen_get_send_arrays(FunctionCallInfo fcinfo, const SendArguments *n, SendArrays *arrays)
{
	const char *prefix = arrays->prefix;

	arrays->last = palloc0(sizeof(LastType));
	dgen_get_elements(fcinfo, n->types, TEXTOID, &arrays->types);
	dgen_get_elements(fcinfo, n->keys, TEXTOID, &arrays->keys);
	dgen_get_elements(fcinfo, n->messages, JSONBOID, &arrays->messages);
	if (arrays->types.count != arrays->messages.count ||
		arrays->keys.count != arrays->messages.count)
		ereport(ERROR,
				(errcode(code_of(arrays, ERRCODE_ARRAY_SUBSCRIPT_ERROR)),
				 errmsg("arrays have different lengths: %d %s, %d %s, %d %smessages",
						arrays->types.count, arrays->names[0], arrays->keys.count, arrays->names[1],
						arrays->messages.count, prefix),
				 errhint("Give arrays of the same length. %smessages[i] goes to %s[i], %s[i].",
						 prefix, arrays->names[0], arrays->names[1])));
	get_more(fcinfo, n->requests, BOOLOID, "requests", arrays, &arrays->requests);
	get_more(fcinfo, n->delays, INT8OID, "delays_ms", arrays, &arrays->delays);
	get_more(fcinfo, n->priorities, INT4OID, "priorities", arrays, &arrays->priorities);
	get_more(fcinfo, n->idempotency_keys, TEXTOID, "idempotency_keys", arrays,
			 &arrays->idempotency_keys);
	get_more(fcinfo, n->headers, JSONBOID, "headers", arrays, &arrays->headers);
}

/* ---- one message ---- */

static void
check_nulls(const SendArrays *arrays, int i)
{
	if (!dgen_has_element(&arrays->types, i))
		ereport(ERROR, (errcode(code_of(arrays, DGEN_ERR_UNKNOWN_TYPE)),
						errmsg("element %d of %s must not be null", i + 1, arrays->names[0]),
						errhint("Give the name of an actor type for each message.")));
	if (!dgen_has_element(&arrays->keys, i))
		ereport(ERROR, (errcode(code_of(arrays, DGEN_ERR_INVALID_KEY)),
						errmsg("element %d of %s must not be null", i + 1, arrays->names[1]),
						errhint("Give the key of an actor for each message.")));
	if (!dgen_has_element(&arrays->messages, i))
		ereport(ERROR, (errcode(code_of(arrays, DGEN_ERR_INVALID_MESSAGE)),
						errmsg("element %d of %smessages must not be null", i + 1, arrays->prefix),
						errhint("For an empty message use JSON null: 'null'.")));
}

static TimestampTz
due_at(const SendArrays *arrays, int i)
{
	int64 delay =
		dgen_has_element(&arrays->delays, i) ? DatumGetInt64(arrays->delays.values[i]) : 0;

	if (delay < 0 || delay > DGEN_MAX_DELAY_MS)
		ereport(ERROR, (errcode(code_of(arrays, ERRCODE_INVALID_PARAMETER_VALUE)),
						errmsg("%sdelays_ms[%d] is " INT64_FORMAT, arrays->prefix, i + 1, delay),
						errhint("Give a number of milliseconds from 0 to " INT64_FORMAT ".",
								DGEN_MAX_DELAY_MS)));
	return delay == 0 ? 0 : GetCurrentTimestamp() + delay * 1000;
}

/* Usually the type of the message before. */
static const ActorType *
type_of(LastType *last, const text *name)
{
	const size_t length = VARSIZE_ANY_EXHDR(name);

	if (last->name != NULL && length == VARSIZE_ANY_EXHDR(last->name) &&
		memcmp(VARDATA_ANY(name), VARDATA_ANY(last->name), length) == 0)
		return last->type;
	last->name = NULL;
	last->type = dgen_type_by_name((text *) name);
	dgen_check_privilege(last->type, dgen_calling_role(), PRIVILEGE_SEND);
	last->name = name;
	return last->type;
}

static void
set_address(const SendArrays *arrays, int i, Send *send)
{
	check_nulls(arrays, i);
	send->type = type_of(arrays->last, DatumGetTextPP(arrays->types.values[i]));
	send->key = DatumGetTextPP(arrays->keys.values[i]);
	dgen_check_key(send->key);
	send->kind = dgen_has_element(&arrays->requests, i) && DatumGetBool(arrays->requests.values[i])
					 ? KIND_REQUEST
					 : KIND_CAST;
}

text *
dgen_get_send_content(const SendArrays *arrays, int i, Send *send)
{
	int32 priority =
		dgen_has_element(&arrays->priorities, i) ? DatumGetInt32(arrays->priorities.values[i]) : 0;
	text *idempotency_key;

	send->message = arrays->messages.values[i];
	send->not_before = due_at(arrays, i);
	send->priority = dgen_check_priority(priority);
	if (dgen_has_element(&arrays->headers, i))
	{
		send->headers = arrays->headers.values[i];
		dgen_check_headers(send->headers);
	}
	if (!dgen_has_element(&arrays->idempotency_keys, i))
		return NULL;
	idempotency_key = DatumGetTextPP(arrays->idempotency_keys.values[i]);
	dgen_check_idempotency_key(idempotency_key);
	return idempotency_key;
}

text *
dgen_get_send(const SendArrays *arrays, int i, Send *send)
{
	memset(send, 0, sizeof(*send));
	set_address(arrays, i, send);
	return dgen_get_send_content(arrays, i, send);
}
