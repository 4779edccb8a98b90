/*
 * Sweeps: where there is no room for hints, or where nobody told of messages, a walk over the
 * index of the mailboxes finds them, and leaves hints. It goes in slices (hints.c says who walks
 * which), and each is bounded, also in the dead rows that it passes.
 *
 * Dead rows are passed by the floor that the mailbox's last owner has left. Where there is none,
 * the sweep leaves one, so that the next need not pass them again.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

/* A slice: so many mailboxes, or dead rows (and those of the mailbox it is in). */
#define SLICE_MAILBOXES 1024
#define SLICE_DEAD_ROWS 2000

/* After a slice without any mailbox the sweep rests, so many times as long as it took. */
#define REST 16

/* Entries of a mailbox that has a message to walk over before seeking behind it. */
#define MAILBOX_ENTRIES 64

typedef struct Slice
{
	Sweep sweep;
	int32 type_id;
	DgenScan scan;
	FloorScan floor; /* once a mailbox has one */
	bool has_floor;
	int hints;
	int64 dead; /* rows passed by scan */
	int64 seq;  /* the highest of them */
	bool begun;
	int64 mailbox; /* it is in this one; where the next slice begins */
	bool found;    /* it has a message */
	int passed;    /* entries of it since that was found, or dead rows of it before */
} Slice;

static int64
index_column(const Slice *slice, int column)
{
	IndexScanDesc index = slice->scan.scan;
	bool isnull;

	return DatumGetInt64(index_getattr(index->xs_itup, column, index->xs_itupdesc, &isnull));
}

static int64
dead_rows(const Slice *slice)
{
	return slice->dead + (slice->has_floor ? dgen_floor_dead(&slice->floor) : 0);
}

static void
seek(Slice *slice, int64 mailbox)
{
	ScanKeyData keys[2];

	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, slice->type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTGreaterEqualStrategyNumber, mailbox);
	dgen_scan_seek(&slice->scan, keys, 2);
}

/* False if there cannot be another one. */
static bool
seek_next_mailbox(Slice *slice)
{
	if (slice->mailbox == PG_INT64_MAX)
		return false;
	seek(slice, slice->mailbox + 1);
	return true;
}

/* ---- one mailbox ---- */

static bool
has_message_beyond(Slice *slice, int64 floor)
{
	if (!slice->has_floor)
		dgen_floor_open(&slice->floor, GetActiveSnapshot());
	slice->has_floor = true;
	for (int i = 0; i < FLOOR_SCANS; i++)
		if (dgen_scan_next(
				dgen_floor_seek(&slice->floor, i, slice->type_id, slice->mailbox, floor)))
			return true;
	return false;
}

/* False if there is no more room for hints. */
static bool
leave_hint(Slice *slice)
{
	slice->found = true;
	slice->passed = 0;
	return slice->hints++ < SLICE_MAILBOXES && dgen_sweep_add(&slice->sweep, slice->mailbox);
}

/*
 * Nothing in it waits, and what is settled cannot come any more. Unless this very transaction
 * may have removed it: then it would come back with a rollback.
 */
static void
leave_floor(const Slice *slice)
{
	if (slice->begun && !slice->found && slice->passed >= FLOOR_ROWS &&
		!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		dgen_memo_raise_floor(slice->type_id, slice->mailbox, dgen_settled_seq(GetActiveSnapshot()),
							  slice->passed);
}

typedef enum Step
{
	STEP_ON,
	STEP_FULL,
	STEP_END
} Step;

/* Its last owner may have left word how far there is nothing to be found. */
static Step
step_to_floor(Slice *slice)
{
	Remembered remembered;

	dgen_memo_get(slice->type_id, slice->mailbox, &remembered);
	if (remembered.floor == 0)
		return STEP_ON;
	if (has_message_beyond(slice, remembered.floor) && !leave_hint(slice))
		return STEP_FULL;
	return seek_next_mailbox(slice) ? STEP_ON : STEP_END;
}

/* An entry of the mailbox that it is in. */
static Step
step(Slice *slice)
{
	if (slice->found)
	{
		if (++slice->passed == MAILBOX_ENTRIES)
			return seek_next_mailbox(slice) ? STEP_ON : STEP_END;
		return STEP_ON;
	}
	if (index_fetch_heap(slice->scan.scan, slice->scan.slot))
		return leave_hint(slice) ? STEP_ON : STEP_FULL;
	slice->dead++;
	slice->seq = Max(slice->seq, index_column(slice, ORDER_SEQ));
	return ++slice->passed == FLOOR_ROWS ? step_to_floor(slice) : STEP_ON;
}

/* ---- one slice ---- */

static void
enter(Slice *slice, int64 mailbox)
{
	leave_floor(slice);
	slice->begun = true;
	slice->mailbox = mailbox;
	slice->found = false;
	slice->passed = 0;
}

/* True if it came to the end of its part of the ring. */
static bool
walk(Slice *slice)
{
	Step next = STEP_ON;

	seek(slice, slice->sweep.from);
	while (next == STEP_ON)
	{
		int64 mailbox;

		CHECK_FOR_INTERRUPTS();
		if (index_getnext_tid(slice->scan.scan, ForwardScanDirection) == NULL)
			break;
		mailbox = index_column(slice, ORDER_MAILBOX);
		if (mailbox > slice->sweep.to)
			break;
		if (!slice->begun || mailbox != slice->mailbox)
		{
			enter(slice, mailbox);
			if (dead_rows(slice) >= SLICE_DEAD_ROWS)
				return false;
		}
		next = step(slice);
	}
	if (next == STEP_FULL)
		return false;
	leave_floor(slice);
	return true;
}

static void
end_slice(Slice *slice, bool through, bool tired, instr_time start)
{
	if (through)
		dgen_sweep_through(&slice->sweep);
	else if (tired && slice->hints == 0)
		dgen_sweep_rest(&slice->sweep, slice->mailbox, (int64) (REST * dgen_elapsed_us(start)));
	else
		dgen_sweep_stop(&slice->sweep, slice->mailbox);
}

static void
run_slice(Slice *slice, bool *tired)
{
	instr_time start;
	bool through;

	INSTR_TIME_SET_CURRENT(start);
	dgen_scan_begin(&slice->scan, TABLE_MESSAGE, INDEX_PRIMARY, GetActiveSnapshot(), 2);
	slice->scan.scan->xs_want_itup = true;
	through = walk(slice);
	dgen_saw_seq(slice->seq);
	*tired = dead_rows(slice) >= SLICE_DEAD_ROWS;
	end_slice(slice, through, *tired, start);
	if (slice->has_floor)
		dgen_floor_close(&slice->floor);
	dgen_scan_end(&slice->scan);
}

/*
 * The snapshot is taken once it is known what the sweep answers: it sees everything that was
 * there when that was asked for.
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
	PushActiveSnapshot(GetTransactionSnapshot());
	run_slice(&slice, tired);
	PopActiveSnapshot();
	return true;
}
