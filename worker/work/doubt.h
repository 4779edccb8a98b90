/*
 * After-commit actions of a batch whose outcome is not known, until it is.
 */
#ifndef DGEN_WORK_DOUBT_H
#define DGEN_WORK_DOUBT_H

#include "dgen.h"

#include "turn/outbox.h"

/* doubt.c: a batch whose COMMIT was sent and whose answer never came; what is to be done after it. */
typedef struct dgen__doubt
{
	dgen__outbox actions; /* none: there is no doubt */
	char worker[24];      /* the id that its session had */
	int64_t batch;
	int64_t since; /* ms */
} dgen__doubt;

/* doubt.c: after-commit actions of a batch whose outcome is not known, until it is */
extern bool dgen__doubt_exists(const dgen_worker *worker);
extern void dgen__doubt_begin(dgen_worker *worker); /* the connection was lost in its commit */
extern bool dgen__doubt_is_old(const dgen_worker *worker); /* too old to be asked for */
extern void dgen__doubt_end(dgen_worker *worker, bool committed);
extern void dgen__doubt_give_up(dgen_worker *worker, const char *why);

#endif /* DGEN_WORK_DOUBT_H */
