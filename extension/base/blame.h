/*
 * Errors as dgen sees them: is a message to blame, how much of their text is kept, and which code
 * a text stands for. Nothing here needs a lock.
 */
#ifndef DGEN_BASE_BLAME_H
#define DGEN_BASE_BLAME_H

#include "postgres.h"

/* What is kept of an error's text, its SQLSTATE and its hint, in bytes of the database's encoding. */
#define DGEN_MAX_ERROR_BYTES 4096

/* The text, cut to that size between two characters; NULL stays NULL. */
extern const char *dgen_cut_error(const char *text);

/* Is neither the message nor its handler to blame: a full disk, a deadlock? */
extern bool dgen_is_blameless(const ErrorData *error);

/* Is the lock table full? */
extern bool dgen_is_out_of_locks(const ErrorData *error);

/* A worker cannot go on, as dgen's tables were changed: logs that, the same error once a minute at most. */
extern void dgen_log_changed(const ErrorData *error);

/* The code to raise for a SQLSTATE that a handler gave as text. */
extern int dgen_sqlstate_of(const char *text);

#endif /* DGEN_BASE_BLAME_H */
