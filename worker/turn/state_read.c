/*
 * From the text of a state to its entries, when they are first needed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "json/json.h"
#include "turn/entries.h"
#include "turn/state.h"

int
dgen__state_parse(dgen__state **state, const char *json, size_t length)
{
	dgen__json_walk walk;
	dgen__state *new_state;

	*state = NULL;
	if (dgen__json_walk_begin(&walk, json, length, '{') != 0)
		return DGEN_EJSON;
	new_state = dgen__calloc(1, sizeof(dgen__state));
	if (new_state == NULL)
		return DGEN_ENOMEM;
	new_state->text = dgen__strndup(json, length);
	new_state->length = length;
	if (new_state->text == NULL)
	{
		dgen__state_free(new_state);
		return DGEN_ENOMEM;
	}
	*state = new_state;
	return 0;
}

/* Names never contain NUL: the server cannot store it. */
static int
compare(const void *a, const void *b)
{
	const entry *left = *(entry *const *) a;
	const entry *right = *(entry *const *) b;
	int order = strcmp(left->name, right->name);

	/* equal names in the order of the text */
	if (order == 0)
		order = left < right ? -1 : left > right;
	return order;
}

static size_t
count_members(const dgen__state *state)
{
	dgen__json_walk walk;
	dgen_json name;
	dgen_json value;
	size_t count = 0;

	(void) dgen__json_walk_begin(&walk, state->text, state->length, '{');
	while (dgen__json_walk_next(&walk, &name, &value))
		count++;
	return count;
}

/* Cuts the text into names and values. They are ended only when the walk is over. */
static void
split(dgen__state *state)
{
	dgen__json_walk walk;
	dgen_json name;
	dgen_json value;
	entry *e = state->read;

	(void) dgen__json_walk_begin(&walk, state->text, state->length, '{');
	for (; dgen__json_walk_next(&walk, &name, &value); e++)
	{
		e->name = state->text + (name.text - state->text);
		e->name_length = (uint32_t) name.length;
		e->value = state->text + (value.text - state->text);
		e->length = value.length;
	}
	for (size_t i = 0; i < state->nread; i++)
	{
		e = &state->read[i];
		e->value[e->length] = '\0';
		e->name_length = (uint32_t) dgen__json_unescape(e->name, e->name_length);
	}
}

/* jsonb sorts by length first, so names of one length come sorted. */
static void
sort(dgen__state *state)
{
	entry **sorted = state->sorted;
	size_t count = 0;
	bool in_order = true;

	for (size_t i = 0; i < state->nread; i++)
	{
		sorted[i] = &state->read[i];
		in_order = in_order && (i == 0 || compare(&sorted[i - 1], &sorted[i]) < 0);
	}
	if (!in_order)
		qsort(sorted, state->nread, sizeof(entry *), compare);
	/* the last of equal names counts */
	for (size_t i = 0; i < state->nread; i++)
		if (i + 1 == state->nread || strcmp(sorted[i]->name, sorted[i + 1]->name) != 0)
			sorted[count++] = sorted[i];
	state->nsorted = count;
}

int
dgen__state_load(dgen__state *state)
{
	size_t count;

	if (state->loaded)
		return 0;
	count = count_members(state);
	state->read = dgen__calloc(count, sizeof(entry));
	state->sorted = dgen__malloc(count * sizeof(entry *));
	if (state->read == NULL || state->sorted == NULL)
	{
		dgen__free(state->read);
		dgen__free(state->sorted);
		state->read = NULL;
		state->sorted = NULL;
		return DGEN_ENOMEM;
	}
	state->nread = count;
	state->sorted_size = count;
	split(state);
	sort(state);
	state->loaded = true;
	return 0;
}
