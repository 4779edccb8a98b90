/*
 * Takes the slot of this session in shared memory, and tells which slots are workers of this database.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "table/table.h"
#include "version/process.h"

int
dgen_live_workers(void)
{
	return dgen_database == NULL ? 1 : (int) pg_atomic_read_u32(&dgen_database->workers);
}

bool
dgen_is_worker_here(const Slot *slot)
{
	return slot->pid != 0 && slot->database == MyDatabaseId && slot->worker_id != 0;
}

/* Excludes workers that attached to a dropped extension, because their ids are used again. */
bool
dgen_worker_lives(int64 worker_id)
{
	const Oid extension = dgen_this_extension();
	bool lives = false;

	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nslots && !lives; i++)
		lives = dgen_is_worker_here(slot_at(i)) && slot_at(i)->worker_id == worker_id &&
				slot_at(i)->extension == extension;
	LWLockRelease(&dgen_database->lock);
	return lives;
}

bool
dgen_slot_take(void)
{
	if (dgen_slot != NULL)
		return true;
	if (!dgen_shared_attach())
		return false;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	dgen_slot = slot_at(DGEN_MY_PROCNO);
	memset(dgen_slot, 0, sizeof(Slot));
	dgen_slot->database = MyDatabaseId;
	dgen_slot->link.prev = dgen_slot->link.next = NOBODY;
	dgen_slot->reply_link.prev = dgen_slot->reply_link.next = NOBODY;
	dgen_slot->since = GetCurrentTimestamp();
	dgen_slot->pid = MyProcPid;
	LWLockRelease(&dgen_database->lock);
	return true;
}

uint32
dgen_wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = DGEN_WAIT_EVENT("DgenWait");
	return event;
}
