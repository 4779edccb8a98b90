/*
 * Attempts of locked parts: which one this session runs (locked_part.c), and those that end without
 * their session (locked_due.c). Needs a transaction.
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

/* ---- locked_part.c: the attempt that this session runs ---- */

/*
 * Looks for a locked part of the session's types to run. True: this session has one as soon as the
 * transaction commits. Cheap while no check is requested (wake/locked_look.c). Raises
 * DGEN_ERR_NOT_ADOPTED in a copy that was not adopted.
 */
extern bool dgen_part_begin(struct WorkerSession *session);

/* The actor as it is, not owned; NULL: the attempt is over. */
extern struct Batch *dgen_part_look(void);

/* The actor, owned; waits for that. NULL: the lock has ended, or another attempt runs. */
extern struct Batch *dgen_part_own(void);

/* The part has begun in this very transaction, and cannot be run: a failed attempt. */
extern void dgen_part_fail(const struct Failure *failure);

/* ---- locked_due.c: attempts whose time is over, or whose session has ended ---- */

/* What is due: asks for looks, and ends attempts whose time is over. */
extern void dgen_locked_due(struct DueLook *look);

/* Records a charge that has a fence. False: another session owns the actor; a later claim might own it. */
extern bool dgen_charge_part(const struct Charge *charge, const struct ActorType *type,
							 const struct Failure *failure);

/* The same for the attempt with that fence; if that is an older one nothing has failed: true. */
extern bool dgen_part_fail_attempt(const struct ActorType *type, int64 mailbox, int64 fence,
								   const struct Failure *failure);

#endif /* DGEN_LOCKED_LOCKED_H */
