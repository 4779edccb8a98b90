/*
 * The locked part that this session runs, and its lock on the attempt's fence. A session that ends
 * releases the lock; one that is late finds another fence in the actor's row.
 *
 * A session that releases all its advisory locks also releases this one, and lives on. Other
 * sessions would then run the part at the same time, and the handler would do the same in each
 * attempt. So such an attempt has failed. The first session that notices records the failure: the
 * session itself when it ends the part, or another one that checks for parts.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/key.h"
#include "base/errors.h"
#include "claim/part.h"
#include "shared/charge.h"
#include "table/table.h"
#include "version/lock.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/locked_look.h"

static LockedPart part;
static NoPart no_part = NO_PART_CLAIMED; /* why there is none */

/* ---- the lock on a fence ---- */

static void
set_tag(LOCKTAG *tag, int64 fence)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) ((uint64) fence >> 32), (uint32) fence,
						 DGEN_PART_CLASS);
}

/* Sessions that check for the lock do not block each other. */
bool
dgen_part_is_alive(int64 fence)
{
	LOCKTAG tag;

	if (part.fence == fence)
		return true;
	set_tag(&tag, fence);
	if (LockAcquireExtended(&tag, ShareLock, false, true, false, NULL DGEN_LOCK_ACQUIRE_EXTRA) ==
		LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, ShareLock, false);
	return false;
}

/* False: the lock table is full. */
static bool
hold(int64 fence)
{
	LOCKTAG tag;

	set_tag(&tag, fence);
	return LockAcquireExtended(&tag, ExclusiveLock, true, true, false,
							   NULL DGEN_LOCK_ACQUIRE_EXTRA) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * An attempt that is run in a transaction is safe from that: what transactions hold stays. The mode
 * is another one, so that the session can check whether it still has its own.
 */
void
dgen_part_hold_on(void)
{
	LOCKTAG tag;

	if (part.fence == 0)
		return;
	set_tag(&tag, part.fence);
	(void) LockAcquireExtended(&tag, AccessExclusiveLock, false, true, false,
							   NULL DGEN_LOCK_ACQUIRE_EXTRA);
}

/* The session might have released all its advisory locks. */
static bool
is_held(int64 fence)
{
	LOCKTAG tag;

	set_tag(&tag, fence);
	return DGEN_LOCK_HELD_BY_ME(&tag, ExclusiveLock);
}

/* ---- its life in this session ---- */

int64
dgen_part_fence(void)
{
	return part.fence;
}

bool
dgen_part_under_way(void)
{
	return part.fence != 0;
}

NoPart
dgen_no_part(void)
{
	return no_part;
}

/* At the end of transactions, too: never raises. */
void
dgen_part_forget(void)
{
	LOCKTAG tag;

	if (part.fence == 0)
		return;
	/* First: a session that finds the lock free and the fence here considers the part lost. */
	dgen_part_publish(0);
	set_tag(&tag, part.fence);
	if (is_held(part.fence))
		LockRelease(&tag, ExclusiveLock, true);
	part.fence = 0;
}

void
dgen_part_forget_because(NoPart reason)
{
	dgen_part_forget();
	no_part = reason;
}

void
dgen_part_ends(int64 fence)
{
	if (part.fence == fence)
		part.ends = GetCurrentSubTransactionId();
}

/*
 * A prepared transaction that begins or ends an attempt owns the actor until it is ended, so no
 * other attempt begins in the meantime. After that the row says what happened, and this session
 * does not learn it.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	bool ends = part.ends != InvalidSubTransactionId;

	if (part.fence == 0)
		dgen_part_publish(0); /* a check might have been interrupted */
	else if ((event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE) && ends)
		dgen_part_forget_because(NO_PART_ANY_MORE);
	else if (event == XACT_EVENT_COMMIT)
		part.begun = true;
	else if ((event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) && !part.begun)
		dgen_part_forget_because(NO_PART_BEGUN);
	else if (event == XACT_EVENT_ABORT)
		part.ends = InvalidSubTransactionId;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB || part.fence == 0)
		return;
	if (part.ends >= subid)
		part.ends = InvalidSubTransactionId;
	if (!part.begun && part.subid >= subid)
		dgen_part_forget_because(NO_PART_BEGUN);
}

void
dgen_part_register(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
	}
	registered = true;
}

/* One of dgen's tables is locked. */
bool
dgen_part_is_of_former(void)
{
	return part.extension != dgen_this_extension();
}

const LockedPart *
dgen_part(void)
{
	return part.fence == 0 ? NULL : &part;
}

bool
dgen_part_take(const BatchActor *actor, int64 fence)
{
	if (!hold(fence))
		return false;

	part = (LockedPart){
		.type_id = actor->type->id,
		.mailbox = actor->mailbox,
		.fence = fence,
		.extension = dgen_this_extension(),
		.subid = GetCurrentSubTransactionId(),
	};
	dgen_part_publish(fence);
	return true;
}

static void
charge_attempt(int sqlstate)
{
	Charge ended = {
		.type_id = part.type_id,
		.mailbox = part.mailbox,
		.fence = part.fence,
		.extension = part.extension,
		.sqlstate = sqlstate,
		.silent = sqlstate == DGEN_ERR_TURN_TIMEOUT,
	};

	dgen_charge(&ended);
}

void
dgen_part_abandon(void)
{
	int32 type_id = part.type_id;

	if (part.fence == 0)
		return;
	dgen_part_forget_because(NO_PART_LEFT);
	dgen_wakeup_unheld(type_id);
}

/*
 * Also between dgen.claim_locked and COMMIT: a worker that is silent there each time would run
 * forever.
 */
void
dgen_part_leave(int blame)
{
	if (part.fence != 0 && part.begun && blame != 0)
		charge_attempt(blame);
	dgen_part_abandon();
}

bool
dgen_part_is_lost(void)
{
	return part.fence != 0 && !is_held(part.fence);
}

void
dgen_part_raise_lost(void)
{
	ereport(ERROR, (errcode(DGEN_ERR_LOCK_LOST), errmsg(DGEN_LOCK_LOST_MESSAGE),
					errhint(DGEN_LOCK_LOST_HINT)));
}

/* The next claim records it, as this transaction is going to be rolled back. */
void
dgen_part_charge_lost(void)
{
	Charge lost = {
		.type_id = part.type_id,
		.mailbox = part.mailbox,
		.fence = part.fence,
		.extension = part.extension,
		.sqlstate = DGEN_ERR_LOCK_LOST,
	};

	dgen_charge(&lost);
	dgen_part_abandon();
}
