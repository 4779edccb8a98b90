/*
 * Concurrency slots limit how many actors of a type all workers together own, in the database and outside
 * (max_concurrency). The slots of a type are locks in a class of their own. A transaction holds one for
 * each actor that it owns. So nothing is counted, and a worker that dies leaves nothing behind: its slots
 * are free as soon as its actors are (I7).
 *
 *     claim ── hints? ──> slots ──> hints ──> actors ──end──> all of it free, one worker woken
 *                │          └── none: DGEN_ANY_SLOT is missed; the hints stay for others
 *                └── none: takes no slot, so idle workers do not wake each other
 *
 * Only turns of workers need a slot; dgen.call and functions for operators do not.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "own/own.h"
#include "own/slots.h"
#include "version/lock.h"
#include "wake/held_locks.h"

static void
set_slot_tag(LOCKTAG *tag, int32 type_id, int slot)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) type_id, (uint32) slot, DGEN_SLOT_CLASS);
}

/* A slot that this transaction holds belongs to another actor, but the lock could be acquired twice. */
static bool
try_slot(int32 type_id, int slot)
{
	LOCKTAG tag;

	set_slot_tag(&tag, type_id, slot);
	if (DGEN_LOCK_HELD_BY_ME(&tag, ExclusiveLock) || !dgen_try_lock(&tag))
		return false;
	dgen_wakeup_took_slot(type_id, slot);
	return true;
}

/* Takes the lowest slots first, so that slots in use are below a limit that is lowered. */
static int
take(const ActorType *type, int most)
{
	int taken = 0;

	for (int i = 0; i < type->max_concurrency && taken < most; i++)
		if (try_slot(type->id, i))
			taken++;
	return taken;
}

/* As with an actor's lock, either the second try gets a slot, or its holder sees the mark. */
int
dgen_take_slots(const ActorType *type, int most)
{
	int taken = take(type, most);

	if (taken < most)
	{
		dgen_wakeup_missed(type->id, DGEN_ANY_SLOT);
		taken += take(type, most - taken);
	}
	return taken;
}

void
dgen_free_slots(const ActorType *type, int count)
{
	for (int i = 0; i < count; i++)
	{
		int slot = dgen_wakeup_slot(type->id);
		LOCKTAG tag;

		if (slot < 0)
			return;
		set_slot_tag(&tag, type->id, slot);
		(void) LockRelease(&tag, ExclusiveLock, false);
		dgen_wakeup_freed_slot(type->id, slot);
	}
}
