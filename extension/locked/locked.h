/*
 * Attempts of locked parts: the attempt that this session runs (locked_part.c), and attempts that
 * end without their session (locked_due.c). All need a transaction.
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
 * transaction commits. The call is cheap while no check is requested (wake/locked_look.c). Raises
 * DGEN_ERR_NOT_ADOPTED in a copy that was not adopted.
 */
extern bool dgen_part_begin(struct WorkerSession *session);

/* Reads the actor without owning it; NULL: the attempt is over. */
extern struct Batch *dgen_part_look(void);

/* Waits until it owns the actor; NULL: the lock has ended, or another attempt runs. */
extern struct Batch *dgen_part_own(void);

/* Records a failed attempt: the part began in this transaction, but cannot be run. */
extern void dgen_part_fail(const struct Failure *failure);

/* ---- locked_due.c: attempts whose lock_timeout has passed, or whose session has ended ---- */

/* Requests checks for parts that are due, and ends attempts whose lock_timeout has passed. */
extern void dgen_locked_due(struct DueLook *look);

/* Records a charge that has a fence. False: another session owns the actor; try again later. */
extern bool dgen_charge_part(const struct Charge *charge, const struct ActorType *type,
							 const struct Failure *failure);

/* The same for the attempt with that fence. If the fence is out of date, does nothing: true. */
extern bool dgen_part_fail_attempt(const struct ActorType *type, int64 mailbox, int64 fence,
								   const struct Failure *failure);

#endif /* DGEN_LOCKED_LOCKED_H */
