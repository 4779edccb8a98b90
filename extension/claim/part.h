/*
 * The locked part that this session runs.
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
	int64 fence;           /* 0: none */
	Oid extension;         /* its dgen.message: another one gives out the same fences */
	bool begun;            /* in a transaction that has committed */
	SubTransactionId ends; /* in which it has ended, if that commits; Invalid: it has not */
	SubTransactionId subid;
} LockedPart;

extern bool dgen_part_under_way(void);
typedef enum NoPart
{
	NO_PART_CLAIMED,  /* in this session */
	NO_PART_BEGUN,    /* its claim was rolled back */
	NO_PART_ANY_MORE, /* it has ended, and has committed that */
	NO_PART_LEFT      /* its lock was ended, or is lost */
} NoPart;

/* Why none is under way. */
extern NoPart dgen_no_part(void);
extern int64 dgen_part_fence(void); /* 0: there is none */

extern void dgen_part_hold_on(void); /* also for the transaction, whatever the session lets go of */
#define DGEN_LOCK_LOST_MESSAGE \
	"the locked part let go of the session's advisory locks, and so of its own"
#define DGEN_LOCK_LOST_HINT \
	"Let go of single locks with pg_advisory_unlock, not of all with pg_advisory_unlock_all or DISCARD ALL."
extern bool dgen_part_is_lost(void);
DGEN_NORETURN extern void dgen_part_raise_lost(void);
extern void dgen_part_charge_lost(void); /* the attempt has failed, and is over */
extern void dgen_part_forget(void);
extern void dgen_part_abandon(void);     /* for others, who are called */
extern void dgen_part_ends(int64 fence); /* with this transaction, if it is this session's */

/* At the end of the session, which still holds the lock; see dgen_blame_for_end. */
extern void dgen_part_leave(int blame);

extern bool dgen_part_is_alive(int64 fence); /* does a session hold it? */

extern const LockedPart *dgen_part(void); /* NULL: there is none */

/* Of an extension that was dropped, or there is none. One of dgen's tables is locked. */
extern bool dgen_part_is_of_former(void);

extern void dgen_part_forget_because(NoPart reason);

extern void dgen_part_forget_because(NoPart reason);

/* Before a look for one: what the end of transactions does to parts and to looks. */
extern void dgen_part_register(void);

/* The part of the actor under that fence is this session's now. False: the lock table is full. */
extern bool dgen_part_take(const struct BatchActor *actor, int64 fence);

#endif /* DGEN_CLAIM_PART_H */
