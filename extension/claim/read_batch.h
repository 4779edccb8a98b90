/*
 * Reading the messages and states of owned actors (read_batch.c), and whether an actor is paused
 * (blocked.c). The transaction must be READ COMMITTED.
 */
#ifndef DGEN_CLAIM_READ_BATCH_H
#define DGEN_CLAIM_READ_BATCH_H

#include "postgres.h"

struct ActorType;
struct Batch;
struct BatchLimits;
struct Owned;

/*
 * Step 3: in a snapshot of its own, taken after the locks, reads the actors of the owned mailboxes
 * and their first messages. Leaves out actors that are paused, back off, or have a row that another
 * transaction has locked. `first` and `count` select mailboxes.
 */
extern struct Batch *dgen_read_batch(struct Owned *owned, int first, int count,
									 const struct BatchLimits *limits);

/*
 * The one actor of an inline call, which the transaction owns. Waits for the actor's row. Raises an
 * error that says why the actor cannot be handled now.
 */
extern struct Batch *dgen_read_actor(const struct ActorType *type, text *key, int max_messages);

typedef enum ReadRow
{
	READ_WAIT, /* waits for a transaction that has locked the actor's row */
	READ_TRY,  /* the actor is blocked if its row is locked */
	READ_LOOK  /* reads without a lock: the actor is not owned */
} ReadRow;

/* The actor alone, without its messages. */
extern struct Batch *dgen_read_actor_alone(const struct ActorType *type, text *key, ReadRow how);

/* ---- blocked.c: is an actor or its type paused? Both need an active snapshot ---- */

extern bool dgen_type_is_paused(int32 type_id);
extern bool dgen_actor_is_paused(int32 type_id, int64 mailbox, text *key);

#endif /* DGEN_CLAIM_READ_BATCH_H */
