/*
 * Of session.c, for those who attach and start workers.
 */
#ifndef DGEN_SESSION_H
#define DGEN_SESSION_H

#include "postgres.h"

#include "fmgr.h"

struct WorkerSession;

extern void dgen_session_init(void); /* callbacks */
extern void dgen_session_serve(int64 id, const char *name, int ntypes, const int32 *type_ids);
extern void dgen_refuse_attach(const char *problem, const char *hint); /* raises 22023 */

/* ---- lanes.c: of dgen.attach ---- */

/* The name is copied into the context. */
extern void dgen_session_set_type(struct WorkerSession *session, MemoryContext context, int i,
								  int32 type_id, const char *name);
/* Of the types that it was given, the lanes that the arguments name; and writes that down. */
extern void dgen_session_take_lanes(struct WorkerSession *session, MemoryContext context,
									FunctionCallInfo fcinfo);

#endif /* DGEN_SESSION_H */
