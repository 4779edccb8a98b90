/*
 * What the session's slot says about the attached worker, and whether the attachment is still valid.
 */
#ifndef DGEN_SLEEP_ATTACHED_H
#define DGEN_SLEEP_ATTACHED_H

#include "postgres.h"

struct WorkerSession;

/*
 * Makes `session` this session's worker, and writes it into the slot, so that others can wake it. With id
 * 0 the session is no longer a worker. client_name is not copied, so it must stay valid. Never raises.
 */
extern void dgen_session_publish(struct WorkerSession *session, const char *client_name);
/* After a dropped extension the slot shows no worker. From now on it shows the next one that is published. */
extern void dgen_session_show(void);

/* Has the worker attached to an extension that was dropped? Needs a transaction. */
extern bool dgen_session_is_of_former(const struct WorkerSession *session);

/*
 * Raises DGEN_ERR_NOT_ATTACHED if it has. If the caller has a lock on dgen.message, the result holds to
 * the end of the transaction.
 */
extern void dgen_session_check(const struct WorkerSession *session);

/*
 * For functions of the protocol: returns this session's worker. Raises DGEN_ERR_NOT_ATTACHED if there is
 * none, and 42501 unless the caller can act as the role that attached.
 */
extern struct WorkerSession *dgen_worker_session_of_caller(void);

#endif /* DGEN_SLEEP_ATTACHED_H */
