/*
 * Why this session has no claimed batch, or no locked part, for the error of a function that needs
 * one. In most cases the session has claimed one, often in this transaction, and something has
 * ended it.
 */
#include "postgres.h"

#include "access/xact.h"

#include "base/errors.h"
#include "claim/part.h"
#include "protocol/protocol.h"
#include "version/process.h"

static struct
{
	NoBatch reason;
	LocalTransactionId lxid;
	SubTransactionId subid; /* in which it came to be so */
} last;

static const char *const details[] = {
	[NO_BATCH_CLAIMED] = NULL,
	[NO_BATCH_FOUND] = "dgen.claim found nothing to handle.",
	[NO_BATCH_BUT_PART] = "dgen.claim returned the message of a locked part.",
	[NO_BATCH_COMMITTED] = "dgen.commit_turns has ended the batch in this transaction.",
	[NO_BATCH_ANY_MORE] = "ROLLBACK TO SAVEPOINT has undone dgen.claim.",
	[NO_BATCH_AGAIN] =
		"ROLLBACK TO SAVEPOINT has undone dgen.commit_turns, which can end a batch only once.",
	[NO_BATCH_HERE] = "The transaction in which this session claimed a batch has ended.",
};

/* NULL: the caller's. */
static const char *const hints[] = {
	[NO_BATCH_CLAIMED] = NULL,
	[NO_BATCH_FOUND] = "Run COMMIT, wait with dgen.wait, and claim again.",
	[NO_BATCH_BUT_PART] = "Run COMMIT and the locked part. Then end it with dgen.claim_locked and "
						  "dgen.commit_turns in one transaction.",
	[NO_BATCH_COMMITTED] = "Run COMMIT, and claim again. libdgen runs dgen.commit_turns itself, "
						   "when its callbacks have returned.",
	[NO_BATCH_ANY_MORE] = "Claim again, or set the savepoint after dgen.claim.",
	[NO_BATCH_AGAIN] = "Run ROLLBACK, and claim again.",
	[NO_BATCH_HERE] = NULL,
};

void
dgen_no_batch(NoBatch reason)
{
	last.reason = reason;
	last.lxid = DGEN_MY_LXID;
	last.subid = GetCurrentSubTransactionId();
}

void
dgen_no_batch_undone(SubTransactionId subid)
{
	if (last.lxid != DGEN_MY_LXID || last.subid < subid)
		return;
	if (last.reason == NO_BATCH_COMMITTED)
		last.reason = NO_BATCH_AGAIN;
	else if (last.reason == NO_BATCH_BUT_PART)
		last.reason = NO_BATCH_ANY_MORE;
}

/* At its end a transaction has no number any more. */
static NoBatch
reason_now(void)
{
	if (last.lxid == InvalidLocalTransactionId || last.lxid == DGEN_MY_LXID)
		return last.reason;
	if (last.reason == NO_BATCH_BUT_PART && dgen_part_under_way())
		return NO_BATCH_BUT_PART;
	return last.reason == NO_BATCH_FOUND ? NO_BATCH_CLAIMED : NO_BATCH_HERE;
}

void
dgen_refuse_no_batch(const char *hint)
{
	NoBatch reason = reason_now();

	ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED), errmsg("no batch is claimed in this transaction"),
					details[reason] != NULL ? errdetail("%s", details[reason]) : 0,
					errhint("%s", hints[reason] != NULL ? hints[reason] : hint)));
}

void
dgen_refuse_no_part(void)
{
	switch (dgen_no_part())
	{
		case NO_PART_CLAIMED:
			break;
		case NO_PART_BEGUN:
			ereport(ERROR,
					(errcode(DGEN_ERR_NOT_OWNED), errmsg("this session has no locked part"),
					 errdetail("The transaction that claimed a locked part was rolled back."),
					 errhint("Claim again, and run COMMIT before the locked part.")));
			break;
		case NO_PART_ANY_MORE:
			ereport(
				ERROR,
				(errcode(DGEN_ERR_NOT_OWNED), errmsg("this session has no locked part"),
				 errdetail("dgen.commit_turns or dgen.unlock ended the last one in this session."),
				 errhint("Claim the next one: dgen.claim(locked => true).")));
			break;
		case NO_PART_LEFT:
			ereport(
				ERROR,
				(errcode(DGEN_ERR_NOT_OWNED), errmsg("this session no longer has a locked part"),
				 errdetail(
					 "The lock was ended, the actor or its type was deleted, the lock_timeout of the type has passed, or this session has attached again."),
				 errhint("Discard the result of the locked part, and claim again.")));
			break;
	}
	ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED), errmsg("this session has no locked part"),
					errhint("Claim one first: dgen.claim(locked => true), then COMMIT.")));
}
