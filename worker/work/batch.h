/*
 * A batch, from a claim to its commit.
 */
#ifndef DGEN_WORK_BATCH_H
#define DGEN_WORK_BATCH_H

#include "dgen.h"

#include "base/error.h"
#include "base/memory.h"
#include "server/array.h"
#include "server/sql.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"

typedef struct dgen__actor
{
	int type;        /* index into the worker's types */
	const char *key; /* in the claim's result */
	int64_t version;
	dgen__state *state; /* owned; NULL: to be fetched, or destroyed */
	bool changed;       /* version was 0, and is no more */
	int row;            /* the first of its messages in the claim's result */
	bool action;        /* not the actor, but one of its actions, which has no state */
	int nmessages;
	int handled;
	bool destroyed;
	bool locks;  /* the last of the handled ones */
	bool failed; /* what follows is about the message after the handled ones */
	dgen__outcome outcome;
	int64_t delay_ms;
	dgen__error error;
} dgen__actor;

typedef struct dgen__batch
{
	PGresult *rows; /* NULL: no batch */
	dgen__actor *actors;
	int nactors;
	int size;
	int fetching;    /* the actor whose state comes next */
	bool part;       /* a locked part, and nothing else */
	int tries;       /* to commit it that have failed by chance */
	bool blamed;     /* its commit has failed, and it has got the failed attempt */
	bool alone;      /* one turn of a suspect, and nothing else */
	bool committing; /* its commit is in progress: the outcome might become unknown */
	int savepoints;  /* opened in its transaction */
	bool in_savepoint;
	bool broken; /* a callback has ruined the transaction or the connection */
	int slowest; /* the actor of the turn that took longest, ... */
	int64_t slowest_message;
	int slowest_attempt;
	int64_t slowest_ms;
	int64_t run_us; /* what its turns took */
	dgen__outbox outbox;
	dgen__array arrays[DGEN__COMMIT_ARRAYS];
	dgen__buffer set;
	dgen__buffer deleted;
} dgen__batch;

/* batch_decode.c: out of what a claim returned */
extern const char *dgen__batch_field(const PGresult *rows, int row,
									 int column);                   /* NULL: it is NULL */
extern int dgen__batch_decode(dgen_worker *worker, PGresult *rows); /* owns rows from now on */
extern int dgen__batch_missing(const dgen_worker *worker,
							   int from); /* next actor without a state; -1: none */
extern int dgen__batch_set_state(dgen_worker *worker, int actor, const char *json, size_t length);
extern bool dgen__batch_is_part(const PGresult *rows); /* a locked part instead of a batch? */
/* batch.c: its turns, and what becomes of it */
extern void dgen__batch_run(dgen_worker *worker);
extern bool dgen__batch_may_retry(dgen_worker *worker, const dgen__error *error);
extern void dgen__batch_blame(dgen_worker *worker, const dgen__error *error); /* a locked part */
extern void dgen__batch_committed(dgen_worker *worker);
extern bool dgen__batch_failed(dgen_worker *worker,
							   const dgen__error *error); /* its commit did; true: claim on */
extern void dgen__batch_timed_out(
	dgen_worker *worker); /* the server waited too long for its commit */
extern void dgen__batch_drop(dgen_worker *worker);
extern void dgen__batch_free(dgen__batch *batch);

/* commit.c: sends dgen.commit_turns with what the turns of the batch did */
extern int dgen__commit_send(dgen_worker *worker);

/* borrow.c: the connection in the hands of a callback */
/* The context is the worker. */
extern PGconn *dgen__borrow(void *context, dgen__error *error);
extern int dgen__borrow_finish(void *context, dgen__error *error);
extern void dgen__borrow_explain(dgen_worker *worker,
								 dgen__error *error); /* adds what a statement failed of */
extern void dgen__borrow_undo(dgen_worker *worker);   /* what a turn that failed did */
extern int dgen__borrow_end(dgen_worker *worker);     /* back to pipeline mode, if need be */

/* doubt.c: a batch with an unknown outcome, and its after-commit callbacks. */
typedef struct dgen__doubt
{
	dgen__outbox actions; /* none: no outcome is unknown */
	char worker[24];      /* the id that its session had */
	int64_t batch;
	int64_t since; /* ms */
} dgen__doubt;

extern bool dgen__doubt_exists(const dgen_worker *worker);
extern void dgen__doubt_begin(dgen_worker *worker); /* the connection was lost in its commit */
extern bool dgen__doubt_is_old(const dgen_worker *worker); /* too old to be asked for */
extern void dgen__doubt_end(dgen_worker *worker, bool committed);
extern void dgen__doubt_give_up(dgen_worker *worker, const char *why);

#endif /* DGEN_WORK_BATCH_H */
