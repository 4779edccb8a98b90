/*
 * What the turns did, into the tables; failed attempts and dead letters.
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

/* ---- commit.c: what the turns did, into the tables ---------------------- */

/* An outcome of noreply, reply or destroy: takes it over into the actor, and delivers the reply. */
extern void dgen_apply_outcome(struct Batch *batch, struct BatchActor *actor,
							   const struct Outcome *outcome);

extern bool dgen_same_state(const Jsonb *a, const Jsonb *b);

/* Sets the actor's state, if it differs. */
extern void dgen_set_state(struct Batch *batch, struct BatchActor *actor, Jsonb *state);

/* The actor starts anew: what follows in the batch sees the initial state. */
extern void dgen_destroy_actor(struct BatchActor *actor);

/* The last message handled locks the actor: it leaves the mailbox for dgen.locked. */
extern void dgen_lock_actor(struct BatchActor *actor);

/* The actor's row alone, with the status it has now. */
extern void dgen_write_actor(struct BatchActor *actor);

/* Removes handled messages and writes states. Raises DGEN_ERR_NOT_OWNED. */
extern void dgen_commit_batch(struct Batch *batch);

/* ---- remove_message.c: removing a message that was handled, from the place where its clai ---- */

/*
 * remove_message.c: one of dgen.message that a claim has read, the table being locked since. Raises
 * DGEN_ERR_NOT_OWNED if it is not there any more. The buffer, invalid at first, is that of the page:
 * given on to the next one, and to be released in the end.
 */
extern void dgen_delete_message(Relation heap, const struct BatchMessage *message, Buffer *buffer);

/* ---- failure.c: failed attempts and dead letters ------------------------ */

/*
 * Records a failed attempt of the first message that is not handled, or makes it a
 * dead letter and answers its caller. True if the message is gone.
 */
extern bool dgen_record_failure(struct BatchActor *actor, const struct BatchMessage *message,
								const Failure *failure);

extern void dgen_failure_of_error(Failure *failure, ErrorData *error);
extern void dgen_failure_of_outcome(Failure *failure, const struct Outcome *outcome);

/*
 * Removes what is recorded of the message's failed attempts. Needs an active snapshot, from after
 * dgen.failed_attempt was locked to be written.
 */
extern void dgen_forget_failure(int32 type_id, int64 mailbox, int64 message_id);

#endif /* DGEN_COMMIT_COMMIT_H */
