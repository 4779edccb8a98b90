/*
 * Commits that do not wait indefinitely for a synchronous standby.
 */
#ifndef DGEN_SLEEP_SYNC_WAIT_H
#define DGEN_SLEEP_SYNC_WAIT_H

#include "postgres.h"

#include "utils/timestamp.h"

/* Called before and after a commit. End returns true if the wait was given up at the deadline. */
extern void dgen_sync_wait_begin(TimestampTz deadline);
extern bool dgen_sync_wait_end(void);

#endif /* DGEN_SLEEP_SYNC_WAIT_H */
