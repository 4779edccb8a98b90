/*
 * The locked part that this session runs, and its lock on the fence of the attempt (part.c).
 */
#ifndef DGEN_CLAIM_PART_H
#define DGEN_CLAIM_PART_H

#include "postgres.h"

#include "version/version.h"

struct BatchActor;

typedef struct LockedPart
{
	int32 type_id;
	int64 mailbox;
	int64 fence;            /* 0: none */
	Oid extension;          /* its dgen.message: another one gives out the same fences */
	bool begun;             /* in a transaction that has committed */
	SubTransactionId ends;  /* in which it has ended, if that commits; Invalid: it has not */
	SubTransactionId subid; /* in which it was claimed */
} LockedPart;

/* ---- the part ---- */

extern const LockedPart *dgen_part(void); /* NULL: there is none */
extern bool dgen_part_under_way(void);
extern int64 dgen_part_fence(void); /* 0: there is none */

/*
 * True if the part belongs to an extension that was dropped, or there is none. The transaction must
 * have locked a table of dgen.
 */
extern bool dgen_part_is_of_former(void);

/* Why the session has no locked part. */
typedef enum NoPart
{
	NO_PART_CLAIMED,  /* in this session */
	NO_PART_BEGUN,    /* its claim was rolled back */
	NO_PART_ANY_MORE, /* it has ended, and its end is committed */
	NO_PART_LEFT      /* its lock was ended, or is lost */
} NoPart;

extern NoPart dgen_no_part(void);

/* ---- beginning and end ---- */

/* Called before a check for a locked part: registers callbacks for the end of transactions. */
extern void dgen_part_register(void);

/* This session runs the actor's part under that fence now. False: the lock table is full. */
extern bool dgen_part_take(const struct BatchActor *actor, int64 fence);

/* The part, if it is this session's, ends when this (sub)transaction commits. */
extern void dgen_part_ends(int64 fence);

/* These never raise, and can also be called at the end of transactions. */
extern void dgen_part_forget(void);
extern void dgen_part_forget_because(NoPart reason);
extern void dgen_part_abandon(void); /* leaves it to other workers, and wakes them */

/* At the end of the session, while it holds the lock; see dgen_blame_for_end. Never raises. */
extern void dgen_part_leave(int blame);

/* ---- its advisory lock, which is a session-level one ---- */

/* Does a session hold the lock on that fence? */
extern bool dgen_part_is_alive(int64 fence);

/* The transaction also takes the lock, so it is held even if the session releases its own. */
extern void dgen_part_hold_on(void);

/* Has the running code released all advisory locks of the session, and so this one? */
extern bool dgen_part_is_lost(void);

#define DGEN_LOCK_LOST_MESSAGE \
	"the locked part released the session's advisory locks, and so its own lock"
#define DGEN_LOCK_LOST_HINT \
	"Release single locks with pg_advisory_unlock, not all of them with pg_advisory_unlock_all or DISCARD ALL."

DGEN_NORETURN extern void dgen_part_raise_lost(void); /* DGEN_ERR_LOCK_LOST */
extern void dgen_part_charge_lost(void); /* the attempt has failed, and is over; never raises */

#endif /* DGEN_CLAIM_PART_H */
