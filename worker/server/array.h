/*
 * PostgreSQL's arrays in binary form.
 *
 * Elements are added in order; an array in which all are NULL is sent as NULL.
 */
#ifndef DGEN_SERVER_ARRAY_H
#define DGEN_SERVER_ARRAY_H

#include "dgen.h"

#include "base/memory.h"

typedef enum dgen__array_type
{
	DGEN__BOOL = 16, /* the server's fixed OIDs */
	DGEN__INT8 = 20,
	DGEN__INT4 = 23,
	DGEN__TEXT = 25,
	DGEN__INTERVAL = 1186,
	DGEN__JSONB = 3802
} dgen__array_type;

typedef struct dgen__array
{
	dgen__array_type type;
	int count;
	bool any; /* some element is not NULL */
	bool has_null;
	dgen__buffer data; /* the header is filled in at the end */
} dgen__array;

extern void dgen__array_begin(dgen__array *array, dgen__array_type type); /* keeps the memory */
extern void dgen__array_null(dgen__array *array);
extern void dgen__array_bool(dgen__array *array, bool value);
extern void dgen__array_int4(dgen__array *array, int value);
extern void dgen__array_int8(dgen__array *array, int64_t value);
extern void dgen__array_interval(dgen__array *array, int64_t ms);
extern void dgen__array_text(dgen__array *array, const char *text,
							 size_t length); /* also for jsonb */
extern void dgen__array_text_or_null(dgen__array *array, const char *text);
extern void dgen__array_error_or_null(dgen__array *array, const char *text); /* cut */
extern void dgen__array_end(dgen__array *array);
extern void dgen__array_free(dgen__array *array);

#endif /* DGEN_SERVER_ARRAY_H */
