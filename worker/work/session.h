/*
 * A worker's session inside: a section per file. Each function returns 0, or sets the
 * worker's error and returns its code.
 */
#ifndef SESSION_H
#define SESSION_H

#include "dgen_int.h"

/* ---- session_send.c: what is sent ---------------------------------------------------- */

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

/* ---- session_attach.c: how it begins --------------------------------------------------- */

extern int dgen__session_attach(dgen_worker *worker);
extern int dgen__session_attach_came(dgen_worker *worker, const PGresult *result);
extern int dgen__session_attached(dgen_worker *worker); /* its section has ended: goes on */
extern int dgen__session_attach_failed(dgen_worker *worker);

#endif /* SESSION_H */
