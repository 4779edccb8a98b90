/*
 * In-database workers: background workers, and the code that starts and stops them.
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
 * ---- the work of a worker, called in a loop outside of a transaction ----
 *
 * Both run transactions of their own, and record failed turns there. worker.c handles the errors
 * that they raise.
 */

/* batch.c: one batch. False: there is nothing to do now, so the worker waits. */
extern bool dgen_run_batch(struct WorkerSession *session);

/*
 * run_locked.c: one locked part. False: there is none for this session. *announced: the session has
 * checked, and another worker must find the messages that were announced since the last claim.
 */
extern bool dgen_run_locked(struct WorkerSession *session, bool *announced);

#endif /* DGEN_WORKER_WORKERS_H */
