/*
 * What the last owner of a mailbox, or a sweep, remembered for the next one: how far the index has only
 * dead rows, which a snapshot of another session keeps (H6), and where the actor's row is. Memos can be
 * lost: without one, a claim scans the index.
 *
 *     message_order:  | dead dead dead dead dead | waiting | waiting ...
 *                                               floor
 *
 * A floor must not hide a message that commits late with a lower seq than others (H3). So it is never
 * above a settled seq: the transactions that drew this seq and all lower ones are known to have ended. A
 * transaction has its id before it draws a seq (dgen_nextval). So when a session has seen a seq, all
 * transactions that drew it or a lower one have ids below the next id at that time. When all those ids
 * are below the xmin of a snapshot, the snapshot sees what they committed.
 *
 * Rows that came into the mailbox without a send (COPY, replication) might have a seq that was drawn
 * elsewhere. Floors are forgotten from time to time, so that those rows are also found.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "actor/batch.h"
#include "shared/charge.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/memo.h"
#include "shared/shared.h"
#include "table/table.h"

/* A floor lasts for FLOOR_LOOKS safety-net checks, up to twice as many, and one more per LOOK_ROWS dead rows. */
#define FLOOR_LOOKS 10
#define LOOK_ROWS 32
#define MAX_LOOKS 100000

/* ---- settled seqs ---- */

static Oid table = InvalidOid; /* OID of dgen.message, to which the seqs belong */
static int64 settled = 0;
static int64 seen = 0;            /* a seq that was seen and is not settled yet; 0: none */
static TransactionId seen_before; /* the transaction that drew it has a lower id */

static void
check_table(void)
{
	Oid oid = dgen_this_extension();

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

/* Remembers the table for calls at the end of the session, which cannot read the catalog. */
void
dgen_memos_begin(void)
{
	check_table();
}

/* ---- memos ---- */

/* A locked bucket, and the data that identifies a mailbox in it. */
typedef struct Place
{
	MemoBucket *bucket;
	int32 type_id;
	int64 mailbox;
	uint32 tag;
} Place;

static Place
lock_place(int32 type_id, int64 mailbox)
{
	uint64 hash = ((uint64) mailbox ^ ((uint64) type_id << 32) ^ MyDatabaseId) *
				  UINT64CONST(0x9e3779b97f4a7c15);
	Place place = {
		.bucket = &dgen_shared->memos[(hash >> 32) % MEMO_BUCKETS],
		.type_id = type_id,
		.mailbox = mailbox,
		.tag = (uint32) (hash >> 16),
	};

	SpinLockAcquire(&place.bucket->mutex);
	return place;
}

static void
unlock_place(const Place *place)
{
	SpinLockRelease(&place->bucket->mutex);
}

static bool
is_of(const Memo *memo, const Place *place)
{
	return memo->mailbox == place->mailbox && memo->type_id == place->type_id &&
		   memo->database == MyDatabaseId && memo->table == table;
}

/* NULL: nothing is remembered. */
static Memo *
find(const Place *place)
{
	MemoBucket *bucket = place->bucket;

	for (int i = 0; i < MEMO_WAYS; i++)
	{
		Memo *memo = &bucket->places[i].memo;

		if (bucket->tags[i] != place->tag || !is_of(memo, place))
			continue;
		if (bucket->used[i] != bucket->uses)
			bucket->used[i] = ++bucket->uses;
		return memo;
	}
	return NULL;
}

/* Returns a free place, or the least recently used one. */
static int
oldest(const MemoBucket *bucket)
{
	int way = 0;

	for (int i = 1; i < MEMO_WAYS; i++)
		if (bucket->used[i] < bucket->used[way])
			way = i;
	return way;
}

static Memo *
take(const Place *place)
{
	MemoBucket *bucket = place->bucket;
	int way = oldest(bucket);
	Memo *memo = &bucket->places[way].memo;

	bucket->used[way] = ++bucket->uses;
	bucket->tags[way] = place->tag;
	*memo = (Memo){
		.mailbox = place->mailbox,
		.database = MyDatabaseId,
		.table = table,
		.type_id = place->type_id,
	};
	ItemPointerSetInvalid(&memo->actor);
	return memo;
}

static Memo *
find_or_take(const Place *place)
{
	Memo *memo = find(place);

	return memo != NULL ? memo : take(place);
}

/* ---- a dropped extension ---- */

static void
forget_in(MemoBucket *bucket)
{
	SpinLockAcquire(&bucket->mutex);
	for (int i = 0; i < MEMO_WAYS; i++)
	{
		if (bucket->places[i].memo.database != MyDatabaseId)
			continue;
		bucket->used[i] = bucket->tags[i] = 0;
		memset(&bucket->places[i].memo, 0, sizeof(Memo));
	}
	SpinLockRelease(&bucket->mutex);
}

void
dgen_memos_forget(void)
{
	for (int i = 0; i < MEMO_BUCKETS; i++)
		forget_in(&dgen_shared->memos[i]);
	table = InvalidOid;
}

/* ---- floors ---- */

/*
 * Returns the safety-net check at which a floor that was found by skipping `dead` rows is forgotten. A
 * floor that saves more lasts longer, so that a check costs each mailbox few rows, however many there
 * are. Mailboxes have different checks.
 */
static uint32
lasts_until(int64 mailbox, int64 dead)
{
	return pg_atomic_read_u32(&dgen_database->looks) + FLOOR_LOOKS +
		   (uint32) ((uint64) mailbox % FLOOR_LOOKS) + (uint32) Min(dead / LOOK_ROWS, MAX_LOOKS);
}

static bool
is_over(const Memo *memo)
{
	return (int32) (pg_atomic_read_u32(&dgen_database->looks) - memo->until) >= 0;
}

/* ---- what is remembered ---- */

void
dgen_memo_get(int32 type_id, int64 mailbox, Remembered *remembered)
{
	const Memo *memo;
	Place place;

	remembered->floor = remembered->passed = 0;
	ItemPointerSetInvalid(&remembered->actor);
	if (!dgen_shared_attach())
		return;
	check_table();
	place = lock_place(type_id, mailbox);
	memo = find(&place);
	if (memo != NULL)
	{
		remembered->actor = memo->actor;
		if (!is_over(memo))
			remembered->floor = memo->floor;
	}
	unlock_place(&place);
}

void
dgen_memo_set(int32 type_id, int64 mailbox, const Remembered *remembered)
{
	Memo *memo;
	Place place;

	if (!dgen_shared_attach())
		return;
	check_table();
	place = lock_place(type_id, mailbox);
	memo = find_or_take(&place);
	memo->floor = remembered->floor;
	if (remembered->passed > 0)
		memo->until = lasts_until(mailbox, remembered->passed);
	memo->actor = remembered->actor;
	unlock_place(&place);
}

void
dgen_memo_raise_floor(int32 type_id, int64 mailbox, int64 floor, int64 passed)
{
	Memo *memo;
	Place place;

	if (floor == 0 || !dgen_shared_attach())
		return;
	check_table();
	place = lock_place(type_id, mailbox);
	memo = find(&place);
	if (memo == NULL && passed > 0 && place.bucket->used[oldest(place.bucket)] == 0)
		memo = take(&place);
	if (memo != NULL && passed == 0)
		memo->floor = is_over(memo) ? memo->floor : Max(memo->floor, floor);
	else if (memo != NULL)
	{
		memo->floor = is_over(memo) ? floor : Max(memo->floor, floor);
		memo->until = lasts_until(mailbox, passed);
	}
	unlock_place(&place);
}

/* ---- suspicion ---- */

Suspicion
dgen_suspicion_of(int32 type_id, int64 mailbox)
{
	Suspicion suspicion = {SUSPICION_NONE, 0};
	const Memo *memo;
	Place place;

	if (dgen_database == NULL || pg_atomic_read_u32(&dgen_database->suspected) == 0)
		return suspicion;
	if (!OidIsValid(table))
		check_table();
	place = lock_place(type_id, mailbox);
	memo = find(&place);
	if (memo != NULL)
		suspicion = memo->suspicion;
	unlock_place(&place);
	return suspicion;
}

/* Also called at the end of a session, which knows the table from earlier reads. */
void
dgen_set_suspicion(int32 type_id, int64 mailbox, Suspicion suspicion)
{
	Place place;

	if (suspicion.level != SUSPICION_NONE)
		pg_atomic_fetch_add_u32(&dgen_database->suspected, 1);
	place = lock_place(type_id, mailbox);
	find_or_take(&place)->suspicion = suspicion;
	unlock_place(&place);
}
