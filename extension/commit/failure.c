/*
 * Failures: a failed attempt is recorded and its actor backs off, or the message becomes a dead
 * letter.
 */
#include "postgres.h"

#include <math.h>

#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/buf.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "actor/worker_session.h"
#include "base/blame.h"
#include "base/delay.h"
#include "base/errors.h"
#include "commit/commit.h"
#include "commit/failure.h"
#include "commit/locked.h"
#include "reply/reply.h"
#include "send/request.h"
#include "send/send.h"
#include "table/columns.h"
#include "table/row.h"
#include "table/scan.h"
#include "table/table.h"
#include "turn/turn.h"
#include "wake/wake.h"
#include "write/writer.h"

/* Every mark of the message: its attempts and the back-off of its actor. */
void
dgen_forget_failure(int32 type_id, int64 mailbox, int64 message_id)
{
	DgenScan scan;
	ScanKeyData keys[3];

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, mailbox);
	dgen_key_int8(&keys[2], 3, BTEqualStrategyNumber, message_id);
	dgen_scan_begin(&scan, TABLE_FAILED_ATTEMPT, INDEX_PRIMARY, GetActiveSnapshot(), 3);
	dgen_scan_seek(&scan, keys, 3);
	while (dgen_scan_next(&scan))
		(void) dgen_delete_row(scan.heap, &scan.slot->tts_tid);
	dgen_scan_end(&scan);
}

/*
 * Doubled with each attempt, up to max_backoff, and then between half and all of that, so that
 * actors that failed together do not retry together.
 */
static TimestampTz
retry_time(const ActorType *type, int attempts, const Interval *delay)
{
	double us;

	if (delay != NULL)
		return dgen_time_after(delay, "delay", DGEN_DELAY_HINT);
	us = ldexp((double) dgen_interval_us(&type->backoff), Min(Max(attempts, 1) - 1, 60));
	us = Min(us, (double) dgen_interval_us(&type->max_backoff));
	us *= 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
	return GetCurrentTimestamp() + (int64) us;
}

static void
insert_failed_attempt(const BatchActor *actor, const BatchMessage *message, int attempts,
					  TimestampTz retry_at, const Failure *failure)
{
	Datum values[FAILED_COLUMNS];
	bool nulls[FAILED_COLUMNS] = {false};
	DgenWriter writer;

	values[FAILED_TYPE_ID] = Int32GetDatum(actor->type->id);
	values[FAILED_MAILBOX] = Int64GetDatum(actor->mailbox);
	values[FAILED_MESSAGE_ID] = Int64GetDatum(message->id);
	values[FAILED_ACTOR_KEY] = PointerGetDatum(actor->key);
	values[FAILED_ATTEMPTS] = Int32GetDatum(attempts);
	values[FAILED_RETRY_AT] = TimestampTzGetDatum(retry_at);
	dgen_put_string(values, nulls, FAILED_ERROR, failure->error);
	dgen_put_string(values, nulls, FAILED_SQLSTATE, failure->sqlstate);
	dgen_writer_open(&writer, TABLE_FAILED_ATTEMPT);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);
	dgen_wakeup_due(actor->type->id, retry_at);
}

static const char *
worker_name(void)
{
	return dgen_is_attached() ? dgen_worker_session()->name : NULL;
}

static void
insert_dead_letter(const BatchActor *actor, const BatchMessage *message, int attempts,
				   const Failure *failure)
{
	Datum values[DEAD_COLUMNS];
	bool nulls[DEAD_COLUMNS] = {false};
	DgenWriter writer;

	values[DEAD_MESSAGE_ID] = Int64GetDatum(message->id);
	values[DEAD_MAILBOX] = Int64GetDatum(
		dgen_is_of_actions(actor->type->id) ? dgen_mailbox_of(actor->key) : actor->mailbox);
	values[DEAD_SENT_AT] = TimestampTzGetDatum(message->sent_at);
	values[DEAD_DIED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[DEAD_TYPE_ID] = Int32GetDatum(dgen_actors_type(actor->type->id));
	values[DEAD_ATTEMPTS] = Int32GetDatum(attempts);
	values[DEAD_PRIORITY] = Int16GetDatum(message->priority);
	values[DEAD_KIND] = CharGetDatum(message->kind);
	values[DEAD_ACTOR_KEY] = PointerGetDatum(actor->key);
	values[DEAD_MESSAGE] = message->message;
	values[DEAD_IN_REPLY_TO] = Int64GetDatum(message->in_reply_to);
	nulls[DEAD_IN_REPLY_TO] = message->in_reply_to == 0;
	dgen_put(values, nulls, DEAD_HEADERS, message->headers);
	dgen_put(values, nulls, DEAD_CORRELATION, message->correlation);
	dgen_put_string(values, nulls, DEAD_ERROR, failure->error);
	dgen_put_string(values, nulls, DEAD_SQLSTATE, failure->sqlstate);
	dgen_put_string(values, nulls, DEAD_HINT, failure->hint);
	dgen_put_string(values, nulls, DEAD_WORKER, worker_name());
	dgen_put(values, nulls, DEAD_REPLY_ERROR, message->error);
	dgen_put(values, nulls, DEAD_REPLY_SQLSTATE, message->sqlstate);
	dgen_writer_open(&writer, TABLE_DEAD_LETTER);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);
}

/* False if the request is not open any more. */
static bool
tell_caller(const BatchMessage *message, const Failure *failure)
{
	Reply reply = {.error = failure->error, .sqlstate = failure->sqlstate, .hint = failure->hint};

	return dgen_answer(message->id, &reply);
}

/*
 * To the end of the actor's mailbox, with the priority of the dead letter. There is no notification
 * when a notification itself becomes a dead letter. A message that could not be sent to a worker
 * could not be sent with this one either: JSON null stands for it.
 */
static void
tell_actor(const BatchActor *actor, const BatchMessage *message, const Failure *failure)
{
	const char *sqlstate = failure->sqlstate != NULL ? failure->sqlstate : DGEN_FAIL_SQLSTATE;
	Send send = {
		.type = dgen_type_by_id(dgen_actors_type(actor->type->id), false),
		.key = actor->key,
		.message = failure->unsendable ? dgen_json_null() : message->message,
		.kind = KIND_DEAD_LETTER,
		.priority = message->priority,
		.in_reply_to = message->id,
		.headers = message->headers,
		.error = cstring_to_text(failure->error),
		.sqlstate = cstring_to_text(sqlstate),
	};

	if (!actor->type->handle_dead_letters || message->kind == KIND_DEAD_LETTER)
		return;
	if (failure->unsendable)
		send.headers = (Datum) 0;
	else if (message->correlation != (Datum) 0)
		send.correlation = DatumGetTextPP(message->correlation);
	(void) dgen_send(&send);
}

static void
remove_message(BatchActor *actor, const BatchMessage *message)
{
	Relation messages;
	Buffer buffer = InvalidBuffer;

	if (message->locked)
	{
		dgen_delete_locked(actor, message);
		dgen_write_actor(actor);
		return;
	}
	messages = dgen_table_open(TABLE_MESSAGE, RowExclusiveLock);
	dgen_delete_message(messages, message, &buffer);
	ReleaseBuffer(buffer);
	table_close(messages, NoLock);
}

/* The message is gone, its caller gets the error, the actor continues. */
static void
bury(BatchActor *actor, const BatchMessage *message, int attempts, const Failure *failure)
{
	bool answered;

	remove_message(actor, message);
	answered = message->kind == KIND_REQUEST && tell_caller(message, failure);

	/* A refusal that its caller knows of is no case for an operator. */
	if (failure->final && answered)
		return;
	insert_dead_letter(actor, message, attempts, failure);
	tell_actor(actor, message, failure);
}

bool
dgen_record_failure(BatchActor *actor, const BatchMessage *message, const Failure *given)
{
	int attempts = message->attempts + (given->retry ? 0 : 1);
	bool dead =
		given->ended || (!given->retry && (given->final || attempts >= actor->type->max_attempts));
	TimestampTz retry_at;
	Failure kept = *given;
	const Failure *failure = &kept;

	kept.error = dgen_cut_error(given->error);
	kept.sqlstate = dgen_cut_error(given->sqlstate);
	kept.hint = dgen_cut_error(given->hint);

	/* A dead letter and its caller's reply have an error, whatever the handler or worker gave. */
	if (dead && kept.error == NULL)
	{
		kept.error = "unspecified error";
		if (kept.sqlstate == NULL)
			kept.sqlstate = DGEN_FAIL_SQLSTATE;
	}

	/* The rollback of its subtransaction might have released the locks of the turn. */
	dgen_table_lock(TABLE_FAILED_ATTEMPT, RowExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!message->locked)
		dgen_forget_failure(actor->type->id, actor->mailbox, message->id);
	CommandCounterIncrement();
	retry_at = retry_time(actor->type, attempts, failure->delay);
	if (dead)
		bury(actor, message, attempts, failure);
	else if (message->locked)
		dgen_postpone_locked(actor, message, attempts, retry_at, failure);
	else
		insert_failed_attempt(actor, message, attempts, retry_at, failure);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return dead;
}

void
dgen_failure_of_error(Failure *failure, ErrorData *error)
{
	failure->error = error->message;
	failure->sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
	failure->hint = error->hint;
}

void
dgen_failure_of_outcome(Failure *failure, const Outcome *outcome)
{
	failure->error = outcome->error;
	failure->sqlstate = outcome->sqlstate;
	failure->hint = outcome->hint;
	failure->delay = outcome->delay;
	failure->final = outcome->kind == OUTCOME_FAIL;
	failure->retry = outcome->kind == OUTCOME_RETRY;
}

/* ---- turns that took their process with them ---- */
