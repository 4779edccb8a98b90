/*
 * The callback of counter.c without a database.
 */
#include <string.h>

/* counter.c has a main of its own. */
int counter_main(void);
#define main counter_main
#include "counter.c"
#undef main

static int failures;

static void
check(bool ok, const char *what, const char *outcome)
{
	printf("%s %s\n", ok ? "ok    " : "FAILED", what);
	if (!ok)
		printf("       outcome: %s\n", outcome);
	failures += !ok;
}

static bool
has(dgen_test *test, const char *text)
{
	return strstr(dgen_test_outcome(test), text) != NULL;
}

int
main(void)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "counter", .handle_cast = count};
	dgen_test *test;
	int rc = dgen_test_open(&test, &type, "visits", NULL);

	check(rc == 0, "a new actor", dgen_test_error(test));

	rc = dgen_test_run(test, "call", "{\"add\": 5}");
	check(rc == 0 && has(test, "\"reply\": 5"), "a call adds and is answered",
		  dgen_test_outcome(test));

	rc = dgen_test_run(test, "cast", NULL);
	check(rc == 0 && !has(test, "\"reply\""), "a cast is not answered", dgen_test_outcome(test));
	check(strcmp(dgen_test_state(test), "{\"n\": 6}") == 0, "null counts one",
		  dgen_test_state(test));

	rc = dgen_test_run(test, "call", "{\"add\": \"x\"}");
	check(rc == DGEN_ETYPE && has(test, "\"committed\": false"), "a text does not count",
		  dgen_test_outcome(test));
	check(strcmp(dgen_test_state(test), "{\"n\": 6}") == 0, "and changes nothing",
		  dgen_test_state(test));

	dgen_test_close(test);
	return failures != 0;
}
