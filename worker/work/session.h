/*
 * The conversation of a worker with the server. What returns an int returns 0, or sets the
 * worker's error and returns its code.
 */
#ifndef DGEN_WORK_SESSION_H
#define DGEN_WORK_SESSION_H

#include "dgen.h"

#include "base/error.h"
#include "server/sql.h"

/* What a pending result belongs to. */
typedef enum dgen__answer
{
	DGEN__ANSWER_SETTINGS,
	DGEN__ANSWER_ATTACH,
	DGEN__ANSWER_CREATE_TYPE,
	DGEN__ANSWER_SETTLE,
	DGEN__ANSWER_PREPARE,
	DGEN__ANSWER_BEGIN,
	DGEN__ANSWER_CLAIM,
	DGEN__ANSWER_STATE,
	DGEN__ANSWER_BEGIN_PART,   /* COMMIT of a claim that has found a locked part */
	DGEN__ANSWER_CLAIM_LOCKED, /* and it has run */
	DGEN__ANSWER_COMMIT_TURNS,
	DGEN__ANSWER_RECEIPT,
	DGEN__ANSWER_COMMIT,  /* of a batch */
	DGEN__ANSWER_RELEASE, /* COMMIT of a claim that found nothing */
	DGEN__ANSWER_ROLLBACK,
	DGEN__ANSWER_WAIT,
	DGEN__ANSWER_DETACH,
	DGEN__ANSWER_SYNC
} dgen__answer;

/* session.c: what an answer means, and what comes next */
extern int dgen__session_begin(dgen_worker *worker); /* attaches */
extern int dgen__session_step(
	dgen_worker *worker); /* handles what has arrived; an error: the connection is lost */
extern bool dgen__session_busy(const dgen_worker *worker); /* will the server answer soon? */

/* session_send.c: what is sent */
extern int dgen__session_send(dgen_worker *worker, const dgen__statement *statement,
							  const char *const *values, const int *lengths, const int *formats,
							  dgen__answer answer);
extern int dgen__session_send_plain(dgen_worker *worker, const dgen__statement *statement,
									dgen__answer answer); /* it has no parameters */
extern int dgen__session_prepare(dgen_worker *worker, const dgen__statement *statement);
extern int dgen__session_sync(dgen_worker *worker);

extern int dgen__session_claim(dgen_worker *worker); /* in a transaction that begins */
extern int dgen__session_wait(dgen_worker *worker);  /* the claim found nothing: waits, claims */
extern int dgen__session_wait_alone(dgen_worker *worker);   /* behind a pool, once that is over */
extern int dgen__session_fetch_states(dgen_worker *worker); /* of the batch, that are missing */
/* Commits the claim of a locked part, which runs then. */
extern int dgen__session_begin_part(dgen_worker *worker);

/* The batch, and behind it the next claim, or the detach if the worker stops. DGEN_EBUSY: it is too large. */
extern int dgen__session_commit(dgen_worker *worker);
extern int dgen__session_rollback(dgen_worker *worker); /* nothing if no transaction is open */

/* session_attach.c: how it begins */
extern int dgen__session_attach(dgen_worker *worker);
extern int dgen__session_attach_came(dgen_worker *worker, const PGresult *result);
extern int dgen__session_attached(dgen_worker *worker); /* its section has ended: continues */
extern int dgen__session_attach_failed(dgen_worker *worker);
/* DGEN_EINVAL for a type without any. */
extern int dgen__check_callbacks(const dgen_actor_type *type, dgen__error *error);

#endif /* DGEN_WORK_SESSION_H */
