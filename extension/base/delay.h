/*
 * Intervals that say when something happens: delays, backoffs, timeouts, retentions (delay.c).
 */
#ifndef DGEN_BASE_DELAY_H
#define DGEN_BASE_DELAY_H

#include "postgres.h"

#include "utils/timestamp.h"

/* A century: with it no time that is reckoned from now is past the end of what a timestamp holds. */
#define DGEN_MAX_DELAY_DAYS 36525
#define DGEN_MAX_DELAY_US (DGEN_MAX_DELAY_DAYS * USECS_PER_DAY)
#define DGEN_MAX_DELAY_MS (DGEN_MAX_DELAY_US / 1000)

/* Never raises: an interval that is longer than a century is one, and a negative one is 0. */
extern int64 dgen_interval_us(const Interval *interval);

/* Is it between 0 and a century, and so is each of its parts, taken without its sign? */
extern bool dgen_interval_fits(const Interval *interval);

/* Raises 22023 unless it fits; what: "delay"; hint for one that is negative or too long. */
extern void dgen_check_interval(const Interval *interval, const char *what, const char *hint);

/* So long after now: months and days as the calendar has them. Raises 22023 unless it fits. */
extern TimestampTz dgen_time_after(const Interval *interval, const char *what, const char *hint);

#define DGEN_DELAY_HINT "Give a delay of zero or more, up to 36525 days."
#define DGEN_TIMEOUT_HINT \
	"Give a timeout of zero or more, up to 36525 days; NULL waits without limit."

#endif /* DGEN_BASE_DELAY_H */
