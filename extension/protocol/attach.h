/*
 * A session as a worker: attaching without dgen.attach (attach.c), and which work of its types an
 * external worker handles (lanes.c).
 */
#ifndef DGEN_PROTOCOL_ATTACH_H
#define DGEN_PROTOCOL_ATTACH_H

#include "postgres.h"

#include "fmgr.h"

struct WorkerSession;

/* ---- attach.c ---- */

extern void dgen_session_init(void); /* callbacks for the end of transactions */

/*
 * This in-database worker serves these types from now on, even if the transaction is rolled back.
 * The transaction must hold a lock on dgen.actor_type.
 */
extern void dgen_session_serve(int64 id, const char *name, int ntypes, const int32 *type_ids);

extern void dgen_refuse_attach(const char *problem, const char *hint); /* raises 22023 */

/* ---- lanes.c, for dgen.attach ---- */

/* Sets type i of the session; the name is copied into the context. */
extern void dgen_session_set_type(struct WorkerSession *session, MemoryContext context, int i,
								  int32 type_id, const char *name);
/*
 * Keeps the lanes of the session's types that the arguments name; declares what the session handles
 * besides messages. Raises 22023 for arguments that do not fit.
 */
extern void dgen_session_take_lanes(struct WorkerSession *session, MemoryContext context,
									FunctionCallInfo fcinfo);

#endif /* DGEN_PROTOCOL_ATTACH_H */
