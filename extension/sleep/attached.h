/*
 * What the session's slot says of the worker that has attached, and whether that still holds.
 */
#ifndef DGEN_SLEEP_ATTACHED_H
#define DGEN_SLEEP_ATTACHED_H

#include "postgres.h"

struct WorkerSession;

/*
 * Makes it this session's worker, and the slot says so: others can wake it from now on. With id 0 it
 * is a worker no more. client_name is kept as it is, not copied. Never raises.
 */
extern void dgen_session_publish(struct WorkerSession *session, const char *client_name);
/* The slot, which shows no worker once its extension was dropped, shows the next one that is published. */
extern void dgen_session_show(void);

/* Is it of an extension that was dropped? Needs a transaction. */
extern bool dgen_session_is_of_former(const struct WorkerSession *session);

/*
 * Raises DGEN_ERR_NOT_ATTACHED if it is. A caller that has a lock on dgen.message can rely on it to
 * the end of the transaction.
 */
extern void dgen_session_check(const struct WorkerSession *session);

/*
 * For functions of the protocol: this session's worker. Raises DGEN_ERR_NOT_ATTACHED if there is
 * none, and 42501 unless the caller can act as the role that attached.
 */
extern struct WorkerSession *dgen_worker_session_of_caller(void);

#endif /* DGEN_SLEEP_ATTACHED_H */
