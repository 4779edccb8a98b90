/*
 * Errors, as dgen sees them: whose fault, and how much of their text is kept.
 */
#ifndef DGEN_BASE_BLAME_H
#define DGEN_BASE_BLAME_H

#include "postgres.h"

/* What is kept of an error's text, its SQLSTATE and its hint, as bytes in the database's encoding. */
#define DGEN_MAX_ERROR_BYTES 4096
extern const char *dgen_cut_error(const char *text); /* NULL stays NULL */

/* Is the error neither a message's nor a handler's fault: a full disk, a deadlock? */
extern bool dgen_is_blameless(const ErrorData *error);
extern void dgen_log_changed(const ErrorData *error);

/* Is the lock table full? */
extern bool dgen_is_out_of_locks(const ErrorData *error);

/* The code to raise for a SQLSTATE that a handler gave as text. */
extern int dgen_sqlstate_of(const char *text);

#endif /* DGEN_BASE_BLAME_H */
