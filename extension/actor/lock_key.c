/*
 * The keys of actors' locks. Every role can compute mailboxes, and a role that can send to one type can
 * hold the locks of that type's actors. It must not be able to choose an actor that shares its lock with
 * an actor of another type. So the key is SipHash-2-4 of type and mailbox with a secret of the database,
 * the row of dgen.lock_secret.
 *
 * All sessions of a database must use the same secret at any time. So it is created with the table and
 * never changes. A prepared transaction has its locks again after a restart and on a promoted standby, so
 * the secret is stored. Another CREATE EXTENSION creates another secret, but only while no session owns
 * an actor: an owner has a lock on dgen.message, for which DROP EXTENSION waits.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "port/pg_bswap.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "actor/key.h"
#include "base/errors.h"
#include "table/columns.h"
#include "table/shape.h"
#include "table/table.h"
#include "version/access.h"

#define SECRET_BYTES 16

typedef struct Secret
{
	Oid table; /* from which it was read; invalid: not read yet */
	uint64 low;
	uint64 high;
} Secret;

static Secret secret = {InvalidOid};

/* ---- the secret ---- */

static void
refuse_secret(void)
{
	ereport(ERROR, (errcode(DGEN_ERR_CHANGED),
					errmsg("table dgen.lock_secret must have one row of %d bytes", SECRET_BYTES),
					errhint("Restore a physical backup of the server.")));
}

/* Reads a number in the byte order of SipHash. */
static uint64
read_number(const char *bytes)
{
	uint64 number;

	memcpy(&number, bytes, sizeof(number));
#ifdef WORDS_BIGENDIAN
	number = pg_bswap64(number);
#endif
	return number;
}

static Secret
read_secret(HeapTuple tuple, Relation heap)
{
	Datum values[LOCK_SECRET_COLUMNS];
	bool nulls[LOCK_SECRET_COLUMNS];
	const bytea *value;

	dgen_row_deform(tuple, RelationGetDescr(heap), values, nulls, LOCK_SECRET_COLUMNS);
	value = DatumGetByteaPP(values[LOCK_SECRET_SECRET]);
	if (VARSIZE_ANY_EXHDR(value) != SECRET_BYTES)
		refuse_secret();
	return (Secret){
		.table = RelationGetRelid(heap),
		.low = read_number(VARDATA_ANY(value)),
		.high = read_number(VARDATA_ANY(value) + sizeof(uint64)),
	};
}

/* Reads in a new snapshot: that of the transaction might be older than the extension. */
static void
load_secret(void)
{
	Relation heap = dgen_table_open(TABLE_LOCK_SECRET, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = dgen_table_beginscan(heap, snapshot);
	Secret found = {InvalidOid};
	HeapTuple tuple;
	int count = 0;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		found = read_secret(tuple, heap);
		count++;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(heap, NoLock);
	if (count != 1)
		refuse_secret();
	secret = found;
}

/* ---- SipHash ---- */

typedef struct SipState
{
	uint64 v0;
	uint64 v1;
	uint64 v2;
	uint64 v3;
} SipState;

static inline uint64
rotate(uint64 value, int bits)
{
	return (value << bits) | (value >> (64 - bits));
}

static inline void
sip_rounds(SipState *s, int count)
{
	for (int i = 0; i < count; i++)
	{
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static inline void
sip_word(SipState *s, uint64 word)
{
	s->v3 ^= word;
	sip_rounds(s, 2);
	s->v0 ^= word;
}

/* Hashes the 12 bytes of mailbox and type. The highest byte of the last word is the number of bytes. */
static uint64
sip_hash(uint64 mailbox, uint32 type)
{
	SipState s = {
		.v0 = secret.low ^ UINT64CONST(0x736f6d6570736575),
		.v1 = secret.high ^ UINT64CONST(0x646f72616e646f6d),
		.v2 = secret.low ^ UINT64CONST(0x6c7967656e657261),
		.v3 = secret.high ^ UINT64CONST(0x7465646279746573),
	};

	sip_word(&s, mailbox);
	sip_word(&s, (UINT64CONST(12) << 56) | type);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- recently computed keys ---- */

/* A key is needed when its actor is owned, read and committed. Few of a batch of 100 share a place. */
#define RECENT_KEYS 512

typedef struct RecentKey
{
	int64 mailbox;
	int32 type; /* 0: empty, no actor type has it */
	uint64 key;
} RecentKey;

static RecentKey recent[RECENT_KEYS];

static void
renew_secret(void)
{
	memset(recent, 0, sizeof(recent));
	load_secret();
}

/*
 * Two actors can share a lock: that costs concurrency, never safety. The caller holds a lock on
 * dgen.message or on dgen.actor, so no other session replaces the table with the secret.
 */
uint64
dgen_lock_key(int32 type_id, int64 mailbox)
{
	RecentKey *place = &recent[(uint64) mailbox % RECENT_KEYS];

	if (unlikely(secret.table != dgen_table_oid(TABLE_LOCK_SECRET)))
		renew_secret();
	if (place->mailbox != mailbox || place->type != type_id)
		*place = (RecentKey){mailbox, type_id, sip_hash((uint64) mailbox, (uint32) type_id)};
	return place->key;
}
