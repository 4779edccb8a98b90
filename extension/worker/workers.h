/*
 * In-database workers: background processes, and what starts them and sends them away.
 */
#ifndef DGEN_WORKER_WORKERS_H
#define DGEN_WORKER_WORKERS_H

#include "postgres.h"

struct WorkerSession;

/* ---- _PG_init: hooks and, when preloaded, the registration of the launcher ---- */

extern void dgen_start_workers_init(void);
extern void dgen_vacate_init(void);
extern void dgen_launcher_init(void);

/* ---- entry points of background workers: worker.c, launcher.c ---- */

extern PGDLLEXPORT void dgen_worker_main(Datum argument);
extern PGDLLEXPORT void dgen_starter_main(Datum argument);
extern PGDLLEXPORT void dgen_launcher_main(Datum argument);

/*
 * ---- what a worker does again and again, outside of a transaction ----
 *
 * Both make transactions of their own, in which a failed turn is recorded. What is raised all the
 * same is for worker.c.
 */

/* batch.c: one batch. False if there is nothing to do now: wait. */
extern bool dgen_run_batch(struct WorkerSession *session);

/*
 * run_locked.c: one locked part. False: there is none for this session. *announced: it has looked,
 * and another one must find what was announced since the last claim.
 */
extern bool dgen_run_locked(struct WorkerSession *session, bool *announced);

#endif /* DGEN_WORKER_WORKERS_H */
