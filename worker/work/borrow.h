/*
 * The connection in the hands of a callback.
 */
#ifndef DGEN_WORK_BORROW_H
#define DGEN_WORK_BORROW_H

#include "dgen.h"

#include "base/error.h"

/* The context is the worker. */
extern PGconn *dgen__borrow(void *context, dgen__error *error);
extern int dgen__borrow_finish(void *context, dgen__error *error);
extern void dgen__borrow_explain(dgen_worker *worker,
								 dgen__error *error); /* adds what a statement failed of */
extern void dgen__borrow_undo(dgen_worker *worker);   /* what a turn that failed did */
extern int dgen__borrow_end(dgen_worker *worker);     /* back to pipeline mode, if need be */

#endif /* DGEN_WORK_BORROW_H */
