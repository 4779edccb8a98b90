/*
 * Wakes the sessions that wait for replies (sleep/reply_wait.c). A counter per bucket of request ids
 * usually tells a session that replies that no session waits, so it need not acquire the lock.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/proc.h"

#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "wake/call.h"

pg_atomic_uint32 *
dgen_reply_waiters_of(int64 request_id)
{
	return &dgen_database->reply_waiters[(uint64) request_id % REPLY_BUCKETS];
}

static bool
awaits(const Slot *slot, int64 request_id)
{
	if (slot->any_request)
		return true;
	for (int i = 0; i < slot->nrequests; i++)
		if (slot->requests[i] == request_id)
			return true;
	return false;
}

static void
call_slot(int index)
{
	slot_at(index)->replied = true;
	SetLatch(&GetPGProcByNumber(index)->procLatch);
}

void
dgen_call_reply(int64 request_id)
{
	/* The reply is visible before the counter is read. */
	pg_memory_barrier();
	if (pg_atomic_read_u32(dgen_reply_waiters_of(request_id)) == 0)
		return;
	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = dgen_database->replies; i != NOBODY; i = slot_at(i)->reply_link.next)
		if (awaits(slot_at(i), request_id))
			call_slot(i);
	LWLockRelease(&dgen_database->lock);
}

void
dgen_call_all_replies(void)
{
	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = dgen_database->replies; i != NOBODY; i = slot_at(i)->reply_link.next)
		call_slot(i);
	LWLockRelease(&dgen_database->lock);
}
