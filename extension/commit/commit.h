/*
 * Writing the results of turns into the tables: handled messages and states (commit.c,
 * remove_message.c). Needs the transaction that owns the actors.
 */
#ifndef DGEN_COMMIT_COMMIT_H
#define DGEN_COMMIT_COMMIT_H

#include "postgres.h"

#include "storage/buf.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"

struct Batch;
struct BatchActor;
struct BatchMessage;
struct Outcome;

/* ---- commit.c: results of turns, first in the batch and then in the tables ---- */

/*
 * Applies an outcome of noreply, reply or destroy to the actor, and sends the reply to the caller.
 */
extern void dgen_apply_outcome(struct Batch *batch, struct BatchActor *actor,
							   const struct Outcome *outcome);

/* Sets the actor's state, if it differs. */
extern bool dgen_same_state(const Jsonb *a, const Jsonb *b);
extern void dgen_set_state(struct Batch *batch, struct BatchActor *actor, Jsonb *state);

/* The actor starts again: its later turns in the batch see the initial state. */
extern void dgen_destroy_actor(struct BatchActor *actor);

/* The last handled message locks the actor, and moves from the mailbox to dgen.locked. */
extern void dgen_lock_actor(struct BatchActor *actor);

/*
 * Removes handled messages and writes states. Raises DGEN_ERR_NOT_OWNED if something is not owned
 * any more.
 */
extern void dgen_commit_batch(struct Batch *batch);

/* Writes only the actor's row, with its current status. */
extern void dgen_write_actor(struct BatchActor *actor);

/* ---- remove_message.c: removes a handled message from the place where the claim found it ---- */

/*
 * The table has been locked since the claim. Raises DGEN_ERR_NOT_OWNED if the message is not there
 * any more. The buffer, invalid at first, is that of the page: the caller passes it on to the next
 * call, and releases it in the end.
 */
extern void dgen_delete_message(Relation heap, const struct BatchMessage *message, Buffer *buffer);

#endif /* DGEN_COMMIT_COMMIT_H */
