/*
 * Failures: an attempt that failed is recorded and its actor waits; a message that
 * failed for good becomes a dead letter.
 */
#include "base/delay.h"
#include "dgen_ext.h"
#include "table/columns.h"

#include <math.h>

#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* How far into a mailbox the message of a charge is looked for: normally it is the first. */
#define CHARGE_DEPTH 100

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
 * Doubled with each attempt, up to max_backoff, and then between half and all of
 * that, so that actors that failed together do not come back together.
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

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
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
	values[FAILED_ERROR] = text_or_null(failure->error, &nulls[FAILED_ERROR]);
	values[FAILED_SQLSTATE] = text_or_null(failure->sqlstate, &nulls[FAILED_SQLSTATE]);
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
	values[DEAD_HEADERS] = message->headers;
	nulls[DEAD_HEADERS] = message->headers == (Datum) 0;
	values[DEAD_CORRELATION] = message->correlation;
	nulls[DEAD_CORRELATION] = message->correlation == (Datum) 0;
	values[DEAD_ERROR] = text_or_null(failure->error, &nulls[DEAD_ERROR]);
	values[DEAD_SQLSTATE] = text_or_null(failure->sqlstate, &nulls[DEAD_SQLSTATE]);
	values[DEAD_HINT] = text_or_null(failure->hint, &nulls[DEAD_HINT]);
	values[DEAD_WORKER] = text_or_null(worker_name(), &nulls[DEAD_WORKER]);
	values[DEAD_REPLY_ERROR] = message->error;
	nulls[DEAD_REPLY_ERROR] = message->error == (Datum) 0;
	values[DEAD_REPLY_SQLSTATE] = message->sqlstate;
	nulls[DEAD_REPLY_SQLSTATE] = message->sqlstate == (Datum) 0;
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
 * To the end of the actor's mailbox, with the priority of the message that died. One that
 * tells of a dead letter is not told of itself when it dies. What could not be sent to a worker could
 * not be sent with this one either: JSON null stands for it.
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

/* The message is gone, its caller learns the error, the actor goes on. */
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

/* So that no message is hard to read for its error. At a character, and it shows. */
const char *
dgen_cut_error(const char *text)
{
	static const char more[] = "...";
	const int most = DGEN_MAX_ERROR_BYTES - strlen(more);
	size_t length = text == NULL ? 0 : strlen(text);

	if (length <= DGEN_MAX_ERROR_BYTES)
		return text;
	return psprintf("%.*s%s", pg_mbcliplen(text, Min(length, INT_MAX), most), text, more);
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

	/* What the turn had locked it may have given back with its subtransaction. */
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

static BatchMessage *
find_message(Batch *batch, int64 id, BatchActor **actor)
{
	for (int i = 0; i < batch->nactors; i++)
	{
		*actor = &batch->actors[i];
		for (int j = 0; j < (*actor)->nmessages; j++)
			if ((*actor)->messages[j].id == id)
				return &(*actor)->messages[j];
	}
	return NULL;
}

static const char *
reason_of(const Charge *charge)
{
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT && charge->silent)
		return "the worker was silent for too long in the turn, and the server ended its session";
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT)
		return "turn did not end when it was cancelled after turn_timeout; its process was ended";
	if (charge->sqlstate == DGEN_ERR_LOCK_TIMEOUT)
		return "locked part did not end when it was cancelled after lock_timeout; its process was "
			   "ended";
	if (charge->sqlstate == DGEN_ERR_LOCK_LOST)
		return DGEN_LOCK_LOST_MESSAGE;
	if (charge->sqlstate == DGEN_ERR_SERVER_CRASHED)
		return "the server crashed in two turns of this message";
	return "the worker's session ended during the turn, which was the only one under way";
}

static const char *
hint_of(const Charge *charge)
{
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT && charge->silent)
		return "Make the callback faster, or raise turn_timeout with dgen.alter_actor_type.";
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT)
		return "Make the handler faster and let it end when it is cancelled, or raise turn_timeout "
			   "with dgen.alter_actor_type.";
	if (charge->sqlstate == DGEN_ERR_LOCK_TIMEOUT)
		return "Make the handler faster and let it end when it is cancelled, or raise lock_timeout "
			   "with dgen.alter_actor_type.";
	if (charge->sqlstate == DGEN_ERR_LOCK_LOST)
		return DGEN_LOCK_LOST_HINT;
	if (charge->sqlstate == DGEN_ERR_SERVER_CRASHED)
		return "The server's log tells of the crash. Repair what the handler calls, then use "
			   "dgen.redrive.";
	return "See the logs of the worker and of the server: the worker crashed or was killed, or the "
		   "server ended its session. Repair that, then use dgen.redrive.";
}

bool
dgen_record_charge(const Charge *charge)
{
	OwnedMailbox mailbox = {.type = dgen_type_by_id(charge->type_id, true),
							.mailbox = charge->mailbox};
	Owned owned = {.count = 1, .mailboxes = &mailbox};
	BatchLimits limits = {.actors = 1, .messages = CHARGE_DEPTH, .bytes = MaxAllocHugeSize};
	Failure failure = {
		.error = reason_of(charge),
		.sqlstate = unpack_sql_state(charge->sqlstate),
		.hint = hint_of(charge),
	};
	Batch *batch;
	BatchActor *actor;
	BatchMessage *message;

	if (mailbox.type == NULL)
		return true;
	if (charge->fence != 0)
		return dgen_charge_part(charge, mailbox.type, &failure);
	mailbox.held = dgen_try_own(charge->type_id, charge->mailbox);
	if (mailbox.held == HELD_BY_ANOTHER)
		return false;
	batch = dgen_read_batch(&owned, 0, 1, &limits);
	message = find_message(batch, charge->message_id, &actor);
	if (message != NULL && charge->sqlstate == DGEN_ERR_SERVER_CRASHED)
		message->attempts = Max(message->attempts, mailbox.type->max_attempts - 1);
	if (message != NULL && dgen_record_failure(actor, message, &failure))
		dgen_absolve(actor, 1); /* what is left of its batch */
	MemoryContextDelete(batch->context);
	return true;
}

/* Not a handler's own memory, which has the same SQLSTATE. */
bool
dgen_is_out_of_locks(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_OUT_OF_MEMORY && error->message_id != NULL &&
		   strcmp(error->message_id, "out of shared memory") == 0;
}

#define LOG_INTERVAL_MS 60000

/*
 * A table of dgen's was changed (ZD039): nothing is counted, and the same error comes with each retry. An
 * in-database worker says so when it begins, and once a minute.
 */
void
dgen_log_changed(const ErrorData *error)
{
	static char logged[256];
	static TimestampTz logged_at = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (error->message == NULL || (strncmp(logged, error->message, sizeof(logged) - 1) == 0 &&
								   !TimestampDifferenceExceeds(logged_at, now, LOG_INTERVAL_MS)))
		return;
	strlcpy(logged, error->message, sizeof(logged));
	logged_at = now;
	ereport(LOG, (errcode(DGEN_ERR_CHANGED), errmsg("messages wait: %s", error->message),
				  error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* A deadlock: the turns before it in this transaction may have caused it with the locks they keep. */
bool
dgen_is_blameless(const ErrorData *error)
{
	return error != NULL &&
		   (error->sqlerrcode == ERRCODE_DISK_FULL || error->sqlerrcode == ERRCODE_IO_ERROR ||
			error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
			error->sqlerrcode == DGEN_ERR_CHANGED || error->sqlerrcode == DGEN_ERR_TYPE_CHANGED ||
			dgen_is_out_of_locks(error));
}
