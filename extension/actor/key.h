/*
 * Keys, mailboxes, and the classes of dgen's locks, as they show in pg_locks.
 */
#ifndef DGEN_ACTOR_KEY_H
#define DGEN_ACTOR_KEY_H

#include "postgres.h"

/*
 * The fourth field of the lock tag (pg_locks.objsubid). The application's advisory
 * locks have 1 or 2 there, so the two never meet.
 */
#define DGEN_LOCK_CLASS 0x6467

/* That of the lock on an attempt's fence (locked_part.c), whose halves are classid and objid; dgen._part_holder knows it, too. */
#define DGEN_PART_CLASS 0x6468

/* That of a slot's lock (slots.c): classid is the type, objid the number of the slot. */
#define DGEN_SLOT_CLASS 0x6469

/* ---- key.c: keys, mailboxes, and who owns an actor ---------------------- */

/* The fixed hash; key as stored in the database, converted to UTF-8 first. */
extern int64 dgen_mailbox_of(const text *key);

/* Raises DGEN_ERR_INVALID_KEY for an empty or too long key. */
extern void dgen_check_key(const text *key);

/* ---- lock_key.c: the keys of actors' locks ------------------------------ */

/* classid and objid of the lock tag are its high and low half. Raises if its secret cannot be read (lock_key.c). */
extern uint64 dgen_lock_key(int32 type_id, int64 mailbox);

#endif /* DGEN_ACTOR_KEY_H */
