/*
 * A worker frees memory at the end of a batch, and needs it again in the next one. By default the C
 * library returns it to the kernel, and each batch pays for the page faults: about an eighth of the CPU
 * time of a worker with short turns. So a worker keeps some of the memory.
 *
 * A limit that is set in the server's environment is not changed.
 */
#include "postgres.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/base.h"

/* Memory kept at the end of the heap. A batch of the default size needs less than 2 MB. */
#define KEPT_BYTES (4 * 1024 * 1024)

/* Larger blocks are mapped one by one, and are not kept. */
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
