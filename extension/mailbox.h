/*
 * How an actor's lock shows in pg_locks, for dgen.explain_actor.
 */
#ifndef DGEN_MAILBOX_H
#define DGEN_MAILBOX_H

/*
 * The fourth field of the lock tag (pg_locks.objsubid). The application's advisory
 * locks have 1 or 2 there, so the two never meet.
 */
#define DGEN_LOCK_CLASS 0x6467

/* classid and objid of the lock tag are its high and low half. */
extern uint64 dgen_lock_key(int32 type_id, int64 mailbox);

#endif /* DGEN_MAILBOX_H */
