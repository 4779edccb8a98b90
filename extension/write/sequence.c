/*
 * Numbers from dgen's sequences. dgen relies on how they are drawn: a transaction has its id before it
 * draws a seq (memo.c), and a later seq is higher. A sequence that caches numbers in a session, counts
 * down or cycles would hide committed messages.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/errors.h"
#include "table/table.h"
#include "version/process.h"
#include "write/sequence.h"

/* A checked sequence; forgotten when any sequence changes. */
typedef struct Known
{
	Oid oid; /* its shape is right; InvalidOid: to be checked */
	LocalTransactionId lxid;
} Known;

static Known known[DGEN_TABLE_COUNT - SEQUENCE_MESSAGE];

static void
forget(Datum arg, int cache, uint32 hash)
{
	for (int i = 0; i < lengthof(known); i++)
		known[i].oid = InvalidOid;
}

static void
register_callback(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterSyscacheCallback(SEQRELID, forget, (Datum) 0);
	registered = true;
}

static void
check(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(oid));
	Form_pg_sequence form;
	bool fits;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for sequence %u", oid);
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	fits = form->seqcache == 1 && form->seqincrement > 0 && !form->seqcycle;
	ReleaseSysCache(tuple);
	if (!fits)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_CHANGED), errmsg("sequence dgen.%s was changed", get_rel_name(oid)),
			 errdetail(
				 "dgen needs numbers that are drawn one by one, upwards, and once. Otherwise it finds messages late."),
			 errhint("Run ALTER SEQUENCE dgen.%s CACHE 1 INCREMENT 1 NO CYCLE.",
					 get_rel_name(oid))));
}

/*
 * Locks the sequence once in a transaction, as nextval does. So the session waits for an ALTER SEQUENCE
 * in progress, and receives its invalidation with the lock.
 */
static void
check_once(Known *sequence, Oid oid)
{
	register_callback();
	if (sequence->lxid != DGEN_MY_LXID)
	{
		LockRelationOid(oid, RowExclusiveLock);
		sequence->lxid = DGEN_MY_LXID;
	}
	if (sequence->oid == oid)
		return;
	check(oid);
	sequence->oid = oid;
}

/*
 * The transaction gets its id before it draws the seq of a message: see memo.c. (In a read-only
 * transaction it cannot, and nextval has the better error.)
 */
int64
dgen_nextval(DgenTable sequence)
{
	Oid oid = dgen_table_oid(sequence);

	if (sequence == SEQUENCE_MESSAGE && !XactReadOnly)
		(void) GetTopTransactionId();
	check_once(&known[sequence - SEQUENCE_MESSAGE], oid);
	return nextval_internal(oid, false);
}

PG_FUNCTION_INFO_V1(dgen_next_message);

/* For dgen's functions in SQL. */
Datum
dgen_next_message(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(dgen_nextval(SEQUENCE_MESSAGE));
}
