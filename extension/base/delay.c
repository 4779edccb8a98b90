/*
 * Intervals that determine when something happens: delays, backoffs, timeouts, retentions. This file
 * bounds all of them, so that no time that is computed from one exceeds the range of timestamps. Such a
 * time would wrap into the past, and nothing would wait for it.
 *
 * Each part of an interval is bounded, not only the sum. Parts that cancel each other out (a million
 * years minus their days) are added one after the other.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/delay.h"

PG_FUNCTION_INFO_V1(dgen_is_bounded);

StaticAssertDecl(DGEN_MAX_DELAY_DAYS == 36525, "the hints say 36525 days");

/* Exact up to a century, with the right sign beyond. Parts of infinite intervals (from 17 on) are that large. */
static double
sum_us(const Interval *interval)
{
	double days = interval->day + (double) DAYS_PER_MONTH * interval->month;

	return interval->time + days * USECS_PER_DAY;
}

int64
dgen_interval_us(const Interval *interval)
{
	return (int64) Min(Max(sum_us(interval), 0.0), (double) DGEN_MAX_DELAY_US);
}

bool
dgen_interval_fits(const Interval *interval)
{
	const int32 months = DGEN_MAX_DELAY_DAYS / DAYS_PER_MONTH;
	double sum = sum_us(interval);

	return interval->month >= -months && interval->month <= months &&
		   interval->day >= -DGEN_MAX_DELAY_DAYS && interval->day <= DGEN_MAX_DELAY_DAYS &&
		   interval->time >= -DGEN_MAX_DELAY_US && interval->time <= DGEN_MAX_DELAY_US &&
		   sum >= 0 && sum <= (double) DGEN_MAX_DELAY_US;
}

static char *
interval_text(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)));
}

void
dgen_check_interval(const Interval *interval, const char *what, const char *hint)
{
	if (dgen_interval_fits(interval))
		return;
	if (sum_us(interval) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be negative", what),
				 errdetail("Its value is %s.", interval_text(interval)), errhint("%s", hint)));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s is too long", what),
					errdetail("Its value is %s.", interval_text(interval)), errhint("%s", hint)));
}

TimestampTz
dgen_time_after(const Interval *interval, const char *what, const char *hint)
{
	dgen_check_interval(interval, what, hint);
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()),
												   IntervalPGetDatum(interval)));
}

Datum
dgen_is_bounded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dgen_interval_fits(PG_GETARG_INTERVAL_P(0)));
}
