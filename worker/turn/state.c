/*
 * The state of an actor as entries. A turn's changes can be undone, and a batch's
 * are a diff. Both cost as much as was changed, not as much as there is.
 */
#include <string.h>

#include "base/memory.h"
#include "json/json.h"
#include "turn/entries.h"
#include "turn/state.h"

/* What malloc itself takes, about. */
#define OVERHEAD 16

/* ---- memory of entries and values ---- */

static bool
in_text(const dgen__state *state, const char *value)
{
	return (uintptr_t) value - (uintptr_t) state->text <= state->length;
}

static char *
new_value(dgen__state *state, const char *json, size_t length)
{
	char *value = dgen__strndup(json, length);

	if (value != NULL)
		state->own_bytes += length + 1 + OVERHEAD;
	return value;
}

static void
free_value(dgen__state *state, char *value, size_t length)
{
	if (value == NULL || in_text(state, value))
		return;
	state->own_bytes -= length + 1 + OVERHEAD;
	dgen__free(value);
}

/* The name lies behind the entry. */
static entry *
new_entry(dgen__state *state, const char *name, size_t length)
{
	entry *e = dgen__malloc(sizeof(entry) + length + 1);

	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->name = (char *) (e + 1);
	e->name_length = (uint32_t) length;
	memcpy(e->name, name, length + 1);
	state->own_bytes += sizeof(entry) + length + 1 + OVERHEAD;
	return e;
}

static void
free_entry(dgen__state *state, entry *e)
{
	if (e->name != (char *) (e + 1))
		return;
	state->own_bytes -= sizeof(entry) + e->name_length + 1 + OVERHEAD;
	dgen__free(e);
}

/* Frees what no entry has any more: the values of the server and of before the turn. */
static void
free_old_values(dgen__state *state, change *c)
{
	entry *e = c->entry;

	if (c->touched && c->kept != e->value && c->kept != c->base)
		free_value(state, c->kept, c->kept_length);
	if (c->base != e->value)
		free_value(state, c->base, c->base_length);
}

void
dgen__state_free(dgen__state *state)
{
	if (state == NULL)
		return;
	for (size_t i = 0; i < state->nchanges; i++)
		free_old_values(state, &state->changes[i]);
	for (size_t i = 0; i < state->nsorted; i++)
	{
		free_value(state, state->sorted[i]->value, state->sorted[i]->length);
		free_entry(state, state->sorted[i]);
	}
	dgen__free(state->touched);
	dgen__free(state->changes);
	dgen__free(state->sorted);
	dgen__free(state->read);
	dgen__free(state->text);
	dgen__free(state);
}

size_t
dgen__state_bytes(const dgen__state *state)
{
	return sizeof(*state) + state->length + 1 + state->nread * sizeof(entry) +
		   state->sorted_size * sizeof(entry *) + state->changes_size * sizeof(change) +
		   state->touched_size * sizeof(uint32_t) + state->own_bytes + 6 * OVERHEAD;
}

/* ---- finding ---- */

/* The place of the first entry whose name is not below the name, or not below and not it. */
static size_t
place_of(const dgen__state *state, const char *name, bool behind)
{
	size_t low = 0;
	size_t high = state->nsorted;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;
		int order = strcmp(state->sorted[middle]->name, name);

		if (order < 0 || (behind && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The entry, a tombstone too; NULL if there is none, and then *place is where it belongs. */
static entry *
find_entry(const dgen__state *state, const char *name, size_t *place)
{
	*place = place_of(state, name, false);
	if (*place < state->nsorted && strcmp(state->sorted[*place]->name, name) == 0)
		return state->sorted[*place];
	return NULL;
}

const char *
dgen__state_get(dgen__state *state, const char *name, size_t *length)
{
	size_t place;
	entry *e;

	if (dgen__state_load(state) != 0)
		return NULL;
	e = find_entry(state, name, &place);
	if (e == NULL || e->value == NULL)
		return NULL;
	if (length != NULL)
		*length = e->length;
	return e->value;
}

const char *
dgen__state_scan(dgen__state *state, const char *prefix, const char **name, size_t *length)
{
	size_t place;

	if (dgen__state_load(state) != 0)
		return NULL;
	if (*name == NULL || strcmp(*name, prefix) < 0)
		place = place_of(state, prefix, false);
	else
		place = place_of(state, *name, true);
	for (; place < state->nsorted; place++)
	{
		entry *e = state->sorted[place];

		if (strncmp(e->name, prefix, strlen(prefix)) != 0)
			return NULL;
		if (e->value == NULL)
			continue;
		*name = e->name;
		if (length != NULL)
			*length = e->length;
		return e->value;
	}
	return NULL;
}

/* ---- changing ---- */

static entry *
insert(dgen__state *state, const char *name, size_t place)
{
	entry **sorted = state->sorted;
	entry *e;

	if (state->nsorted == state->sorted_size)
		sorted = dgen__grow(sorted, &state->sorted_size, state->nsorted + 1, sizeof(entry *));
	if (sorted == NULL)
		return NULL;
	state->sorted = sorted;
	e = new_entry(state, name, strlen(name));
	if (e == NULL)
		return NULL;
	memmove(sorted + place + 1, sorted + place, (state->nsorted - place) * sizeof(entry *));
	sorted[place] = e;
	state->nsorted++;
	state->ntombstones++;
	return e;
}

/* The entry's change; a new one if there is none yet. */
static change *
change_of(dgen__state *state, entry *e)
{
	change *c;

	if (e->change != 0)
		return &state->changes[e->change - 1];
	if (state->nchanges == state->changes_size)
	{
		c = dgen__grow(state->changes, &state->changes_size, state->nchanges + 1, sizeof(change));
		if (c == NULL)
			return NULL;
		state->changes = c;
	}
	c = &state->changes[state->nchanges++];
	memset(c, 0, sizeof(*c));
	c->entry = e;
	c->base = e->value;
	c->base_length = e->length;
	e->change = (uint32_t) state->nchanges;
	return c;
}

/* Notes what undo must restore. */
static bool
touch(dgen__state *state, entry *e)
{
	uint32_t *touched;
	change *c = change_of(state, e);

	if (c == NULL || c->touched)
		return c != NULL;
	if (state->ntouched == state->touched_size)
	{
		touched =
			dgen__grow(state->touched, &state->touched_size, state->ntouched + 1, sizeof(uint32_t));
		if (touched == NULL)
			return false;
		state->touched = touched;
	}
	state->touched[state->ntouched++] = e->change - 1;
	c->touched = true;
	c->kept = e->value;
	c->kept_length = e->length;
	return true;
}

/* The entry was touched; value is NULL or memory of its own. */
static void
put_value(dgen__state *state, entry *e, char *value, size_t length)
{
	change *c = &state->changes[e->change - 1];

	if (e->value == NULL)
		state->ntombstones--;
	if (value == NULL)
		state->ntombstones++;
	if (e->value != c->kept)
		free_value(state, e->value, e->length);
	e->value = value;
	e->length = length;
}

int
dgen__state_set(dgen__state *state, const char *name, const char *json, size_t length)
{
	size_t place;
	entry *e;
	char *value;

	if (dgen__state_load(state) != 0)
		return DGEN_ENOMEM;
	e = find_entry(state, name, &place);
	if (e == NULL)
		e = insert(state, name, place);
	else if (e->value != NULL && e->length == length && memcmp(e->value, json, length) == 0)
		return 0;
	if (e == NULL || !touch(state, e))
		return DGEN_ENOMEM;
	value = new_value(state, json, length);
	if (value == NULL)
		return DGEN_ENOMEM;
	put_value(state, e, value, length);
	return 0;
}

int
dgen__state_delete(dgen__state *state, const char *name)
{
	size_t place;
	entry *e;

	if (dgen__state_load(state) != 0)
		return DGEN_ENOMEM;
	e = find_entry(state, name, &place);
	if (e == NULL || e->value == NULL)
		return 0;
	if (!touch(state, e))
		return DGEN_ENOMEM;
	put_value(state, e, NULL, 0);
	return 0;
}

/* Deletes what the other state has not. */
static int
delete_missing(dgen__state *state, const dgen__state *other)
{
	size_t next = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < state->nsorted; i++)
	{
		const char *name = state->sorted[i]->name;

		while (next < other->nsorted && strcmp(other->sorted[next]->name, name) < 0)
			next++;
		if (next == other->nsorted || strcmp(other->sorted[next]->name, name) != 0)
			rc = dgen__state_delete(state, name);
	}
	return rc;
}

int
dgen__state_replace(dgen__state *state, const char *json, size_t length)
{
	dgen__state *other;
	int rc = dgen__state_parse(&other, json, length);

	if (rc == 0)
		rc = dgen__state_load(state);
	if (rc == 0)
		rc = dgen__state_load(other);
	if (rc == 0)
		rc = delete_missing(state, other);
	for (size_t i = 0; rc == 0 && i < other->nsorted; i++)
	{
		entry *e = other->sorted[i];

		rc = dgen__state_set(state, e->name, e->value, e->length);
	}
	dgen__state_free(other);
	return rc;
}

/* ---- turns ---- */

/*
 * Only when they are many, so that each pays for its own end. Those with a change have
 * to be sent to the server first, or be restored by undo.
 */
static void
drop_tombstones(dgen__state *state)
{
	size_t certain =
		state->ntombstones > state->nchanges ? state->ntombstones - state->nchanges : 0;
	size_t count = 0;

	if (certain < 8 || certain < state->nsorted / 2)
		return;
	for (size_t i = 0; i < state->nsorted; i++)
	{
		entry *e = state->sorted[i];

		if (e->value != NULL || e->change != 0)
		{
			state->sorted[count++] = e;
			continue;
		}
		free_entry(state, e);
		state->ntombstones--;
	}
	state->nsorted = count;
}

void
dgen__state_begin_turn(dgen__state *state)
{
	drop_tombstones(state);
	state->kept_changes = state->nchanges;
}

void
dgen__state_undo_turn(dgen__state *state)
{
	for (size_t i = 0; i < state->ntouched; i++)
	{
		change *c = &state->changes[state->touched[i]];

		put_value(state, c->entry, c->kept, c->kept_length);
		c->touched = false;
	}
	state->ntouched = 0;
	while (state->nchanges > state->kept_changes)
		state->changes[--state->nchanges].entry->change = 0;
}

void
dgen__state_keep_turn(dgen__state *state)
{
	for (size_t i = 0; i < state->ntouched; i++)
	{
		change *c = &state->changes[state->touched[i]];

		if (c->kept != c->base && c->kept != c->entry->value)
			free_value(state, c->kept, c->kept_length);
		c->touched = false;
	}
	state->ntouched = 0;
	state->kept_changes = state->nchanges;
}

/* ---- the diff ---- */

static void
add_name(dgen__buffer *json, const char *before, const entry *e)
{
	dgen__buffer_puts(json, before);
	dgen__json_add_string(json, e->name, e->name_length);
}

static void
add_member(dgen__buffer *json, const char *before, const entry *e)
{
	add_name(json, before, e);
	dgen__buffer_add(json, ": ", 2);
	dgen__buffer_add(json, e->value, e->length);
}

static bool
differs(const change *c)
{
	const entry *e = c->entry;

	if (c->base == NULL || e->value == NULL)
		return c->base != e->value;
	return c->base_length != e->length || memcmp(c->base, e->value, e->length) != 0;
}

bool
dgen__state_diff(dgen__state *state, dgen__buffer *set, dgen__buffer *deleted)
{
	size_t nset = 0;
	size_t ndeleted = 0;

	for (size_t i = 0; i < state->nchanges; i++)
	{
		const entry *e = state->changes[i].entry;

		if (!differs(&state->changes[i]))
			continue;
		if (e->value != NULL)
			add_member(set, nset++ == 0 ? "{" : ", ", e);
		else
			add_name(deleted, ndeleted++ == 0 ? "[" : ", ", e);
	}
	if (nset > 0)
		dgen__buffer_add(set, "}", 1);
	if (ndeleted > 0)
		dgen__buffer_add(deleted, "]", 1);
	return nset + ndeleted > 0;
}

bool
dgen__state_changed(const dgen__state *state)
{
	for (size_t i = 0; i < state->nchanges; i++)
		if (differs(&state->changes[i]))
			return true;
	return false;
}

void
dgen__state_confirm(dgen__state *state)
{
	for (size_t i = 0; i < state->nchanges; i++)
	{
		free_old_values(state, &state->changes[i]);
		state->changes[i].entry->change = 0;
	}
	state->nchanges = 0;
	state->kept_changes = 0;
	drop_tombstones(state);
}

/* ---- the whole ---- */

static void
add_members(const dgen__state *state, dgen__buffer *json)
{
	const char *before = "{";

	for (size_t i = 0; i < state->nsorted; i++)
	{
		if (state->sorted[i]->value == NULL)
			continue;
		add_member(json, before, state->sorted[i]);
		before = ", ";
	}
	dgen__buffer_puts(json, *before == '{' ? "{}" : "}");
}

int
dgen__state_json(dgen__state *state, dgen__buffer *json)
{
	if (state->loaded)
		add_members(state, json);
	else
		dgen__buffer_add(json, state->text, state->length);
	return json->failed ? DGEN_ENOMEM : 0;
}
