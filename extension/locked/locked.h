/*
 * Attempts of locked parts: which is run, and how it ends.
 */
#ifndef DGEN_LOCKED_LOCKED_H
#define DGEN_LOCKED_LOCKED_H

#include "postgres.h"

struct ActorType;
struct Batch;
struct Charge;
struct DueLook;
struct Failure;
struct WorkerSession;

/* ---- locked_part.c: the attempt that this session runs ------------------ */

/*
 * Looks for a locked part of the session's types that is to be run. True: this session
 * has one as soon as the transaction commits. Cheap while nobody has asked for a look.
 */
extern bool dgen_part_begin(struct WorkerSession *session);

extern struct Batch *dgen_part_look(void); /* NULL: it is over */

/* It has begun in this very transaction, and is not to be run: a failed attempt. */
extern void dgen_part_fail(const struct Failure *failure);

/* Owns its actor, waiting for it. NULL: somebody has ended the lock, or taken over. */
extern struct Batch *dgen_part_own(void);

/* ---- locked_due.c: attempts whose time is over, or whose session is ----- */

/* Alarms: asks for looks, and ends attempts whose time is over. */
extern void dgen_locked_due(struct DueLook *look);
/* The session of an attempt ended because of it. As dgen_record_charge, for a charge with a fence. */
extern bool dgen_charge_part(const struct Charge *charge, const struct ActorType *type,
							 const struct Failure *failure);
/* False: somebody else owns the actor. The fence may be an older one: nothing has failed then. */
extern bool dgen_part_fail_attempt(const struct ActorType *type, int64 mailbox, int64 fence,
								   const struct Failure *failure);

#endif /* DGEN_LOCKED_LOCKED_H */
