/*
 * Of the programs that make each allocation fail once.
 */
#ifndef DGEN_TEST_FAILING_H
#define DGEN_TEST_FAILING_H

#include "dgen.h"

#include "base/memory.h"

/* If the failure was not used up, one of the next n + 1 allocations gets it. */
static bool
has_failed(long n)
{
	for (long i = 0; i <= n; i++)
	{
		void *memory = dgen__malloc(1);

		if (memory == NULL)
			return false;
		dgen__free(memory);
	}
	return true;
}

#endif /* DGEN_TEST_FAILING_H */
