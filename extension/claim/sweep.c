/*
 * Sweeps: if there is no room for hints, or if messages were not announced, a scan of the mailbox
 * index finds the mailboxes, and leaves hints. It is done in slices (slice.c says which session
 * scans which). Each slice passes a bounded number of dead rows, and can also end in the middle of
 * a mailbox.
 *
 *     message_order:   mailbox 1          | mailbox 2                        | mailbox 3 ...
 *                      dead dead waiting  | dead ... dead dead dead ... dead | dead waiting
 *     slices:         ──────────────────────────────>──────────────────────────────────────>
 *
 * The floor that the mailbox's last owner left lets the sweep skip dead rows. If there is none, the
 * sweep leaves one, so that the next sweep need not pass them again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/snapmgr.h"

#include "actor/batch.h"
#include "claim/claim.h"
#include "claim/sweep.h"
#include "shared/hint_set.h"
#include "shared/memo.h"
#include "table/columns.h"
#include "table/floor.h"
#include "table/scan.h"
#include "table/table.h"

/* A slice: so many mailboxes with messages, or so many dead rows. */
#define SLICE_MAILBOXES 1024
#define SLICE_DEAD_ROWS 2000

/* After a slice without any mailbox the sweep rests, so many times as long as it took. */
#define REST 16

/* Entries of a mailbox that has a message to walk over before seeking behind it. */
#define MAILBOX_ENTRIES 64

/* What comes after a place inside a mailbox, in this order. */
typedef enum Part
{
	PART_PRIORITY, /* the rest of its priority, */
	PART_LOWER,    /* the lower ones, */
	PART_OTHERS,   /* and the other mailboxes */
	PARTS
} Part;

static const int part_keys[PARTS] = {4, 3, 2};

typedef struct Slice
{
	Sweep sweep;
	int32 type_id;
	DgenScan scans[PARTS];
	bool open[PARTS];
	Part part;
	SweepPlace at; /* what it has passed; the mailbox it is in */
	bool begun;    /* it is in one */
	bool found;    /* which has a message */
	int after;     /* entries of it since that was found */
	int hints;
	int dead;  /* rows passed */
	int64 seq; /* the highest of them */
} Slice;

static Datum
index_column(const Slice *slice, int column)
{
	IndexScanDesc index = slice->scans[slice->part].scan;
	bool isnull;

	return index_getattr(index->xs_itup, column, index->xs_itupdesc, &isnull);
}

static bool
is_tired(const Slice *slice)
{
	return slice->dead >= SLICE_DEAD_ROWS;
}

/* ---- where it walks ---- */

static void
seek(Slice *slice, Part part, ScanKeyData *keys)
{
	if (!slice->open[part])
	{
		dgen_scan_begin(&slice->scans[part], TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(),
						part_keys[part]);
		slice->scans[part].scan->xs_want_itup = true;
	}
	slice->open[part] = true;
	slice->part = part;
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, slice->type_id);
	dgen_scan_seek(&slice->scans[part], keys, part_keys[part]);
}

static void
seek_mailbox(Slice *slice, int64 mailbox)
{
	ScanKeyData keys[2];

	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTGreaterEqualStrategyNumber, mailbox);
	seek(slice, PART_OTHERS, keys);
}

/* Behind a row of the mailbox that it is in, in the priority of that. */
static void
seek_behind(Slice *slice, int16 priority, int64 seq)
{
	ScanKeyData keys[4];

	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, slice->at.mailbox);
	dgen_key_int2(&keys[2], ORDER_PRIORITY, BTEqualStrategyNumber, priority);
	dgen_key_int8(&keys[3], ORDER_SEQ, BTGreaterStrategyNumber, seq);
	seek(slice, PART_PRIORITY, keys);
	slice->at.priority = priority;
	slice->at.seq = seq;
}

static void
seek_lower(Slice *slice)
{
	ScanKeyData keys[3];

	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, slice->at.mailbox);
	dgen_key_int2(&keys[2], ORDER_PRIORITY, BTLessStrategyNumber, slice->at.priority);
	seek(slice, PART_LOWER, keys);
}

/* False if there cannot be another one. */
static bool
seek_next_mailbox(Slice *slice)
{
	if (slice->at.mailbox == PG_INT64_MAX)
		return false;
	seek_mailbox(slice, slice->at.mailbox + 1);
	return true;
}

/* False at the end. */
static bool
next_entry(Slice *slice)
{
	while (index_getnext_tid(slice->scans[slice->part].scan, ForwardScanDirection) == NULL)
	{
		if (slice->part == PART_OTHERS)
			return false;
		if (slice->part == PART_PRIORITY)
			seek_lower(slice);
		else if (!seek_next_mailbox(slice))
			return false;
	}
	return true;
}

/* ---- one mailbox ---- */

/*
 * A rollback brings back the rows that this transaction has removed, so its view settles nothing.
 * Nor do later views of others: a message with a low seq can commit between two slices, behind the
 * sweep.
 */
static int64
settled(int64 floor)
{
	return TransactionIdIsValid(GetTopTransactionIdIfAny()) ? 0 : floor;
}

/*
 * Nothing in the mailbox waits, and no message can appear below the seq that was settled when the
 * sweep reached it.
 */
static void
leave_floor(const Slice *slice)
{
	const SweepPlace *at = &slice->at;

	if (slice->begun && !slice->found && at->dead >= FLOOR_ROWS)
		dgen_memo_raise_floor(slice->type_id, at->mailbox, settled(at->floor),
							  at->jumped ? 0 : at->dead);
}

static void
enter(Slice *slice, int64 mailbox)
{
	leave_floor(slice);
	slice->begun = true;
	slice->found = false;
	slice->after = 0;
	slice->at =
		(SweepPlace){.mailbox = mailbox, .floor = settled(dgen_settled_seq(GetActiveSnapshot()))};
}

typedef enum Step
{
	STEP_ON,
	STEP_FULL, /* it continues at this very row: there is no room for the hint */
	STEP_TIRED,
	STEP_END
} Step;

static Step
step_behind_mailbox(Slice *slice)
{
	return seek_next_mailbox(slice) ? STEP_ON : STEP_END;
}

/* False if there is no more room for hints. */
static bool
leave_hint(Slice *slice)
{
	if (slice->hints == SLICE_MAILBOXES || !dgen_sweep_add(&slice->sweep, slice->at.mailbox))
		return false;
	slice->hints++;
	slice->found = true;
	return true;
}

/* Its last owner might have left a floor, below which there is nothing to find. */
static void
pass_floor(Slice *slice)
{
	Remembered remembered;

	dgen_memo_get(slice->type_id, slice->at.mailbox, &remembered);
	if (remembered.floor <= slice->at.seq)
		return;
	slice->at.jumped = true;
	seek_behind(slice, 0, remembered.floor);
}

static Step
pass_dead(Slice *slice)
{
	SweepPlace *at = &slice->at;

	at->priority = DatumGetInt16(index_column(slice, ORDER_PRIORITY));
	at->seq = DatumGetInt64(index_column(slice, ORDER_SEQ));
	at->inside = true;
	at->dead++;
	slice->seq = Max(slice->seq, at->seq);
	slice->dead++;
	if (is_tired(slice))
		return STEP_TIRED;
	if (at->dead % FLOOR_ROWS == 0 && at->priority == 0 && !at->jumped)
		pass_floor(slice);
	return STEP_ON;
}

/* An entry of the mailbox that it is in. */
static Step
step(Slice *slice)
{
	if (slice->found)
		return ++slice->after == MAILBOX_ENTRIES ? step_behind_mailbox(slice) : STEP_ON;
	if (!index_fetch_heap(slice->scans[slice->part].scan, slice->scans[slice->part].slot))
		return pass_dead(slice);
	return leave_hint(slice) ? STEP_ON : STEP_FULL;
}

/* ---- one slice ---- */

static void
seek_begin(Slice *slice)
{
	const SweepPlace *from = &slice->sweep.from;

	slice->at = *from;
	slice->begun = from->inside;
	if (from->inside)
		seek_behind(slice, from->priority, from->seq);
	else
		seek_mailbox(slice, from->mailbox);
}

/* True if it reached the end of its part of the ring. */
static bool
walk(Slice *slice)
{
	Step next = STEP_ON;

	seek_begin(slice);
	while (next == STEP_ON)
	{
		int64 mailbox;

		CHECK_FOR_INTERRUPTS();
		if (!next_entry(slice))
			break;
		mailbox = DatumGetInt64(index_column(slice, ORDER_MAILBOX));
		if (mailbox > slice->sweep.to)
			break;
		if (!slice->begun || mailbox != slice->at.mailbox)
			enter(slice, mailbox);
		next = step(slice);
	}
	if (next == STEP_FULL || next == STEP_TIRED)
		return false;
	leave_floor(slice);
	return true;
}

/* What is passed is passed, also after an interrupt: another slice continues behind it. */
static void
stop(Slice *slice, double rest_us)
{
	slice->at.floor = settled(slice->at.floor);
	if (rest_us > 0)
		dgen_sweep_rest(&slice->sweep, &slice->at, (int64) rest_us);
	else
		dgen_sweep_stop(&slice->sweep, &slice->at);
}

static void
end_slice(Slice *slice, bool through, instr_time start)
{
	if (through)
		dgen_sweep_through(&slice->sweep);
	else
		stop(slice, is_tired(slice) && slice->hints == 0 ? REST * dgen_elapsed_us(start) : 0);
}

static void
run_slice(Slice *slice, bool *tired)
{
	instr_time start;
	bool through;

	INSTR_TIME_SET_CURRENT(start);
	slice->at = slice->sweep.from;
	PG_TRY();
	{
		dgen_table_lock(TABLE_MESSAGE, AccessShareLock);
		PushActiveSnapshot(GetTransactionSnapshot());
		through = walk(slice);
	}
	PG_CATCH();
	{
		stop(slice, 0);
		PG_RE_THROW();
	}
	PG_END_TRY();
	*tired = is_tired(slice);
	end_slice(slice, through, start);
	dgen_saw_seq(slice->seq);
	for (int i = 0; i < PARTS; i++)
		if (slice->open[i])
			dgen_scan_end(&slice->scans[i]);
	PopActiveSnapshot();
}

/*
 * The snapshot is taken after it is known which requests the sweep answers, so it sees everything
 * that existed when they were made.
 */
bool
dgen_sweep(int32 type_id, bool *tired)
{
	Slice slice = {.type_id = type_id};

	switch (dgen_sweep_begin(type_id, &slice.sweep))
	{
		case SWEEP_NOT_NEEDED:
			return false;
		case SWEEP_BY_ANOTHER:
			return true;
		case SWEEP_BEGUN:
			break;
	}
	run_slice(&slice, tired);
	return true;
}
