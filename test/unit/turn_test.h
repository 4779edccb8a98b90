/* What the tests of turns share: running a callback for one message, and checking the outcome. */
#ifndef TURN_TEST_H
#define TURN_TEST_H

#include "tap.h"

/* Runs the callback for one message, and compares the result and the outcome. */
static inline void
check_run(dgen_callback callback, const char *kind, const char *state, const char *message, int rc,
		  const char *outcome)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "cart", .handle_cast = callback};
	dgen_test *test;

	if (dgen_test_open(&test, &type, "k", state) == 0)
	{
		CHECK(dgen_test_run(test, kind, message) == rc);
		CHECK_TEXT(dgen_test_outcome(test), outcome);
	}
	dgen_test_close(test);
}

#define CALLBACK(name) \
	static int name(dgen_turn *turn, const char *message, size_t length, void *user)
#define UNUSED() (void) turn, (void) message, (void) length, (void) user

#define NOTHING "\"set\": {}, \"deleted\": []"
#define FAILED "{\"committed\": false, " NOTHING ", \"sends\": [], \"end\": "

#endif /* TURN_TEST_H */
