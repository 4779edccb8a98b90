/*
 * The state against a model that copies everything: three plain tables of values, what the
 * server has, what the turn began with, and what is now. Memory fails now and then.
 */
#include "fuzz.h"

const char *const fuzz_words[] = {NULL};

/* By their bytes. */
static const char *const names[] = {
	"",       "\n",     "\"",     "a",       "a0",     "a00",     "aa",       "ab",
	"b",      "item:",  "item:1", "item:10", "item:2", "item:20", "item:3",   "item:4",
	"item:5", "item:6", "item:7", "item:8",  "item:9", "z",       "\xc3\xa9", "\xf0\x9f\x98\x80"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static const char *const values[] = {
	"1",
	"2",
	"null",
	"true",
	"\"\"",
	"{}",
	"[]",
	"\"some text\"",
	"[1, {\"a\": \"]}\"}]",
	"{\"b\": [\"\\\"\", 2]}",
	"\"a longer text, so that memory is asked for in other sizes, and a little longer\"",
	"-1.5e3"};
#define VALUES (sizeof(values) / sizeof(values[0]))

/* NULL: no such entry. */
typedef struct table
{
	const char *values[NAMES];
} table;

typedef struct run
{
	const uint8_t *data;
	size_t size;
	dgen__state *state;
	table server;
	table kept;
	table now;
} run;

static size_t
next(run *r, size_t bound)
{
	if (r->size == 0)
		return 0;
	r->size--;
	return *r->data++ % bound;
}

/* ---- the model's side ---- */

static void
write_table(const table *t, dgen__buffer *json)
{
	const char *before = "{";

	dgen__buffer_clear(json);
	for (size_t i = 0; i < NAMES; i++)
	{
		if (t->values[i] == NULL)
			continue;
		dgen__buffer_puts(json, before);
		dgen__json_add_string(json, names[i], strlen(names[i]));
		dgen__buffer_printf(json, ": %s", t->values[i]);
		before = ", ";
	}
	dgen__buffer_puts(json, *before == '{' ? "{}" : "}");
}

static bool
same_value(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_table(const table *a, const table *b)
{
	for (size_t i = 0; i < NAMES; i++)
		if (!same_value(a->values[i], b->values[i]))
			return false;
	return true;
}

/* ---- comparing ---- */

static void
compare_get(run *r, size_t i)
{
	size_t length = 0;
	const char *value = dgen__state_get(r->state, names[i], &length);

	REQUIRE(same_value(value, r->now.values[i]));
	REQUIRE(value == NULL || strlen(value) == length);
}

static void
compare_json(run *r)
{
	dgen__buffer json = {0};
	dgen__buffer wanted = {0};

	REQUIRE(dgen__state_load(r->state) == 0);
	REQUIRE(dgen__state_json(r->state, &json) == 0);
	write_table(&r->now, &wanted);
	REQUIRE(strcmp(json.data, wanted.data) == 0);
	dgen__buffer_free(&json);
	dgen__buffer_free(&wanted);
}

static void
compare_scan(run *r, const char *prefix)
{
	const char *name = NULL;
	const char *value;
	size_t length;
	size_t i = 0;

	while ((value = dgen__state_scan(r->state, prefix, &name, &length)) != NULL)
	{
		while (r->now.values[i] == NULL || strncmp(names[i], prefix, strlen(prefix)) != 0)
			REQUIRE(++i < NAMES);
		REQUIRE(strcmp(name, names[i]) == 0 && strcmp(value, r->now.values[i]) == 0 &&
				strlen(value) == length);
		i++;
	}
	for (; i < NAMES; i++)
		REQUIRE(r->now.values[i] == NULL || strncmp(names[i], prefix, strlen(prefix)) != 0);
}

static size_t
number_of(const dgen_json *quoted)
{
	char name[40];
	size_t i = 0;

	REQUIRE(dgen_json_string(quoted, name, sizeof(name)) >= 0);
	while (strcmp(names[i], name) != 0)
		REQUIRE(++i < NAMES);
	return i;
}

/* Applies the diff to what the server has: that must make what was kept, and touch nothing that is the same. */
static void
compare_diff(run *r)
{
	table t = r->server;
	dgen__buffer set = {0};
	dgen__buffer deleted = {0};
	dgen__json_walk walk;
	dgen_json name;
	dgen_json value;
	bool any = dgen__state_diff(r->state, &set, &deleted);

	REQUIRE(any == !same_table(&r->server, &r->kept) && any == dgen__state_changed(r->state));
	REQUIRE(any == (set.length > 0 || deleted.length > 0));
	if (set.length > 0)
	{
		REQUIRE(dgen_json_check(set.data, set.length) == 0);
		REQUIRE(dgen__json_walk_begin(&walk, set.data, set.length, '{') == 0);
		while (dgen__json_walk_next(&walk, &name, &value))
		{
			size_t i = number_of(&name);

			REQUIRE(r->kept.values[i] != NULL && !same_value(t.values[i], r->kept.values[i]));
			REQUIRE(strlen(r->kept.values[i]) == value.length &&
					memcmp(value.text, r->kept.values[i], value.length) == 0);
			t.values[i] = r->kept.values[i];
		}
	}
	if (deleted.length > 0)
	{
		REQUIRE(dgen_json_check(deleted.data, deleted.length) == 0);
		REQUIRE(dgen__json_walk_begin(&walk, deleted.data, deleted.length, '[') == 0);
		while (dgen__json_walk_next(&walk, &name, &value))
		{
			size_t i = number_of(&value);

			REQUIRE(t.values[i] != NULL);
			t.values[i] = NULL;
		}
	}
	REQUIRE(same_table(&t, &r->kept));
	dgen__buffer_free(&set);
	dgen__buffer_free(&deleted);
}

/* ---- doing the same to both ---- */

static void
undo(run *r)
{
	dgen__state_undo_turn(r->state);
	r->now = r->kept;
	dgen__state_begin_turn(r->state);
}

static void
keep(run *r)
{
	dgen__state_keep_turn(r->state);
	r->kept = r->now;
}

/* What failed for want of memory has to be undone. */
static void
settle(run *r, int rc, const table *after)
{
	dgen__memory_fail_after(-1, false);
	REQUIRE(rc == 0 || rc == DGEN_ENOMEM);
	if (rc == 0)
		r->now = *after;
	else
		undo(r);
}

static void
change(run *r, bool delete)
{
	table after = r->now;
	size_t i = next(r, NAMES);
	const char *value = values[next(r, VALUES)];
	size_t failing = next(r, 16);

	dgen__memory_fail_after(failing < 4 ? (long) failing : -1, false);
	after.values[i] = delete ? NULL : value;
	settle(r,
		   delete ? dgen__state_delete(r->state, names[i])
				  : dgen__state_set(r->state, names[i], value, strlen(value)),
		   &after);
}

static void
replace(run *r)
{
	table after;
	dgen__buffer json = {0};
	size_t failing = next(r, 64);

	for (size_t i = 0; i < NAMES; i++)
	{
		size_t n = next(r, VALUES * 2);

		after.values[i] = n < VALUES ? values[n] : n < VALUES * 3 / 2 ? r->now.values[i] : NULL;
	}
	write_table(&after, &json);
	dgen__memory_fail_after(failing < 40 ? (long) failing : -1, false);
	settle(r, dgen__state_replace(r->state, json.data, json.length), &after);
	dgen__buffer_free(&json);
}

static void
read_again(run *r)
{
	dgen__buffer json = {0};

	write_table(&r->now, &json);
	dgen__state_free(r->state);
	REQUIRE(dgen__state_parse(&r->state, json.data, json.length) == 0);
	r->kept = r->now;
	r->server = r->now;
	dgen__state_begin_turn(r->state);
	dgen__buffer_free(&json);
}

static void
end_turn(run *r, bool confirm)
{
	keep(r);
	compare_diff(r);
	if (confirm)
	{
		dgen__state_confirm(r->state);
		r->server = r->kept;
		compare_diff(r);
	}
	dgen__state_begin_turn(r->state);
}

static void
step(run *r)
{
	static const char *const prefixes[] = {"", "item:", "a", "item:1", "x"};

	switch (next(r, 16))
	{
		case 0:
			undo(r);
			break;
		case 1:
			end_turn(r, false);
			break;
		case 2:
			end_turn(r, true);
			break;
		case 3:
			replace(r);
			break;
		case 4:
			read_again(r);
			break;
		case 5:
			compare_scan(r, prefixes[next(r, sizeof(prefixes) / sizeof(prefixes[0]))]);
			break;
		case 6:
			compare_json(r);
			break;
		case 7:
			compare_get(r, next(r, NAMES));
			break;
		case 8:
		case 9:
		case 10:
			change(r, true);
			break;
		default:
			change(r, false);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run r = {.data = data, .size = size};

	read_again(&r);
	while (r.size > 0)
		step(&r);
	compare_json(&r);
	end_turn(&r, true);
	compare_json(&r);
	dgen__state_free(r.state);
	return 0;
}
