/*
 * Claiming: find actors with messages, own them, and only then (read_batch.c) read
 * what they have.
 *
 * The order is what keeps turns apart and messages in order. Reading in the
 * snapshot that found the actor would show the state before the last owner's
 * commit (H1); locking message rows before the actor would let another worker skip
 * a locked message and handle the next one (H11). No row is filtered after its lock
 * was taken (H2): every lock that succeeds is a mailbox of the batch.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Rows of one mailbox to walk over before seeking behind it. */
#define WALK_ROWS 8

/* Judged turn time of a type not measured yet, us. */
#define UNKNOWN_TURN_US 500.0

/* Weight of a new measurement in the moving average of turn times. */
#define TURN_WEIGHT 0.2

/* ---- limits ---- */

static double
fastest_turn(const WorkerSession *session)
{
	double fastest = 0;

	for (int i = 0; i < session->ntypes; i++)
	{
		double us = session->types[i].turn_us > 0 ? session->types[i].turn_us : UNKNOWN_TURN_US;

		if (fastest == 0 || us < fastest)
			fastest = us;
	}
	return fastest;
}

/*
 * All workers together use at most a quarter of the lock table, so that others are
 * not starved of locks (I9).
 */
void
dgen_batch_limits(const WorkerSession *session, BatchLimits *limits)
{
	double room = dgen_batch_duration * 1000.0 / Max(fastest_turn(session), 1.0);
	int locks = max_locks_per_xact * MaxBackends / 4 / Max(dgen_live_workers(), 1);

	limits->messages = (int) Max(1.0, Min(room, (double) dgen_batch_messages));
	limits->actors = Max(1, Min(Min(dgen_batch_actors, locks), limits->messages));
	limits->bytes = (Size) dgen_batch_bytes * 1024;
}

void
dgen_measure_turns(WorkerSession *session, int32 type_id, double us)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		WorkerType *type = &session->types[i];

		if (type->type_id == type_id)
			type->turn_us =
				type->turn_us == 0 ? us : type->turn_us + TURN_WEIGHT * (us - type->turn_us);
	}
}

/* ---- discover and own ---- */

typedef struct Discovery
{
	DgenScan scan;
	const ActorType *type;
	WorkerType *worker_type;
	Owned *owned;
	int limit;
	int type_limit; /* for this type: a slow one gets few */
} Discovery;

static void
seek(Discovery *discovery, int64 mailbox)
{
	ScanKeyData keys[2];

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, discovery->type->id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTGreaterEqualStrategyNumber, mailbox);
	dgen_scan_seek(&discovery->scan, keys, 2);
}

static void
own(Discovery *discovery, int64 mailbox)
{
	OwnedMailbox *entry;

	if (!dgen_try_own(discovery->type->id, mailbox))
		return;
	entry = &discovery->owned->mailboxes[discovery->owned->count++];
	entry->type = discovery->type;
	entry->worker_type = discovery->worker_type;
	entry->mailbox = mailbox;
	discovery->type_limit--;
}

/*
 * Owns mailboxes from..to of the type, as far as the limits go. False if it ended
 * because of them. The index gives the mailboxes in order; the rows of one are
 * passed by, and if they are many, by seeking behind it.
 */
static bool
own_range(Discovery *discovery, int64 from, int64 to)
{
	int64 last = 0;
	int walked = -1; /* rows of `last` seen; -1: none yet */

	seek(discovery, from);
	while (dgen_scan_next(&discovery->scan))
	{
		bool isnull;
		int64 mailbox =
			DatumGetInt64(slot_getattr(discovery->scan.slot, MESSAGE_MAILBOX + 1, &isnull));

		if (walked >= 0 && mailbox == last)
		{
			if (++walked < WALK_ROWS)
				continue;
			if (last == PG_INT64_MAX)
				return true;
			walked = -1;
			seek(discovery, last + 1);
			continue;
		}
		if (mailbox > to)
			return true;
		if (discovery->owned->count >= discovery->limit || discovery->type_limit <= 0)
			return false;

		CHECK_FOR_INTERRUPTS();
		own(discovery, mailbox);
		last = mailbox;
		walked = 0;
		discovery->worker_type->cursor = mailbox == PG_INT64_MAX ? PG_INT64_MIN : mailbox + 1;
	}
	return true;
}

/* From the cursor to the end of the ring, then from its beginning up to the cursor. */
static bool
own_type(Discovery *discovery)
{
	int64 start = discovery->worker_type->cursor;

	if (!own_range(discovery, start, PG_INT64_MAX))
		return false;
	return start == PG_INT64_MIN || own_range(discovery, PG_INT64_MIN, start - 1);
}

static int
type_limit(const WorkerType *type)
{
	double us = type->turn_us > 0 ? type->turn_us : UNKNOWN_TURN_US;

	return (int) Max(1.0, Min(dgen_batch_duration * 1000.0 / us, 100000.0));
}

void
dgen_own_mailboxes(WorkerSession *session, const BatchLimits *limits, Owned *owned)
{
	Discovery discovery = {.owned = owned, .limit = limits->actors};

	dgen_refuse_isolation("claiming a batch");

	/* Before anything is read: dgen.drop_actor_type waits for this lock, and not for rows in between. */
	dgen_table_lock(TABLE_MESSAGE, RowExclusiveLock);
	dgen_check_adopted();
	owned->count = 0;
	owned->left = false;
	owned->mailboxes = palloc(limits->actors * sizeof(OwnedMailbox));

	PushActiveSnapshot(GetTransactionSnapshot());
	dgen_scan_begin(&discovery.scan, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 2);
	for (int i = 0; i < session->ntypes && owned->count < limits->actors; i++)
	{
		discovery.worker_type = &session->types[(session->rotation + i) % session->ntypes];
		discovery.type = dgen_type_by_id(discovery.worker_type->type_id, true);
		if (discovery.type == NULL || dgen_type_is_paused(discovery.type->id))
			continue;
		discovery.type_limit = type_limit(discovery.worker_type);
		if (!own_type(&discovery))
		{
			owned->left = true;
			dgen_wakeup_left(discovery.type->id);
		}
	}
	dgen_scan_end(&discovery.scan);
	PopActiveSnapshot();
	if (session->ntypes > 0)
		session->rotation = (session->rotation + 1) % session->ntypes;
}
