/*
 * Counts of waiting messages for each type, for dashboards that read them repeatedly. Each count
 * stops at a limit, even if a snapshot of another session keeps removed rows in the index. So a
 * call costs the same for any number of messages.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "actor/actor_type.h"
#include "base/rights.h"
#include "operate/operate.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/snapshot.h"
#include "table/table.h"

/* How many removed rows are passed for each row that can be counted. */
#define DEAD_PER_ROW 3

#define MOST_EACH 1000

PG_FUNCTION_INFO_V1(dgen_stats);
PG_FUNCTION_INFO_V1(dgen_longest_waiting);

/* ---- a type's rows in a table ---- */

typedef struct Look
{
	Snapshot snapshot;
	DgenScan scan;
	int64 rows;
	int64 most;
	bool complete; /* so far */
} Look;

static void
begin_look(Look *look, DgenTable table, int index, int32 type_id, int64 most)
{
	ScanKeyData key;

	look->rows = 0;
	look->most = most;
	look->complete = true;
	dgen_key_int4(&key, ORDER_TYPE_ID, BTEqualStrategyNumber, type_id);
	look->snapshot = dgen_statement_snapshot(table);
	dgen_scan_begin(&look->scan, table, index, look->snapshot, 1);
	dgen_scan_seek(&look->scan, &key, 1);
	look->scan.most_dead = most * DEAD_PER_ROW;
}

static bool
next_row(Look *look)
{
	CHECK_FOR_INTERRUPTS();
	if (!dgen_scan_next(&look->scan))
	{
		look->complete = look->scan.dead < look->scan.most_dead;
		return false;
	}
	if (look->rows == look->most)
	{
		look->complete = false;
		return false;
	}
	look->rows++;
	dgen_scan_row(&look->scan);
	return true;
}

static void
end_look(Look *look)
{
	dgen_scan_end(&look->scan);
	UnregisterSnapshot(look->snapshot);
}

/* ---- what waits ---- */

typedef struct Waiting
{
	int64 mailbox;
	text *key;           /* of the message that was sent first */
	TimestampTz sent_at; /* its time */
	int64 messages;      /* of the mailbox, among those that were read */
} Waiting;

/* The mailboxes whose messages have waited longest, in that order. */
typedef struct Longest
{
	Waiting *list;
	int count;
	int most;
} Longest;

static void
keep_longest(Longest *longest, const Waiting *waiting)
{
	int i;

	if (longest->count < longest->most)
		longest->count++;
	else if (longest->list[longest->count - 1].sent_at <= waiting->sent_at)
		return;
	for (i = longest->count - 1; i > 0 && longest->list[i - 1].sent_at > waiting->sent_at; i--)
		longest->list[i] = longest->list[i - 1];
	longest->list[i] = *waiting;
}

/* The messages of a mailbox stand together in the index. */
static void
look_at_messages(Look *look, int32 type_id, int64 most, Longest *longest)
{
	Waiting waiting = {0};

	longest->count = 0;
	begin_look(look, TABLE_MESSAGE, INDEX_PRIMARY, type_id, most);
	while (next_row(look))
	{
		int64 mailbox = DatumGetInt64(look->scan.values[MESSAGE_MAILBOX]);
		TimestampTz sent_at = DatumGetTimestampTz(look->scan.values[MESSAGE_SENT_AT]);

		if (waiting.messages > 0 && waiting.mailbox != mailbox)
		{
			keep_longest(longest, &waiting);
			waiting.messages = 0;
		}
		if (waiting.messages++ == 0 || sent_at < waiting.sent_at)
		{
			waiting.mailbox = mailbox;
			waiting.sent_at = sent_at;
			waiting.key = DatumGetTextPCopy(look->scan.values[MESSAGE_ACTOR_KEY]);
		}
	}
	if (waiting.messages > 0)
		keep_longest(longest, &waiting);
	end_look(look);
}

/* ---- what else there is of a type ---- */

static int64
count_backing_off(Look *look, int32 type_id, int64 most)
{
	const TimestampTz now = GetCurrentStatementStartTimestamp();
	int64 count = 0;

	begin_look(look, TABLE_FAILED_ATTEMPT, INDEX_PRIMARY, type_id, most);
	while (next_row(look))
		count += DatumGetTimestampTz(look->scan.values[FAILED_RETRY_AT]) > now;
	end_look(look);
	return count;
}

/* *type_at: since when the whole type is paused; 0: it is not. */
static int64
count_paused(Look *look, int32 type_id, int64 most, TimestampTz *type_at)
{
	int64 count = 0;

	*type_at = 0;
	begin_look(look, TABLE_PAUSED, INDEX_PRIMARY, type_id, most);
	while (next_row(look))
		if (VARSIZE_ANY_EXHDR(DatumGetPointer(look->scan.values[PAUSED_ACTOR_KEY])) > 0)
			count++;
		else
			*type_at = DatumGetTimestampTz(look->scan.values[PAUSED_AT]);
	end_look(look);
	return count;
}

static int64
count_rows(Look *look, DgenTable table, int index, int32 type_id, int64 most)
{
	begin_look(look, table, index, type_id, most);
	while (next_row(look))
		;
	end_look(look);
	return look->rows;
}

/* ---- types ---- */

/* The types that the caller can read. */
static const ActorType **
readable_types(int *count)
{
	const Oid role = dgen_calling_role();
	const ActorType **types = palloc(sizeof(*types));
	int room = 1;
	Snapshot snapshot;
	DgenScan scan;

	*count = 0;
	AcceptInvalidationMessages(); /* of privileges revoked */
	snapshot = dgen_statement_snapshot(TABLE_ACTOR_TYPE);
	dgen_scan_begin(&scan, TABLE_ACTOR_TYPE, INDEX_PRIMARY, snapshot, 0);
	dgen_scan_seek(&scan, NULL, 0);
	while (dgen_scan_next(&scan))
	{
		const ActorType *type;

		dgen_scan_row(&scan);
		type = dgen_type_by_id(DatumGetInt32(scan.values[ACTOR_TYPE_ID]), true);
		if (type == NULL || !dgen_has_privilege(type, role, PRIVILEGE_READ))
			continue;
		if (*count == room)
			types = repalloc(types, (room *= 2) * sizeof(*types));
		types[(*count)++] = type;
	}
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
	return types;
}

static int32
positive_argument(FunctionCallInfo fcinfo, int n, const char *name, int32 most)
{
	int32 value = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);

	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(PG_ARGISNULL(n) ? ERRCODE_NULL_VALUE_NOT_ALLOWED
										 : ERRCODE_INVALID_PARAMETER_VALUE),
				 PG_ARGISNULL(n) ? errmsg("%s must not be null", name)
								 : errmsg("invalid value for parameter \"%s\": %d", name, value),
				 errhint("Give a number from 1 to %d.", most)));
	return value;
}

/* ---- dgen.stats ---- */

enum StatsColumn
{
	STATS_TYPE,
	STATS_WAITING,
	STATS_OLDEST,
	STATS_DELAYED,
	STATS_BACKING_OFF,
	STATS_DEAD_LETTERS,
	STATS_PAUSED_ACTORS,
	STATS_PAUSED_AT,
	STATS_COMPLETE,
	STATS_ACTIONS,
	STATS_LOCKED_ACTORS,
	STATS_COLUMNS
};

static void
put_stats(ReturnSetInfo *result, const ActorType *type, int64 most)
{
	Datum values[STATS_COLUMNS];
	bool nulls[STATS_COLUMNS] = {false};
	Waiting oldest;
	Longest longest = {.list = &oldest, .most = 1};
	TimestampTz paused_at;
	bool complete = true;
	Look look;

	values[STATS_TYPE] = CStringGetTextDatum(type->name);
	look_at_messages(&look, type->id, most, &longest);
	values[STATS_WAITING] = Int64GetDatum(look.rows);
	nulls[STATS_OLDEST] = longest.count == 0;
	values[STATS_OLDEST] = TimestampTzGetDatum(oldest.sent_at);
	complete &= look.complete;
	values[STATS_DELAYED] =
		Int64GetDatum(count_rows(&look, TABLE_DELAYED_MESSAGE, INDEX_PRIMARY, type->id, most));
	complete &= look.complete;
	values[STATS_BACKING_OFF] = Int64GetDatum(count_backing_off(&look, type->id, most));
	complete &= look.complete;
	values[STATS_DEAD_LETTERS] =
		Int64GetDatum(count_rows(&look, TABLE_DEAD_LETTER, INDEX_BY_ACTOR, type->id, most));
	complete &= look.complete;
	values[STATS_PAUSED_ACTORS] = Int64GetDatum(count_paused(&look, type->id, most, &paused_at));
	complete &= look.complete;
	nulls[STATS_PAUSED_AT] = paused_at == 0;
	values[STATS_PAUSED_AT] = TimestampTzGetDatum(paused_at);
	values[STATS_ACTIONS] =
		Int64GetDatum(count_rows(&look, TABLE_MESSAGE, INDEX_PRIMARY, -type->id, most));
	complete &= look.complete;
	values[STATS_LOCKED_ACTORS] =
		Int64GetDatum(count_rows(&look, TABLE_LOCKED, INDEX_PRIMARY, type->id, most));
	complete &= look.complete;
	values[STATS_COMPLETE] = BoolGetDatum(complete);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
dgen_stats(PG_FUNCTION_ARGS)
{
	int32 most = positive_argument(fcinfo, 0, "most", PG_INT32_MAX);
	const ActorType **types;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	types = readable_types(&count);
	for (int i = 0; i < count; i++)
		put_stats((ReturnSetInfo *) fcinfo->resultinfo, types[i], most);
	return (Datum) 0;
}

/* ---- dgen.longest_waiting ---- */

static void
put_longest(ReturnSetInfo *result, const ActorType *type, const Longest *longest)
{
	for (int i = 0; i < longest->count; i++)
	{
		const Waiting *waiting = &longest->list[i];
		Datum values[] = {CStringGetTextDatum(type->name), dgen_show_key(waiting->key),
						  TimestampTzGetDatum(waiting->sent_at), Int64GetDatum(waiting->messages)};
		bool nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
dgen_longest_waiting(PG_FUNCTION_ARGS)
{
	Longest longest = {.most = positive_argument(fcinfo, 0, "each", MOST_EACH)};
	int32 most = positive_argument(fcinfo, 1, "most", PG_INT32_MAX);
	const ActorType **types;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	longest.list = palloc(longest.most * sizeof(*longest.list));
	types = readable_types(&count);
	for (int i = 0; i < count; i++)
	{
		Look look;

		look_at_messages(&look, types[i]->id, most, &longest);
		put_longest((ReturnSetInfo *) fcinfo->resultinfo, types[i], &longest);
	}
	return (Datum) 0;
}
