/*
 * A turn of an in-database handler (turn.c), and what the handler returns (outcome.c).
 */
#ifndef DGEN_TURN_TURN_H
#define DGEN_TURN_TURN_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

struct BatchActor;
struct BatchMessage;
struct Charge;

typedef enum OutcomeKind
{
	OUTCOME_NOREPLY,
	OUTCOME_REPLY,
	OUTCOME_FAIL,
	OUTCOME_RETRY,
	OUTCOME_DESTROY,
	OUTCOME_LOCK
} OutcomeKind;

typedef struct Outcome
{
	OutcomeKind kind;
	Jsonb *state; /* NULL: unchanged */
	Datum reply;  /* jsonb; 0: none */
	char *error;
	char *sqlstate;
	char *hint;
	Interval *delay; /* of dgen.retry; NULL: none given */
} Outcome;

/* Columns of dgen.outcome, which outcome.c makes and turn.c reads. */
enum OutcomeColumn
{
	OUTCOME_COLUMN_KIND,
	OUTCOME_COLUMN_STATE,
	OUTCOME_COLUMN_REPLY,
	OUTCOME_COLUMN_ERROR,
	OUTCOME_COLUMN_SQLSTATE,
	OUTCOME_COLUMN_HINT,
	OUTCOME_COLUMN_DELAY,
	OUTCOME_COLUMNS
};

/* ---- turn.c: running a handler ---- */

/*
 * Runs the type's handler for the message, as the owner of the type. The actor is owned, or its
 * locked part is this session's. Raises whatever the handler does, and errors of dgen's own, which
 * are failed attempts as well (README.md). The result lives in CurrentMemoryContext.
 */
extern void dgen_run_turn(const struct BatchActor *actor, const struct BatchMessage *message,
						  bool inline_call, Outcome *outcome);

/* At the end of a session: the turn that might have ended it; NULL: none runs. */
extern const struct Charge *dgen_turn_that_may_end_session(void);

/* ---- token.c: ctx.token, the idempotency key of a locked part or an action ---- */

/* The same for every attempt, and for no other message. */
extern char *dgen_token(const struct BatchActor *actor, const struct BatchMessage *message);

#endif /* DGEN_TURN_TURN_H */
