/*
 * The smallest test runner that prove understands. A program lists its tests and calls
 * TAP_MAIN. A test can make any number of checks, and continues after a check that fails.
 *
 * With DGEN_MEMORY_FAILS=1 in the environment, each test runs many times: in each run another
 * allocation fails, first alone, then with all that follow. Checks can fail in these runs, which
 * show that nothing crashes, leaks or accesses invalid memory (use valgrind or a sanitizer). All
 * checks must hold in the last run, in which no allocation fails.
 */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgen.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "json/check.h"
#include "json/json.h"
#include "server/loop.h"
#include "server/result.h"
#include "server/send.h"
#include "server/sql.h"
#include "turn/in_turn.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"
#include "remember/cache.h"

typedef struct tap_test
{
	const char *name;
	void (*run)(void);
} tap_test;

#define TEST(function)      \
	{                       \
#function, function \
	}
#define CHECK(condition) tap_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_TEXT(got, wanted) tap_check_text((got), (wanted), #got, __FILE__, __LINE__)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int tap_failed;
static bool tap_memory_fails;

/* How often a test repeats an operation: less if the test itself runs once per allocation. */
static inline int
tap_times(int count)
{
	return tap_memory_fails ? count / 20 : count;
}

/* Returns the condition, so that a test can depend on it. */
static bool
tap_check(bool condition, const char *text, const char *file, int line)
{
	if (condition)
		return true;
	tap_failed++;
	if (!dgen__memory_failed())
		printf("# %s:%d: not so: %s\n", file, line, text);
	return false;
}

static inline bool
tap_check_text(const char *got, const char *wanted, const char *text, const char *file, int line)
{
	if (got != NULL && strcmp(got, wanted) == 0)
		return true;
	if (!dgen__memory_failed())
		printf("# %s:%d: %s is %s\n#   wanted %s\n", file, line, text, got != NULL ? got : "NULL",
			   wanted);
	tap_failed++;
	return false;
}

/* Returns in how many runs memory failed; -1 if a check failed in the run in which it did not. */
static long
tap_run_without_memory(const tap_test *test, bool for_good)
{
	long count = 0;
	bool failed;

	do
	{
		tap_failed = 0;
		dgen__memory_fail_after(count, for_good);
		test->run();
		failed = dgen__memory_failed();
		dgen__memory_fail_after(-1, false);
		count++;
	} while (failed);
	return tap_failed == 0 ? count - 1 : -1;
}

static int
tap_main(const tap_test *tests, size_t count)
{
	const char *setting = getenv("DGEN_MEMORY_FAILS");
	int bad = 0;

	tap_memory_fails = setting != NULL && strcmp(setting, "1") == 0;
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++)
	{
		long failures = 0;

		tap_failed = 0;
		if (!tap_memory_fails)
			tests[i].run();
		else if ((failures = tap_run_without_memory(&tests[i], false)) < 0 ||
				 tap_run_without_memory(&tests[i], true) < 0)
			tap_failed = 1;
		printf("%sok %zu - %s", tap_failed == 0 ? "" : "not ", i + 1, tests[i].name);
		if (tap_memory_fails)
			printf(" (memory failed %ld times)", failures);
		printf("\n");
		fflush(stdout);
		bad += tap_failed != 0;
	}
	return bad != 0;
}

#define TAP_MAIN(tests)                       \
	int main(void)                            \
	{                                         \
		return tap_main(tests, COUNT(tests)); \
	}

#endif /* TAP_H */
