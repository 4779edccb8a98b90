/*
 * Of the programs whose log a test reads: what libdgen logs goes to the standard error.
 */
#ifndef DGEN_TEST_LOGGING_H
#define DGEN_TEST_LOGGING_H

#include <stdio.h>

#include "dgen.h"

static inline void
print_log(dgen_log_level level, const char *text, void *user)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};

	(void) user;
	fprintf(stderr, "%s: %s\n", names[level], text);
}

#endif /* DGEN_TEST_LOGGING_H */
