/*
 * Sessions that wait for replies; wake/call_askers.c wakes them.
 *
 * The commit in which dgen.ask begins to wait runs deferred triggers, which can also wait for replies. A
 * session is in the list only once, for the wait that began last.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/base.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "sleep/procedure.h"
#include "sleep/reply_wait.h"
#include "table/table.h"
#include "version/process.h"
#include "wake/call.h"

#define POLL_MIN 10 /* ms between checks without shared memory */
#define POLL_MAX 1000

static int poll_interval = POLL_MIN;

static ReplyWait *current = NULL;

static void
add_to_list(void)
{
	Database *database = dgen_database;

	dgen_slot->reply_link.prev = NOBODY;
	dgen_slot->reply_link.next = database->replies;
	if (database->replies != NOBODY)
		slot_at(database->replies)->reply_link.prev = DGEN_MY_PROCNO;
	database->replies = DGEN_MY_PROCNO;
	dgen_slot->awaits_reply = true;
	dgen_slot->any_request = false;
	dgen_slot->nrequests = 0;
	dgen_slot->replied = false;
}

static void
remove_from_list(void)
{
	Link *link = &dgen_slot->reply_link;

	if (link->prev != NOBODY)
		slot_at(link->prev)->reply_link.next = link->next;
	else
		dgen_database->replies = link->next;
	if (link->next != NOBODY)
		slot_at(link->next)->reply_link.prev = link->prev;
	link->prev = link->next = NOBODY;
	dgen_slot->awaits_reply = false;
}

static void
register_ids(const int64 *request_ids, int count)
{
	if (count <= SLOT_REQUESTS)
		for (int i = 0; i < count; i++)
		{
			dgen_slot->requests[dgen_slot->nrequests++] = request_ids[i];
			pg_atomic_fetch_add_u32(dgen_reply_waiters_of(request_ids[i]), 1);
		}
	else
	{
		dgen_slot->any_request = true;
		for (int i = 0; i < REPLY_BUCKETS; i++)
			pg_atomic_fetch_add_u32(&dgen_database->reply_waiters[i], 1);
	}
}

static void
enter(const ReplyWait *wait)
{
	if (!dgen_slot_take())
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	add_to_list();
	register_ids(wait->ids, wait->count);
	LWLockRelease(&dgen_database->lock);

	/* The registration is visible before the caller reads the table. */
	pg_memory_barrier();
}

void
dgen_reply_wait_leave(void)
{
	if (dgen_slot == NULL || !dgen_slot->awaits_reply)
		return;
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	for (int i = 0; i < dgen_slot->nrequests; i++)
		pg_atomic_fetch_sub_u32(dgen_reply_waiters_of(dgen_slot->requests[i]), 1);
	if (dgen_slot->any_request)
		for (int i = 0; i < REPLY_BUCKETS; i++)
			pg_atomic_fetch_sub_u32(&dgen_database->reply_waiters[i], 1);
	remove_from_list();
	LWLockRelease(&dgen_database->lock);
}

void
dgen_reply_wait_begin(ReplyWait *wait, const int64 *request_ids, int count)
{
	poll_interval = POLL_MIN;
	dgen_reply_wait_leave();
	wait->ids = request_ids;
	wait->count = count;
	wait->extension = dgen_table_oid(TABLE_REQUEST);
	wait->outer = current;
	enter(wait);
	current = wait;
}

/* Replies for the outer wait that came in the meantime were not announced to it, so it checks. */
void
dgen_reply_wait_end(void)
{
	dgen_reply_wait_leave();
	current = current->outer;
	if (current == NULL)
		return;
	enter(current);
	if (dgen_slot != NULL)
		dgen_slot->replied = true;
}

/*
 * Was the extension dropped and created again since the wait began? If so, the ids belong to other
 * requests now. If the caller has a lock on dgen.request, the result does not change.
 */
bool
dgen_reply_wait_is_of_former(void)
{
	return current != NULL && current->extension != dgen_table_oid(TABLE_REQUEST);
}

/* True: the caller must check. Deadline 0: no limit. */
bool
dgen_reply_wait(TimestampTz deadline, bool for_input)
{
	bool registered = dgen_slot != NULL && dgen_slot->awaits_reply;
	bool readable = false;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz look_at = now + dgen_safety_net_interval * INT64CONST(1000000);

	if (!registered)
	{
		look_at = now + poll_interval * INT64CONST(1000);
		poll_interval = Min(poll_interval * 2, POLL_MAX);
	}
	for (;; now = GetCurrentTimestamp())
	{
		dgen_process_interrupts();
		if (registered && dgen_slot->replied)
		{
			dgen_slot->replied = false;
			pg_memory_barrier();
			return true;
		}
		if (deadline != 0 && now >= deadline)
			return false;
		if (for_input && dgen_has_input(readable))
			return false;
		if (now >= look_at)
			return true;
		readable = dgen_sleep_for(deadline != 0 ? Min(deadline, look_at) : look_at, for_input);
	}
}
