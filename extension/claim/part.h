/*
 * Of part.c: the locked part that this session runs.
 */
#ifndef DGEN_PART_H
#define DGEN_PART_H

#include "postgres.h"

#include "dgen_ext.h"

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

extern const LockedPart *dgen_part(void); /* NULL: there is none */

/* Of an extension that was dropped, or there is none. One of dgen's tables is locked. */
extern bool dgen_part_is_of_former(void);

extern void dgen_part_forget_because(NoPart reason);

extern void dgen_part_forget_because(NoPart reason);

/* Before a look for one: what the end of transactions does to parts and to looks. */
extern void dgen_part_register(void);

/* The part of the actor under that fence is this session's now. False: the lock table is full. */
extern bool dgen_part_take(const BatchActor *actor, int64 fence);

#endif /* DGEN_PART_H */
