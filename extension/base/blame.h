/*
 * How dgen treats errors: is a message to blame, how much of the text is kept, and which code a text
 * means. Nothing here needs a lock.
 */
#ifndef DGEN_BASE_BLAME_H
#define DGEN_BASE_BLAME_H

#include "postgres.h"

/* dgen keeps so many bytes of an error's text, its SQLSTATE and its hint, in the database's encoding. */
#define DGEN_MAX_ERROR_BYTES 4096

/* Returns the text, cut to that size between two characters; NULL stays NULL. */
extern const char *dgen_cut_error(const char *text);

/* Is neither the message nor its handler to blame? Examples are a full disk and a deadlock. */
extern bool dgen_is_blameless(const ErrorData *error);

/* Is the lock table full? */
extern bool dgen_is_out_of_locks(const ErrorData *error);

/* Logs that a worker cannot continue because dgen's tables were changed; the same error at most once a minute. */
extern void dgen_log_changed(const ErrorData *error);

/* Returns the code to raise for a SQLSTATE that a handler gave as text. */
extern int dgen_sqlstate_of(const char *text);

#endif /* DGEN_BASE_BLAME_H */
