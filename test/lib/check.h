/*
 * Checks of the programs here: each prints one line of TAP, and test/t/100_libdgen.pl
 * counts them.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool
check(bool ok, const char *name)
{
	printf("%sok - %s\n", ok ? "" : "not ", name);
	fflush(stdout);
	return ok;
}

static inline bool
check_int(long long got, long long expected, const char *name)
{
	if (got != expected)
		printf("# got %lld, expected %lld\n", got, expected);
	return check(got == expected, name);
}

static inline bool
check_text(const char *got, const char *expected, const char *name)
{
	bool ok = got != NULL && strcmp(got, expected) == 0;

	if (!ok)
		printf("# got \"%s\", expected \"%s\"\n", got != NULL ? got : "(null)", expected);
	return check(ok, name);
}

static inline bool
check_contains(const char *got, const char *expected, const char *name)
{
	bool ok = got != NULL && strstr(got, expected) != NULL;

	if (!ok)
		printf("# got \"%s\", which has no \"%s\"\n", got != NULL ? got : "(null)", expected);
	return check(ok, name);
}

#endif /* CHECK_H */
