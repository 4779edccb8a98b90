/*
 * What the last owner of a mailbox, or a sweep, remembered for the next one: how far its index
 * has nothing but dead rows, which a snapshot held by somebody keeps there (H6), and
 * where the actor's row is. Lossy: who finds nothing here walks the index.
 *
 *     message_order:  | dead dead dead dead dead | waiting | waiting ...
 *                                               floor
 *
 * A floor must not hide a message that commits late with a lower seq than others (H3).
 * So it is never above a seq that is settled: of which, and of all below it, it is known
 * that the transactions that drew them have ended. A transaction has its id before it
 * draws a seq (dgen_nextval), so those that drew one up to a seq that somebody has
 * seen have ids below the next one to be given out after that; once they are below
 * every id that a snapshot takes for running, the snapshot sees what they committed.
 *
 * Rows that got into the mailbox in other ways than by a send (COPY, replication) may
 * have a seq that was drawn elsewhere. Floors are forgotten now and then, so that those
 * are found, too.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "dgen_ext.h"
#include "shared.h"

#define EPOCH_LOOKS 10 /* safety-net looks for which floors last */

/* ---- settled seqs ---- */

static Oid table = InvalidOid; /* the dgen.message that they are of */
static int64 settled = 0;
static int64 seen = 0;            /* highest seq seen, not settled yet; 0: none */
static TransactionId seen_before; /* whoever drew it has a lower id */

static void
check_table(void)
{
	Oid oid = dgen_table_oid(TABLE_MESSAGE);

	if (oid == table)
		return;
	table = oid;
	settled = seen = 0;
}

void
dgen_saw_seq(int64 seq)
{
	check_table();
	if (seen != 0 || seq <= settled)
		return;
	seen = seq;
	seen_before = ReadNextTransactionId();
}

int64
dgen_settled_seq(Snapshot snapshot)
{
	check_table();
	if (seen != 0 && TransactionIdPrecedesOrEquals(seen_before, snapshot->xmin))
	{
		settled = seen;
		seen = 0;
	}
	return settled;
}

/* ---- memos ---- */

static Memo *
place_of(int32 type_id, int64 mailbox)
{
	uint64 hash = ((uint64) mailbox ^ ((uint64) type_id << 32) ^ MyDatabaseId) *
				  UINT64CONST(0x9e3779b97f4a7c15);

	return &dgen_shared->memos[(hash >> 32) % MEMOS];
}

/* Another look for each mailbox, so that they are not all walked over again at once. */
static uint32
epoch(int64 mailbox)
{
	uint32 looks = pg_atomic_read_u32(&dgen_database->looks);

	return (looks + (uint32) ((uint64) mailbox % EPOCH_LOOKS)) / EPOCH_LOOKS;
}

static bool
is_of(const Memo *memo, int32 type_id, int64 mailbox)
{
	return memo->mailbox == mailbox && memo->type_id == type_id && memo->database == MyDatabaseId &&
		   memo->table == table;
}

void
dgen_memo_get(int32 type_id, int64 mailbox, Remembered *remembered)
{
	Memo *memo;

	remembered->floor = 0;
	ItemPointerSetInvalid(&remembered->actor);
	if (!dgen_shared_attach())
		return;
	check_table();
	memo = place_of(type_id, mailbox);
	SpinLockAcquire(&memo->mutex);
	if (is_of(memo, type_id, mailbox))
	{
		remembered->actor = memo->actor;
		if (memo->epoch == epoch(mailbox))
			remembered->floor = memo->floor;
	}
	SpinLockRelease(&memo->mutex);
}

/* Whoever was there is forgotten. */
static void
take_place(Memo *memo, int32 type_id, int64 mailbox)
{
	if (is_of(memo, type_id, mailbox))
		return;
	memo->database = MyDatabaseId;
	memo->table = table;
	memo->type_id = type_id;
	memo->mailbox = mailbox;
	memo->floor = 0;
	memo->suspicion = (Suspicion){SUSPICION_NONE, 0};
	ItemPointerSetInvalid(&memo->actor);
}

void
dgen_memo_set(int32 type_id, int64 mailbox, const Remembered *remembered)
{
	Memo *memo;

	if (!dgen_shared_attach())
		return;
	check_table();
	memo = place_of(type_id, mailbox);
	SpinLockAcquire(&memo->mutex);
	take_place(memo, type_id, mailbox);
	memo->epoch = epoch(mailbox);
	memo->floor = remembered->floor;
	memo->actor = remembered->actor;
	SpinLockRelease(&memo->mutex);
}

void
dgen_memo_raise_floor(int32 type_id, int64 mailbox, int64 floor)
{
	Memo *memo;

	if (floor == 0 || !dgen_shared_attach())
		return;
	check_table();
	memo = place_of(type_id, mailbox);
	SpinLockAcquire(&memo->mutex);
	if (!OidIsValid(memo->database))
		take_place(memo, type_id, mailbox);
	if (is_of(memo, type_id, mailbox))
	{
		memo->floor = memo->epoch == epoch(mailbox) ? Max(memo->floor, floor) : floor;
		memo->epoch = epoch(mailbox);
	}
	SpinLockRelease(&memo->mutex);
}

/* ---- suspicion ---- */

Suspicion
dgen_suspicion_of(int32 type_id, int64 mailbox)
{
	Suspicion suspicion = {SUSPICION_NONE, 0};
	Memo *memo;

	if (dgen_database == NULL || pg_atomic_read_u32(&dgen_database->suspected) == 0)
		return suspicion;
	if (!OidIsValid(table))
		check_table();
	memo = place_of(type_id, mailbox);
	SpinLockAcquire(&memo->mutex);
	if (is_of(memo, type_id, mailbox))
		suspicion = memo->suspicion;
	SpinLockRelease(&memo->mutex);
	return suspicion;
}

/* Also at the end of a session, which knows the table from what it has read. */
void
dgen_set_suspicion(int32 type_id, int64 mailbox, Suspicion suspicion)
{
	Memo *memo = place_of(type_id, mailbox);

	if (suspicion.level != SUSPICION_NONE)
		pg_atomic_fetch_add_u32(&dgen_database->suspected, 1);
	SpinLockAcquire(&memo->mutex);
	take_place(memo, type_id, mailbox);
	memo->suspicion = suspicion;
	SpinLockRelease(&memo->mutex);
}
