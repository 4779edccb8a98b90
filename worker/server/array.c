/*
 * PostgreSQL's arrays in binary form, built element by element: no quoting, and the
 * server need not parse them.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "server/array.h"

/* Dimensions, "has NULLs", element type, length, lower bound: 32 bits each, big-endian. */
#define HEADER_BYTES 20

#define JSONB_VERSION 1

static void
add_int32(dgen__buffer *data, uint32_t value)
{
	uint32_t big_endian = htonl(value);

	dgen__buffer_add(data, (const char *) &big_endian, sizeof(big_endian));
}

static void
add_int64(dgen__buffer *data, int64_t value)
{
	add_int32(data, (uint32_t) ((uint64_t) value >> 32));
	add_int32(data, (uint32_t) value);
}

void
dgen__array_begin(dgen__array *array, dgen__array_type type)
{
	static const char header[HEADER_BYTES];

	array->type = type;
	array->count = 0;
	array->any = false;
	array->has_null = false;
	dgen__buffer_clear(&array->data);
	dgen__buffer_add(&array->data, header, sizeof(header));
}

static void
begin_element(dgen__array *array, size_t length)
{
	array->count++;
	array->any = true;
	add_int32(&array->data, (uint32_t) length);
}

void
dgen__array_null(dgen__array *array)
{
	array->count++;
	array->has_null = true;
	add_int32(&array->data, UINT32_MAX);
}

void
dgen__array_bool(dgen__array *array, bool value)
{
	char byte = value ? 1 : 0;

	begin_element(array, 1);
	dgen__buffer_add(&array->data, &byte, 1);
}

void
dgen__array_int4(dgen__array *array, int value)
{
	begin_element(array, 4);
	add_int32(&array->data, (uint32_t) value);
}

void
dgen__array_int8(dgen__array *array, int64_t value)
{
	begin_element(array, 8);
	add_int64(&array->data, value);
}

/* An interval is microseconds, days and months. */
void
dgen__array_interval(dgen__array *array, int64_t ms)
{
	begin_element(array, 16);
	add_int64(&array->data, ms > INT64_MAX / 1000 ? INT64_MAX : ms * 1000);
	add_int64(&array->data, 0);
}

void
dgen__array_text(dgen__array *array, const char *text, size_t length)
{
	const char version = JSONB_VERSION;

	if (array->type == DGEN__JSONB)
	{
		begin_element(array, length + 1);
		dgen__buffer_add(&array->data, &version, 1);
	}
	else
		begin_element(array, length);
	dgen__buffer_add(&array->data, text, length);
}

void
dgen__array_text_or_null(dgen__array *array, const char *text)
{
	if (text == NULL)
		dgen__array_null(array);
	else
		dgen__array_text(array, text, strlen(text));
}

void
dgen__array_error_or_null(dgen__array *array, const char *text)
{
	if (text == NULL)
		dgen__array_null(array);
	else
		dgen__array_text(array, text, dgen__utf8_cut(text, DGEN__MAX_ERROR_BYTES));
}

void
dgen__array_end(dgen__array *array)
{
	uint32_t header[HEADER_BYTES / 4] = {
		htonl(1), htonl(array->has_null), htonl(array->type), htonl((uint32_t) array->count),
		htonl(1),
	};

	if (!array->data.failed)
		memcpy(array->data.data, header, sizeof(header));
}

void
dgen__array_free(dgen__array *array)
{
	dgen__buffer_free(&array->data);
}
