/*
 * What the turns did goes into the tables: handled messages and states (commit.c,
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

/* ---- commit.c: what the turns did, into the batch and into the tables ---- */

/* An outcome of noreply, reply or destroy goes into the actor, and the reply to the caller. */
extern void dgen_apply_outcome(struct Batch *batch, struct BatchActor *actor,
							   const struct Outcome *outcome);

/* Sets the actor's state, if it differs. */
extern bool dgen_same_state(const Jsonb *a, const Jsonb *b);
extern void dgen_set_state(struct Batch *batch, struct BatchActor *actor, Jsonb *state);

/* The actor begins again: what follows in the batch sees the initial state. */
extern void dgen_destroy_actor(struct BatchActor *actor);

/* The last message handled locks the actor: it leaves the mailbox for dgen.locked. */
extern void dgen_lock_actor(struct BatchActor *actor);

/*
 * Removes handled messages and writes states. Raises DGEN_ERR_NOT_OWNED if something is not owned
 * any more.
 */
extern void dgen_commit_batch(struct Batch *batch);

/* The actor's row alone, with the status that it has now. */
extern void dgen_write_actor(struct BatchActor *actor);

/*
 * ---- remove_message.c: a message that was handled, from the place where its claim has found it
 * ----
 */

/*
 * The table has been locked since the claim. Raises DGEN_ERR_NOT_OWNED if the message is not there
 * any more. The buffer, invalid at first, is that of the page: the caller passes it on to the next
 * call, and releases it in the end.
 */
extern void dgen_delete_message(Relation heap, const struct BatchMessage *message, Buffer *buffer);

#endif /* DGEN_COMMIT_COMMIT_H */
