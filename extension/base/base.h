/*
 * Settings, versions, and where dgen may write.
 */
#ifndef DGEN_BASE_H
#define DGEN_BASE_H

#include "postgres.h"

#include "fmgr.h"

#define DGEN_VERSION "0.1.0"
#define DGEN_OLDEST_LIBRARY \
	"0.1" /* major and minor version of the oldest libdgen that may attach */

/* ---- guc.c: settings ---------------------------------------------------- */

extern int dgen_worker_count;        /* workers per database in dgen.databases, at server start */
extern char *dgen_databases;         /* comma-separated list of databases */
extern int dgen_safety_net_interval; /* seconds between looks for work that nothing announced */
extern int dgen_batch_actors;        /* most actors in a batch */
extern int dgen_batch_messages;      /* most messages in a batch */
extern int dgen_batch_bytes;         /* most payload in a batch, kB */
extern int dgen_batch_duration;      /* time a batch may take, ms, estimated from measured turns */
extern int dgen_call_backlog;        /* most waiting messages that dgen.call handles first */

extern void dgen_define_gucs(void);
extern bool dgen_is_preloaded; /* by shared_preload_libraries */

/* ---- read_only.c: what writes ------------------------------------------- */

/* Raises 25006 on a standby and in a read-only transaction. */
extern void dgen_refuse_read_only(FunctionCallInfo fcinfo);
extern void dgen_refuse_standby(FunctionCallInfo fcinfo); /* there alone */

#endif /* DGEN_BASE_H */
