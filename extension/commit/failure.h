/*
 * Failed attempts and dead letters. Needs the transaction that owns the actor.
 */
#ifndef DGEN_COMMIT_FAILURE_H
#define DGEN_COMMIT_FAILURE_H

#include "postgres.h"

#include "utils/timestamp.h"

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
	bool ended;            /* by an operator: becomes a dead letter in any case */
	bool unsendable;       /* the message has a value that cannot be sent to the client */
	const Interval *delay; /* retry only; NULL: the type's backoff */
} Failure;

extern void dgen_failure_of_error(Failure *failure, ErrorData *error);
extern void dgen_failure_of_outcome(Failure *failure, const struct Outcome *outcome);

/*
 * Records a failed attempt of the first message that is not handled, or makes it a dead letter and
 * answers its caller. True if the message is no longer in the mailbox.
 */
extern bool dgen_record_failure(struct BatchActor *actor, const struct BatchMessage *message,
								const Failure *failure);

/*
 * Removes the record of the message's failed attempts. Needs an active snapshot that was
 * taken after dgen.failed_attempt was locked for writing.
 */
extern void dgen_forget_failure(int32 type_id, int64 mailbox, int64 message_id);

#endif /* DGEN_COMMIT_FAILURE_H */
