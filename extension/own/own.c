/*
 * A transaction owns an actor with a lock on its mailbox, in a class of dgen's own. A session that fails
 * to get the lock leaves a mark, so that the holder wakes a worker when it releases the lock (H9).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "actor/key.h"
#include "own/own.h"
#include "version/lock.h"
#include "wake/held_locks.h"

static void
set_lock_tag(LOCKTAG *tag, uint64 lock)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (lock >> 32), (uint32) lock, DGEN_LOCK_CLASS);
}

bool
dgen_try_lock(const LOCKTAG *tag)
{
	LockAcquireResult result;

	/*
	 * If the lock table is full, the result is "not available" instead of an error. So the batch gets
	 * smaller, and no transaction fails (I9).
	 */
	result =
		LockAcquireExtended(tag, ExclusiveLock, false, true, false, NULL DGEN_LOCK_ACQUIRE_EXTRA);
	return result != LOCKACQUIRE_NOT_AVAIL;
}

int
dgen_try_own(int32 type_id, int64 mailbox)
{
	uint64 lock = dgen_lock_key(type_id, mailbox);
	LOCKTAG tag;

	set_lock_tag(&tag, lock);
	if (!dgen_try_lock(&tag))
	{
		/*
		 * Leave the mark first, then try again: either the second try gets the
		 * lock, or its holder releases it after the mark was made, and sees the mark.
		 */
		dgen_wakeup_missed(type_id, lock);
		if (!dgen_try_lock(&tag))
			return HELD_BY_ANOTHER;
	}
	return dgen_wakeup_owned(type_id, mailbox, lock);
}

void
dgen_own(int32 type_id, int64 mailbox)
{
	uint64 lock = dgen_lock_key(type_id, mailbox);
	LOCKTAG tag;

	set_lock_tag(&tag, lock);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	(void) dgen_wakeup_owned(type_id, mailbox, lock);
}

bool
dgen_owns(int32 type_id, int64 mailbox)
{
	LOCKTAG tag;

	set_lock_tag(&tag, dgen_lock_key(type_id, mailbox));
	return DGEN_LOCK_HELD_BY_ME(&tag, ExclusiveLock);
}
