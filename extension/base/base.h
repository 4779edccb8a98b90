/*
 * What every room can use: the versions, the settings (guc.c), the memory that a worker
 * keeps (keep_memory.c), and the refusal to write where nothing can be written (read_only.c).
 */
#ifndef DGEN_BASE_BASE_H
#define DGEN_BASE_BASE_H

#include "postgres.h"

#include "fmgr.h"

#define DGEN_VERSION "0.1.0"

/* Major and minor version of the oldest libdgen that can attach. */
#define DGEN_OLDEST_LIBRARY "0.1"

/* Did shared_preload_libraries load the library? Set once, at that time. */
extern bool dgen_is_preloaded;

/* ---- guc.c: settings ---- */

extern int dgen_worker_count;        /* workers per database in dgen.databases, at server start */
extern char *dgen_databases;         /* comma-separated list of databases */
extern int dgen_safety_net_interval; /* seconds between safety-net checks */
extern int dgen_batch_actors;        /* maximum number of actors in a batch */
extern int dgen_batch_messages;      /* maximum number of messages in a batch */
extern int dgen_batch_bytes;         /* maximum size of the messages in a batch, kB */
extern int dgen_batch_duration; /* maximum duration of a batch, ms, estimated from measured turns */
extern int dgen_call_backlog;   /* waiting messages that dgen.call handles first, at most */

extern void dgen_define_gucs(void); /* _PG_init */

/* ---- keep_memory.c ---- */

extern void dgen_keep_memory(void); /* for worker processes; does not raise */

/* ---- read_only.c: where nothing can be written ---- */

/* fcinfo names the function in the error. Both raise 25006. */
extern void dgen_refuse_read_only(FunctionCallInfo fcinfo); /* on a standby, or if read-only */
extern void dgen_refuse_standby(FunctionCallInfo fcinfo);   /* on a standby only */

#endif /* DGEN_BASE_BASE_H */
