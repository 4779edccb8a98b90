/*
 * Rows of dgen.locked (locked.c), and the state that a locked part leaves (merge.c).
 *
 *     turn ──dgen.lock──> locked: to be run ──part_begin──> runs ──commit──> unlocked
 *                              ^                             │ └──fails for good──> dead letter
 *                              └──fails, expires, its session ends──┘
 *
 * Each attempt has a fence of its own, and its session holds a lock on that (claim/part.c).
 * Whatever writes a row owns the actor. Needs a transaction.
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
 * The locked actor with the message that locked it, as a batch of one; NULL: there is none. With
 * fence 0 it is the actor with that key, whatever its fence; else key is NULL. The actor is owned,
 * unless how is READ_LOOK.
 */
extern struct Batch *dgen_read_locked(const struct ActorType *type, int64 mailbox, int64 fence,
									  text *key, ReadRow how);

/* For the last message handled, which locks the actor. */
extern void dgen_insert_locked(struct BatchActor *actor);

/*
 * The message was handled, or is a dead letter: the actor is locked no more. Raises
 * DGEN_ERR_NOT_OWNED if it is not locked.
 */
extern void dgen_delete_locked(struct BatchActor *actor, const struct BatchMessage *message);

/* The attempt has failed; the next one is due at retry_at. */
extern void dgen_postpone_locked(const struct BatchActor *actor, const struct BatchMessage *message,
								 int failed, TimestampTz retry_at, const struct Failure *failure);

/* Another attempt begins, under a new fence. False: the actor is locked no more. */
extern bool dgen_begin_locked(const struct BatchActor *actor, int64 fence, TimestampTz expires_at,
							  const char *worker);

/* ---- merge.c: the changes of a locked part, on top of those of the turns since ---- */

/* The state that the part was given, what it made of that, and what it is now: what it becomes. */
extern Jsonb *dgen_merge_states(Jsonb *given, Jsonb *made, Jsonb *current);

#endif /* DGEN_COMMIT_LOCKED_H */
