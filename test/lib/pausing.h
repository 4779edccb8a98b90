/*
 * Of the programs whose turns take their time, or wait to be let go on by a file.
 */
#ifndef DGEN_TEST_PAUSING_H
#define DGEN_TEST_PAUSING_H

#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* A signal ends it early. */
static inline void
pause_ms(int64_t ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	if (ms > 0)
		nanosleep(&time, NULL);
}

/* Until there is a file of that name; NULL is not waited for. */
static inline void
wait_for_file(const char *path)
{
	while (path != NULL && access(path, F_OK) != 0)
		pause_ms(10);
}

#endif /* DGEN_TEST_PAUSING_H */
