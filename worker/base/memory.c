/*
 * All allocation of the library, so that tests can make each one fail in turn, and
 * texts that grow.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Allocations until one fails; below 0: none does. Only tests write these. */
static long fail_after = -1;
static bool fail_for_good = false;
static bool failed = false;

void
dgen__memory_fail_after(long count, bool for_good)
{
	fail_after = count;
	fail_for_good = for_good;
	failed = false;
}

bool
dgen__memory_failed(void)
{
	return failed;
}

static bool
fails(void)
{
	if (fail_after < 0)
		return false;
	if (fail_after > 0)
	{
		fail_after--;
		return false;
	}
	failed = true;
	if (!fail_for_good)
		fail_after = -1;
	return true;
}

/* A size of 0 is no error: NULL always means that memory is out. */
void *
dgen__malloc(size_t size)
{
	return fails() ? NULL : malloc(size > 0 ? size : 1);
}

void *
dgen__calloc(size_t count, size_t size)
{
	return fails() ? NULL : calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void *
dgen__realloc(void *memory, size_t size)
{
	return fails() ? NULL : realloc(memory, size > 0 ? size : 1);
}

char *
dgen__strndup(const char *text, size_t length)
{
	char *copy = length < SIZE_MAX ? dgen__malloc(length + 1) : NULL;

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *
dgen__strdup(const char *text)
{
	return dgen__strndup(text, strlen(text));
}

void
dgen__free(void *memory)
{
	free(memory);
}

void *
dgen__grow(void *array, size_t *size, size_t needed, size_t element)
{
	size_t wanted = *size > 0 ? *size : 8;
	void *grown;

	while (wanted < needed && wanted <= SIZE_MAX / 2)
		wanted *= 2;
	if (wanted < needed || wanted > SIZE_MAX / element)
		return NULL;
	grown = dgen__realloc(array, wanted * element);
	if (grown != NULL)
		*size = wanted;
	return grown;
}

/* ---- a growing text ---- */

/* Room for length bytes more and the NUL. */
static bool
reserve(dgen__buffer *buffer, size_t length)
{
	char *data;

	if (buffer->failed)
		return false;
	if (buffer->data != NULL && length < buffer->size - buffer->length)
		return true;
	buffer->failed = true;
	if (length >= SIZE_MAX - buffer->length)
		return false;
	data = dgen__grow(buffer->data, &buffer->size, buffer->length + length + 1, 1);
	if (data == NULL)
		return false;
	buffer->data = data;
	buffer->failed = false;
	return true;
}

void
dgen__buffer_add(dgen__buffer *buffer, const char *data, size_t length)
{
	if (!reserve(buffer, length))
		return;
	if (length > 0)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void
dgen__buffer_puts(dgen__buffer *buffer, const char *text)
{
	dgen__buffer_add(buffer, text, strlen(text));
}

void
dgen__buffer_vprintf(dgen__buffer *buffer, const char *format, va_list arguments)
{
	va_list again;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		buffer->failed = true;
	if (length < 0 || !reserve(buffer, (size_t) length))
		return;
	(void) vsnprintf(buffer->data + buffer->length, (size_t) length + 1, format, arguments);
	buffer->length += (size_t) length;
}

void
dgen__buffer_printf(dgen__buffer *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dgen__buffer_vprintf(buffer, format, arguments);
	va_end(arguments);
}

void
dgen__buffer_clear(dgen__buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

void
dgen__buffer_free(dgen__buffer *buffer)
{
	dgen__free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}
