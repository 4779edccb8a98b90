/*
 * What this session has in hand besides its worker: the batch that its client has claimed, and the
 * batch and the turn that run here. Rooms above put it here and take it away again
 * (protocol/protocol.c, worker/batch.c, turn/turn.c ...); every room can read it. Nothing here needs a lock.
 */
#ifndef DGEN_ACTOR_IN_HAND_H
#define DGEN_ACTOR_IN_HAND_H

#include "postgres.h"

struct ActorType;
struct Batch;
struct BatchActor;

/* ---- the batch that its client has claimed ---- */

/* By the role that is current, in this transaction; NULL: it is over. Needs a transaction. */
extern void dgen_set_claimed_batch(struct Batch *batch);

/* The batch that is claimed and not committed in this transaction; NULL: none. */
extern struct Batch *dgen_claimed_batch(void);

/* The same at the end of the transaction, when the transaction has no number any more. */
extern struct Batch *dgen_batch_to_end(void);

/*
 * Raises 42501 if the caller cannot act as the role that claimed the batch, and DGEN_ERR_NOT_OWNED
 * if this transaction has dropped the extension since.
 */
extern void dgen_check_claimer(void);

/* Raises DGEN_ERR_NESTED if a batch is claimed in this transaction. what: "dgen.call" */
extern void dgen_refuse_in_batch(const char *what, const char *hint);

/* ---- the batch and the turn that run here ---- */

/* The batch whose turns run, with copies of what its actors have; NULL: none. */
extern void dgen_set_running_batch(const struct Batch *batch);
extern const struct Batch *dgen_running_batch(void);

/* The actor whose turn runs; NULL outside of handlers. */
extern void dgen_set_current_actor(const struct BatchActor *actor);
extern const struct BatchActor *dgen_current_actor(void);
extern bool dgen_in_handler(void);

/* Raises DGEN_ERR_NESTED inside a handler. what: "dgen.call" */
extern void dgen_refuse_in_handler(const char *what, const char *hint);

/* ---- is an actor among them? ---- */

/* Is the actor one of the batch's? NULL: no batch. */
extern bool dgen_batch_has(const struct Batch *batch, int32 type_id, int64 mailbox);

/* Does a batch or a turn of this session work on the actor? */
extern bool dgen_is_in_turn(int32 type_id, int64 mailbox);

/* Does the action of that actor run here? */
extern bool dgen_is_in_action(int32 type_id, const text *key);

/* ---- what claims and turns need ---- */

/* Raises DGEN_ERR_ISOLATION unless the transaction is READ COMMITTED. what: "dgen.call" */
extern void dgen_refuse_isolation(const char *what);

/* Raises DGEN_ERR_TYPE_CHANGED. */
extern void dgen_refuse_turn(const struct ActorType *type);
/* The same, if the type has had another owner, name, handler or search_path since it was read. */
extern void dgen_refuse_old_definition(const struct ActorType *type);

#endif /* DGEN_ACTOR_IN_HAND_H */
