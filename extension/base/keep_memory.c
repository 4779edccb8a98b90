/*
 * Memory that a worker frees at the end of a batch, and needs again in the next one. By default
 * the C library gives it back to the kernel, and each batch pays for the page faults: about an
 * eighth of the CPU time of a worker whose turns are small. A worker keeps some of it instead.
 *
 * If one of these limits is set in the server's environment, it stays.
 */
#include "postgres.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/base.h"

/* At the end of the heap: a batch of the default size needs less than 2 MB. */
#define KEPT_BYTES (4 * 1024 * 1024)

/* Blocks above that size are mapped one by one, and are not kept. */
#define MAPPED_BYTES (2 * 1024 * 1024)

void
dgen_keep_memory(void)
{
#ifdef __GLIBC__
	static bool done = false;

	if (done)
		return;
	done = true;
	if (getenv("MALLOC_TRIM_THRESHOLD_") != NULL || getenv("MALLOC_MMAP_THRESHOLD_") != NULL ||
		getenv("GLIBC_TUNABLES") != NULL)
		return;
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	(void) mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
#endif
}
