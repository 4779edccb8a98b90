/*
 * dgen's locks, and how they show in pg_locks, for dgen.explain_actor.
 */
#ifndef DGEN_MAILBOX_H
#define DGEN_MAILBOX_H

#include "storage/lock.h"

/*
 * The fourth field of the lock tag (pg_locks.objsubid). The application's advisory
 * locks have 1 or 2 there, so the two never meet.
 */
#define DGEN_LOCK_CLASS 0x6467

/* That of the lock on an attempt's fence (locked_part.c), whose halves are classid and objid; dgen._part_holder knows it, too. */
#define DGEN_PART_CLASS 0x6468

/* That of a slot's lock (slots.c): classid is the type, objid the number of the slot. */
#define DGEN_SLOT_CLASS 0x6469

/* classid and objid of the lock tag are its high and low half. Raises if its secret cannot be read (lock_key.c). */
extern uint64 dgen_lock_key(int32 type_id, int64 mailbox);

/* Never waits, nor fails when the lock table is full. Until the transaction ends. */
extern bool dgen_try_lock(const LOCKTAG *tag);

#endif /* DGEN_MAILBOX_H */
