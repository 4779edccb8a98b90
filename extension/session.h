/*
 * Of session.c, for those who start workers.
 */
#ifndef DGEN_SESSION_H
#define DGEN_SESSION_H

#include "postgres.h"

extern void dgen_session_init(void); /* callbacks */
extern void dgen_session_serve(int64 id, const char *name, int ntypes, const int32 *type_ids);
extern bool dgen_worker_lives(int64 worker_id); /* live_workers.c */

#endif /* DGEN_SESSION_H */
