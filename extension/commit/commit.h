/*
 * What the turns did goes into the tables: handled messages and states (commit.c, remove_message.c),
 * failed attempts and dead letters (failure.c). Needs the transaction that owns the actors.
 */
#ifndef DGEN_COMMIT_COMMIT_H
#define DGEN_COMMIT_COMMIT_H

#include "postgres.h"

#include "storage/buf.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

struct Batch;
struct BatchActor;
struct BatchMessage;
struct Outcome;

/* ---- commit.c: what the turns did, into the batch and into the tables ---- */

/* An outcome of noreply, reply or destroy goes into the actor, and the reply to who asked. */
extern void dgen_apply_outcome(struct Batch *batch, struct BatchActor *actor,
							   const struct Outcome *outcome);

/* Sets the actor's state, if it differs. */
extern bool dgen_same_state(const Jsonb *a, const Jsonb *b);
extern void dgen_set_state(struct Batch *batch, struct BatchActor *actor, Jsonb *state);

/* The actor begins again: what follows in the batch sees the initial state. */
extern void dgen_destroy_actor(struct BatchActor *actor);

/* The last message handled locks the actor: it leaves the mailbox for dgen.locked. */
extern void dgen_lock_actor(struct BatchActor *actor);

/* Removes handled messages and writes states. Raises DGEN_ERR_NOT_OWNED if something is not owned any more. */
extern void dgen_commit_batch(struct Batch *batch);

/* The actor's row alone, with the status that it has now. */
extern void dgen_write_actor(struct BatchActor *actor);

/* ---- remove_message.c: a message that was handled, from the place where its claim has found it ---- */

/*
 * The table has been locked since the claim. Raises DGEN_ERR_NOT_OWNED if the message is not there
 * any more. The buffer, invalid at first, is that of the page: the caller passes it on to the next
 * call, and releases it in the end.
 */
extern void dgen_delete_message(Relation heap, const struct BatchMessage *message, Buffer *buffer);

/* ---- failure.c: failed attempts and dead letters ---- */

typedef struct Failure
{
	const char *error;
	const char *sqlstate;
	const char *hint;
	bool final;            /* dgen.fail: no more attempts */
	bool retry;            /* dgen.retry: no attempt is counted */
	bool ended;            /* by an operator: a dead letter in any case */
	bool unsendable;       /* the message has what a client cannot be sent */
	const Interval *delay; /* retry only; NULL: the type's backoff */
} Failure;

extern void dgen_failure_of_error(Failure *failure, ErrorData *error);
extern void dgen_failure_of_outcome(Failure *failure, const struct Outcome *outcome);

/*
 * Records a failed attempt of the first message that is not handled, or makes it a dead letter and
 * answers its caller. True if the message is gone.
 */
extern bool dgen_record_failure(struct BatchActor *actor, const struct BatchMessage *message,
								const Failure *failure);

/*
 * Removes what is recorded of the message's failed attempts. Needs an active snapshot that was taken
 * after dgen.failed_attempt was locked for writing.
 */
extern void dgen_forget_failure(int32 type_id, int64 mailbox, int64 message_id);

#endif /* DGEN_COMMIT_COMMIT_H */
