/*
 * What the session's slot says of the worker that has attached, and whether that still holds.
 */
#ifndef DGEN_SLEEP_ATTACHED_H
#define DGEN_SLEEP_ATTACHED_H

#include "postgres.h"

struct WorkerSession;

/* attached.c: what the session's slot says of it, from now on. The name is kept as it is. */
extern void dgen_session_publish(struct WorkerSession *session, const char *client_name);
extern void dgen_session_show(
	void); /* with the next dgen_session_publish, whatever was found before */

/* Is it of an extension that was dropped? */
extern bool dgen_session_is_of_former(const struct WorkerSession *session);

/* Raises DGEN_ERR_NOT_ATTACHED then. Who holds a lock on dgen.message may rely on it until the end of the transaction. */
extern void dgen_session_check(const struct WorkerSession *session);

/* The same for whoever calls a function of the protocol: raises 42501 unless it may act as the role that attached. */
extern struct WorkerSession *dgen_worker_session_of_caller(void);

#endif /* DGEN_SLEEP_ATTACHED_H */
