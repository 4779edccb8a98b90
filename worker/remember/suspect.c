/*
 * Actors whose turns spoil the commit of a batch: a message to a type that does not
 * exist, a constraint that is checked at COMMIT. It is not known which turn of a
 * batch it was, so the turns of its actors run one at a time until one fails.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "remember/suspect.h"

/* More than a batch has. Beyond it an actor is assumed not to be the cause. */
#define MOST_SUSPECTS 4096

/* Batches to come without any of them, per suspect: other workers might have handled them. */
#define PATIENCE 16

static void
clear(dgen__suspect *suspect)
{
	dgen__free(suspect->key);
	dgen__error_free(&suspect->error);
}

void
dgen__suspects_free(dgen__suspects *suspects)
{
	for (int i = 0; i < suspects->count; i++)
		clear(&suspects->list[i]);
	dgen__free(suspects->list);
	memset(suspects, 0, sizeof(*suspects));
}

dgen__suspect *
dgen__suspects_find(dgen__suspects *suspects, int type, const char *key)
{
	for (int i = 0; i < suspects->count; i++)
		if (suspects->list[i].type == type && strcmp(suspects->list[i].key, key) == 0)
			return &suspects->list[i];
	return NULL;
}

static bool
make_room(dgen__suspects *suspects)
{
	int size = suspects->size == 0 ? 64 : suspects->size * 2;
	dgen__suspect *list;

	if (suspects->count < suspects->size)
		return true;
	if (size > MOST_SUSPECTS)
		return false;
	list = dgen__realloc(suspects->list, (size_t) size * sizeof(dgen__suspect));
	if (list == NULL)
		return false;
	suspects->list = list;
	suspects->size = size;
	return true;
}

dgen__suspect *
dgen__suspects_add(dgen__suspects *suspects, int type, const char *key)
{
	dgen__suspect *suspect = dgen__suspects_find(suspects, type, key);
	char *copy;

	suspects->patience += PATIENCE;
	if (suspect != NULL)
		return suspect;
	copy = dgen__strdup(key);
	if (copy == NULL || !make_room(suspects))
	{
		dgen__free(copy);
		return NULL;
	}
	suspect = &suspects->list[suspects->count++];
	memset(suspect, 0, sizeof(*suspect));
	suspect->type = type;
	suspect->key = copy;
	return suspect;
}

void
dgen__suspects_remove(dgen__suspects *suspects, dgen__suspect *suspect)
{
	suspects->guilty -= suspect->guilty;
	clear(suspect);
	*suspect = suspects->list[--suspects->count];
}

void
dgen__suspects_convict(dgen__suspects *suspects, dgen__suspect *suspect, int64_t message,
					   const dgen__error *error)
{
	suspects->guilty += !suspect->guilty;
	suspect->guilty = true;
	suspect->message = message;
	suspect->final = false;
	suspect->tries = 0;
	(void) dgen__fail_error(&suspect->error, error);
}

void
dgen__suspects_forget(dgen__suspects *suspects)
{
	for (int i = suspects->count - 1; i >= 0; i--)
		if (!suspects->list[i].guilty)
			dgen__suspects_remove(suspects, &suspects->list[i]);
	suspects->patience = 0;
}

bool
dgen__suspects_searching(const dgen__suspects *suspects)
{
	return suspects->count > suspects->guilty;
}
