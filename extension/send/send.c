/*
 * Sends a message into its mailbox, or stores it as a delayed message until it is due. A sender inserts
 * rows, and acquires no lock for which another sender could wait (I5).
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "base/base.h"
#include "base/delay.h"
#include "base/errors.h"
#include "base/rights.h"
#include "send/action.h"
#include "send/idempotency.h"
#include "send/request.h"
#include "send/room.h"
#include "send/send.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/table.h"
#include "wake/wake.h"
#include "write/sequence.h"
#include "write/writer.h"

PG_FUNCTION_INFO_V1(dgen_cast);
PG_FUNCTION_INFO_V1(dgen_request);

void
dgen_message_row(const Send *send, int64 mailbox, int64 seq, Datum *values, bool *nulls)
{
	memset(nulls, 0, MESSAGE_COLUMNS * sizeof(bool));
	values[MESSAGE_MAILBOX] = Int64GetDatum(mailbox);
	values[MESSAGE_SEQ] = Int64GetDatum(seq);
	values[MESSAGE_SENT_AT] =
		TimestampTzGetDatum(send->sent_at ? send->sent_at : GetCurrentTimestamp());
	values[MESSAGE_TYPE_ID] = Int32GetDatum(send->type->id);
	values[MESSAGE_PRIORITY] = Int16GetDatum(send->priority);
	values[MESSAGE_KIND] = CharGetDatum(send->kind);
	values[MESSAGE_ACTOR_KEY] = PointerGetDatum(send->key);
	values[MESSAGE_MESSAGE] = send->message;
	values[MESSAGE_MESSAGE_ID] = Int64GetDatum(send->id);
	nulls[MESSAGE_MESSAGE_ID] = send->id == 0 || send->id == seq;
	values[MESSAGE_IN_REPLY_TO] = Int64GetDatum(send->in_reply_to);
	nulls[MESSAGE_IN_REPLY_TO] = send->in_reply_to == 0;
	dgen_put(values, nulls, MESSAGE_HEADERS, send->headers);
	dgen_put_text(values, nulls, MESSAGE_CORRELATION, send->correlation);
	dgen_put_text(values, nulls, MESSAGE_ERROR, send->error);
	dgen_put_text(values, nulls, MESSAGE_SQLSTATE, send->sqlstate);
}

static int64
mailbox_of(const Send *send, int64 seq)
{
	return dgen_is_of_actions(send->type->id)
			   ? dgen_action_mailbox(send->key, send->id ? send->id : seq)
			   : dgen_mailbox_of(send->key);
}

int64
dgen_send(const Send *send)
{
	bool delayed = send->not_before > GetCurrentTimestamp();
	int64 seq = send->seq ? send->seq : dgen_nextval(SEQUENCE_MESSAGE);
	int64 mailbox = mailbox_of(send, seq);
	Datum values[DELAYED_COLUMNS];
	bool nulls[DELAYED_COLUMNS];
	DgenWriter writer;

	dgen_message_row(send, mailbox, seq, values, nulls);
	values[DELAYED_NOT_BEFORE] = TimestampTzGetDatum(send->not_before);
	nulls[DELAYED_NOT_BEFORE] = false;

	dgen_writer_open(&writer, delayed ? TABLE_DELAYED_MESSAGE : TABLE_MESSAGE);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);

	if (delayed)
		dgen_wakeup_due(send->type->id, send->not_before);
	else
		dgen_wakeup_sent(send->type->id, mailbox);
	return send->id ? send->id : seq;
}

/* ---- arguments ---- */

static text *
key_argument(FunctionCallInfo fcinfo, int n)
{
	text *key;

	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_KEY), errmsg("actor key must not be null"),
						errhint("Use a key of 1 to %d bytes.", DGEN_MAX_KEY_BYTES)));
	key = PG_GETARG_TEXT_PP(n);
	dgen_check_key(key);
	return key;
}

const ActorType *
dgen_type_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(DGEN_ERR_UNKNOWN_TYPE), errmsg("actor type must not be null"),
						errhint("Give the name of an actor type.")));
	return dgen_type_by_name(PG_GETARG_TEXT_PP(n));
}

static Datum
message_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_MESSAGE), errmsg("message must not be null"),
						errhint("For an empty message use JSON null: 'null'.")));
	return PG_GETARG_DATUM(n);
}

void
dgen_check_headers(Datum headers)
{
	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(headers)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("headers must be a JSON object"),
				 errhint("Give an object such as '{\"trace\": \"a1\"}', or NULL.")));
}

TimestampTz
dgen_due_argument(FunctionCallInfo fcinfo, int delay, int not_before)
{
	if (!PG_ARGISNULL(delay) && !PG_ARGISNULL(not_before))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("delay and not_before cannot be used together"),
						errhint("Give one of them.")));
	if (!PG_ARGISNULL(not_before))
		return PG_GETARG_TIMESTAMPTZ(not_before);
	if (PG_ARGISNULL(delay))
		return 0;
	return dgen_time_after(PG_GETARG_INTERVAL_P(delay), "delay", DGEN_DELAY_HINT);
}

int16
dgen_check_priority(int32 priority)
{
	if (priority < PG_INT16_MIN || priority > PG_INT16_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("priority %d is out of range", priority),
						errhint("Use a priority from %d to %d. A higher one is handled first.",
								PG_INT16_MIN, PG_INT16_MAX)));
	return (int16) priority;
}

void
dgen_check_idempotency_key(const text *key)
{
	if (VARSIZE_ANY_EXHDR(key) == 0 || VARSIZE_ANY_EXHDR(key) > DGEN_MAX_KEY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("idempotency key has %d bytes", (int) VARSIZE_ANY_EXHDR(key)),
				 errhint("Use a key of 1 to %d bytes, or NULL for none.", DGEN_MAX_KEY_BYTES)));
}

/* Opens the table first: its lock processes the invalidations for a dropped type. */
void
dgen_get_send_arguments(FunctionCallInfo fcinfo, Send *send)
{
	dgen_refuse_read_only(fcinfo);
	memset(send, 0, sizeof(*send));
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	send->type = dgen_type_argument(fcinfo, 0);
	dgen_check_privilege(send->type, dgen_calling_role(), PRIVILEGE_SEND);
	send->key = key_argument(fcinfo, 1);
	send->message = message_argument(fcinfo, 2);
}

/* The arguments that cast and request share, in the order of their declaration. */
static text *
get_arguments(FunctionCallInfo fcinfo, Send *send)
{
	dgen_get_send_arguments(fcinfo, send);
	send->not_before = dgen_due_argument(fcinfo, 3, 4);
	send->priority = dgen_check_priority(PG_ARGISNULL(5) ? 0 : PG_GETARG_INT32(5));
	if (!PG_ARGISNULL(7))
	{
		send->headers = PG_GETARG_DATUM(7);
		dgen_check_headers(send->headers);
	}
	if (PG_ARGISNULL(6))
		return NULL;
	dgen_check_idempotency_key(PG_GETARG_TEXT_PP(6));
	return PG_GETARG_TEXT_PP(6);
}

bool
dgen_number_send(Send *send, text *idempotency_key, int64 *id)
{
	send->seq = dgen_nextval(SEQUENCE_MESSAGE);
	*id = send->seq;
	if (idempotency_key == NULL)
		return true;
	*id = dgen_take_idempotency_key(send->type, dgen_mailbox_of(send->key), send->key,
									idempotency_key, send->seq);
	return *id == send->seq;
}

bool
dgen_send_once(Send *send, text *idempotency_key, int64 *id)
{
	if (!dgen_number_send(send, idempotency_key, id))
		return false;
	if (send->type->max_waiting > 0)
		dgen_check_room(send);
	(void) dgen_send(send);
	return true;
}

Datum
dgen_cast(PG_FUNCTION_ARGS)
{
	Send send;
	int64 id;
	text *idempotency_key = get_arguments(fcinfo, &send);

	send.kind = KIND_CAST;
	(void) dgen_send_once(&send, idempotency_key, &id);
	PG_RETURN_INT64(id);
}

Datum
dgen_request(PG_FUNCTION_ARGS)
{
	Send send;
	int64 id;
	text *idempotency_key = get_arguments(fcinfo, &send);
	text *correlation = PG_ARGISNULL(9) ? NULL : PG_GETARG_TEXT_PP(9);
	ReplyTo reply_to;
	bool to_actor = !PG_ARGISNULL(8);

	if (to_actor)
		dgen_get_reply_to(PG_GETARG_HEAPTUPLEHEADER(8), &reply_to);
	send.kind = KIND_REQUEST;
	if (dgen_send_once(&send, idempotency_key, &id))
		dgen_open_request(&send, id, to_actor ? &reply_to : NULL, correlation,
						  idempotency_key != NULL);
	else
		dgen_ask_again(&send, id, idempotency_key, to_actor ? &reply_to : NULL, correlation);
	PG_RETURN_INT64(id);
}
