/*
 * In-database workers as processes: worker.c, launcher.c, start_workers.c, vacate.c.
 */
#ifndef DGEN_WORKERS_H
#define DGEN_WORKERS_H

#include "postgres.h"

#include "shared/shared.h"

/* ---- start_workers.c ---- */

extern void dgen_start_workers_init(void); /* hooks */
extern void dgen_vacate_init(void);        /* vacate.c: likewise */

/* ---- background worker entry points ---- */

extern PGDLLEXPORT void dgen_worker_main(Datum argument);
extern PGDLLEXPORT void dgen_starter_main(Datum argument);
extern PGDLLEXPORT void dgen_launcher_main(Datum argument);

#endif /* DGEN_WORKERS_H */
