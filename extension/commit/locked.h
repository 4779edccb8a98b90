/*
 * Rows of dgen.locked (locked.c), and the state that a locked part leaves (merge.c).
 *
 *     turn ──dgen.lock──> locked: to be run ──part_begin──> runs ──commit──> unlocked
 *                              ^                             │ └──fails for good──> dead letter
 *                              └──fails, expires, its session ends──┘
 *
 * Each attempt has a fence of its own, and its session holds a lock on it (claim/part.c). A
 * transaction that writes a row owns the actor.
 */
#ifndef DGEN_COMMIT_LOCKED_H
#define DGEN_COMMIT_LOCKED_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "claim/read_batch.h"

struct ActorType;
struct Batch;
struct BatchActor;
struct BatchMessage;
struct Failure;

/* ---- locked.c: rows of dgen.locked ---- */

/*
 * Reads the locked actor with the message that locked it, as a batch of one; NULL: there is none.
 * With fence 0 it is the actor with that key and any fence; otherwise key is NULL. The actor is
 * owned, unless how is READ_LOOK.
 */
extern struct Batch *dgen_read_locked(const struct ActorType *type, int64 mailbox, int64 fence,
									  text *key, ReadRow how);

/* Inserts the row for the last handled message, which locks the actor. */
extern void dgen_insert_locked(struct BatchActor *actor);

/*
 * Unlocks the actor: the message was handled, or is a dead letter. Raises
 * DGEN_ERR_NOT_OWNED if it is not locked.
 */
extern void dgen_delete_locked(struct BatchActor *actor, const struct BatchMessage *message);

/* The attempt has failed; the next one is due at retry_at. */
extern void dgen_postpone_locked(const struct BatchActor *actor, const struct BatchMessage *message,
								 int failed, TimestampTz retry_at, const struct Failure *failure);

/* Another attempt begins, under a new fence. False: the actor is no longer locked. */
extern bool dgen_begin_locked(const struct BatchActor *actor, int64 fence, TimestampTz expires_at,
							  const char *worker);

/* ---- merge.c: applies the changes of a locked part to those of later turns ---- */

/*
 * Applies to `current`, the state now, the changes that the part made from `given` to `made`.
 * Returns the new state.
 */
extern Jsonb *dgen_merge_states(Jsonb *given, Jsonb *made, Jsonb *current);

#endif /* DGEN_COMMIT_LOCKED_H */
