/*
 * Intervals that determine when something happens: delays, backoffs, timeouts, retentions (delay.c).
 */
#ifndef DGEN_BASE_DELAY_H
#define DGEN_BASE_DELAY_H

#include "postgres.h"

#include "utils/timestamp.h"

/* A century. No time that is computed from now with such an interval exceeds the range of timestamps. */
#define DGEN_MAX_DELAY_DAYS 36525
#define DGEN_MAX_DELAY_US (DGEN_MAX_DELAY_DAYS * USECS_PER_DAY)
#define DGEN_MAX_DELAY_MS (DGEN_MAX_DELAY_US / 1000)

/* Never raises: a longer interval counts as a century, and a negative one as 0. */
extern int64 dgen_interval_us(const Interval *interval);

/* Is the interval between 0 and a century, and the absolute value of each of its parts, too? */
extern bool dgen_interval_fits(const Interval *interval);

/* Raises 22023 unless the interval fits; what: "delay"; hint for one that is negative or too long. */
extern void dgen_check_interval(const Interval *interval, const char *what, const char *hint);

/* Returns now plus the interval, with months and days of the calendar. Raises 22023 unless it fits. */
extern TimestampTz dgen_time_after(const Interval *interval, const char *what, const char *hint);

#define DGEN_DELAY_HINT "Give a delay of zero or more, up to 36525 days."
#define DGEN_TIMEOUT_HINT \
	"Give a timeout of zero or more, up to 36525 days; NULL waits without limit."

#endif /* DGEN_BASE_DELAY_H */
