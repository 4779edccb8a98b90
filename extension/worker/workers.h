/*
 * In-database workers as processes: worker.c, launcher.c, start_workers.c, vacate.c.
 */
#ifndef DGEN_WORKER_WORKERS_H
#define DGEN_WORKER_WORKERS_H

#include "postgres.h"

struct WorkerSession;

/* ---- start_workers.c ---- */

extern void dgen_start_workers_init(void); /* hooks */
extern void dgen_vacate_init(void);        /* vacate.c: likewise */

/* ---- background worker entry points ---- */

extern PGDLLEXPORT void dgen_worker_main(Datum argument);
extern PGDLLEXPORT void dgen_starter_main(Datum argument);
extern PGDLLEXPORT void dgen_launcher_main(Datum argument);

/* ---- run_locked.c: in --------------------------------------------------- */

/*
 * Runs one locked part, in transactions of its own making. False: there is none for this session.
 * announced: it has looked, and what was announced since the last claim is for another one to find.
 */
extern bool dgen_run_locked(struct WorkerSession *session, bool *announced);

/* ---- launcher.c: starting in-database workers by themselves ------------- */

extern void dgen_launcher_init(
	void); /* _PG_init: registers the launcher when preloaded, and hooks */

/* ---- batch.c: a batch of an in-database worker -------------------------- */

/*
 * One batch of an in-database worker in transactions of its own making (batch.c).
 * False if there is nothing to do now: wait.
 */
extern bool dgen_run_batch(struct WorkerSession *session);

#endif /* DGEN_WORKER_WORKERS_H */
