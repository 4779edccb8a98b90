/*
 * Keys of actors, their mailbox hashes, and their advisory locks.
 */
#ifndef DGEN_ACTOR_KEY_H
#define DGEN_ACTOR_KEY_H

#include "postgres.h"

/* ---- key.c: keys and mailboxes ---- */

#define DGEN_MAX_KEY_BYTES 512

/*
 * Returns the mailbox hash, which never changes. The key is in the database encoding, and is converted to
 * UTF-8 first.
 */
extern int64 dgen_mailbox_of(const text *key);

/* Raises DGEN_ERR_INVALID_KEY for an empty or too long key. */
extern void dgen_check_key(const text *key);

/* ---- lock_key.c: the keys of actors' locks ---- */

/*
 * Classes of dgen's advisory locks: the fourth field of the lock tag (pg_locks.objsubid). The
 * application's advisory locks have 1 or 2 there, so they never collide with dgen's.
 */

/* An actor: classid and objid are the high and the low half of its lock key (own/own.c). */
#define DGEN_LOCK_CLASS 0x6467

/* The fence of a locked part, likewise (claim/part.c). dgen._part_holder also has this class. */
#define DGEN_PART_CLASS 0x6468

/* A concurrency slot: classid is the type, objid the number of the slot (own/slots.c). */
#define DGEN_SLOT_CLASS 0x6469

/*
 * Returns the lock key of an actor. Needs a transaction that has a lock on dgen.message or dgen.actor.
 * Raises DGEN_ERR_CHANGED if the secret of the database is not as dgen made it.
 */
extern uint64 dgen_lock_key(int32 type_id, int64 mailbox);

#endif /* DGEN_ACTOR_KEY_H */
