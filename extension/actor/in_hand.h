/*
 * What this session works on: the batch that its client has claimed, and the batch and the turn that run
 * here. Rooms above set and clear it (protocol/protocol.c, worker/batch.c, turn/turn.c ...); every room
 * can read it. Nothing here needs a lock.
 */
#ifndef DGEN_ACTOR_IN_HAND_H
#define DGEN_ACTOR_IN_HAND_H

#include "postgres.h"

struct ActorType;
struct Batch;
struct BatchActor;

/* ---- the batch that its client has claimed ---- */

/* The current role has claimed the batch in this transaction; NULL: the batch is over. Needs a transaction. */
extern void dgen_set_claimed_batch(struct Batch *batch);

/* Returns the batch that this transaction has claimed and not committed; NULL: none. */
extern struct Batch *dgen_claimed_batch(void);

/* The same at the end of the transaction, which has no number by then. */
extern struct Batch *dgen_batch_to_end(void);

/*
 * Raises 42501 if the caller cannot act as the role that claimed the batch, and DGEN_ERR_NOT_OWNED if
 * this transaction has dropped the extension since then.
 */
extern void dgen_check_claimer(void);

/* Raises DGEN_ERR_NESTED if this transaction has claimed a batch. what: "dgen.call" */
extern void dgen_refuse_in_batch(const char *what, const char *hint);

/* ---- the batch and the turn that run here ---- */

/* The batch whose turns run, with copies of its actors' states and messages; NULL: none. */
extern void dgen_set_running_batch(const struct Batch *batch);
extern const struct Batch *dgen_running_batch(void);

/* The actor whose turn runs; NULL outside of handlers. */
extern void dgen_set_current_actor(const struct BatchActor *actor);
extern const struct BatchActor *dgen_current_actor(void);
extern bool dgen_in_handler(void);

/* Raises DGEN_ERR_NESTED inside a handler. what: "dgen.call" */
extern void dgen_refuse_in_handler(const char *what, const char *hint);

/* ---- is an actor in use here? ---- */

/* Is the actor in the batch? False for NULL. */
extern bool dgen_batch_has(const struct Batch *batch, int32 type_id, int64 mailbox);

/* Does a batch or a turn of this session work on the actor? */
extern bool dgen_is_in_turn(int32 type_id, int64 mailbox);

/* Does an action of that actor run here? */
extern bool dgen_is_in_action(int32 type_id, const text *key);

/* ---- what claims and turns need ---- */

/* Raises DGEN_ERR_ISOLATION unless the transaction is READ COMMITTED. what: "dgen.call" */
extern void dgen_refuse_isolation(const char *what);

/* Raises DGEN_ERR_TYPE_CHANGED. */
extern void dgen_refuse_turn(const struct ActorType *type);
/* The same, if the owner, name, handler or search_path of the type has changed since it was read. */
extern void dgen_refuse_old_definition(const struct ActorType *type);

#endif /* DGEN_ACTOR_IN_HAND_H */
