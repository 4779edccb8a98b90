/*
 * Allocation that tests can make fail.
 *
 * All allocation of the library goes through these. Each returns NULL when memory is
 * out, and callers turn that into DGEN_ENOMEM.
 */
#ifndef DGEN_BASE_MEMORY_H
#define DGEN_BASE_MEMORY_H

#include <stdarg.h>

#include "dgen.h"

extern void *dgen__malloc(size_t size);
extern void *dgen__calloc(size_t count, size_t size);
extern void *dgen__realloc(void *memory, size_t size);
extern char *dgen__strndup(const char *text, size_t length);
extern char *dgen__strdup(const char *text);
extern void dgen__free(void *memory);

/*
 * Makes an array of `size` elements larger, to at least `needed`, by doubling. NULL when
 * memory is out, and then the array is as it was.
 */
extern void *dgen__grow(void *array, size_t *size, size_t needed, size_t element);

/*
 * For tests: after `count` more allocations one fails, or all from then on (for_good).
 * A count below 0: none does.
 */
extern void dgen__memory_fail_after(long count, bool for_good);
extern bool dgen__memory_failed(void); /* has one since then? */

/* A growing text; the first failed allocation sticks and shows in `failed`. */
typedef struct dgen__buffer
{
	char *data; /* NUL-terminated once something was added; NULL before */
	size_t length;
	size_t size;
	bool failed;
} dgen__buffer;

extern void dgen__buffer_add(dgen__buffer *buffer, const char *data, size_t length);
extern void dgen__buffer_puts(dgen__buffer *buffer, const char *text);
extern void dgen__buffer_printf(dgen__buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern void dgen__buffer_vprintf(dgen__buffer *buffer, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));
extern void dgen__buffer_clear(dgen__buffer *buffer); /* keeps the memory; forgets a failure */
extern void dgen__buffer_free(dgen__buffer *buffer);

#endif /* DGEN_BASE_MEMORY_H */
