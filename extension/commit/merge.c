/*
 * Applies the changes that a locked part made of the state to the state that later turns have left,
 * entry by entry.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "commit/locked.h"
#include "version/jsonb.h"

/* The entry as a value of its own; NULL: there is none. */
static Jsonb *
entry(Jsonb *state, const JsonbValue *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&state->root, name->val.string.val,
													 name->val.string.len, NULL);

	return value == NULL ? NULL : JsonbValueToJsonb(value);
}

static bool
same_entry(Jsonb *a, Jsonb *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

/* Entries of `made` that are not the same in `given`, on top of `result`. */
static Jsonb *
set_entries(Jsonb *given, Jsonb *made, Jsonb *result)
{
	JsonbIterator *iterator = JsonbIteratorInit(&made->root);
	JsonbBuilder changes = {0};
	JsonbValue name, value;

	(void) JsonbIteratorNext(&iterator, &value, true);
	dgen_push_jsonb(&changes, WJB_BEGIN_OBJECT, NULL);
	while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (same_entry(entry(given, &name), entry(made, &name)))
			continue;
		dgen_push_jsonb(&changes, WJB_KEY, &name);
		dgen_push_jsonb(&changes, WJB_VALUE, &value);
	}
	dgen_push_jsonb(&changes, WJB_END_OBJECT, NULL);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(result),
											  JsonbPGetDatum(dgen_built_jsonb(&changes))));
}

/* Without the entries of `given` that `made` has no more. */
static Jsonb *
delete_entries(Jsonb *given, Jsonb *made, Jsonb *result)
{
	JsonbIterator *iterator = JsonbIteratorInit(&given->root);
	JsonbValue name, value;

	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (entry(made, &name) == NULL)
			result =
				DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(result),
												   PointerGetDatum(cstring_to_text_with_len(
													   name.val.string.val, name.val.string.len))));
	}
	return result;
}

/* Entry by entry: changes of others in the meantime stay. */
Jsonb *
dgen_merge_states(Jsonb *given, Jsonb *made, Jsonb *current)
{
	return set_entries(given, made, delete_entries(given, made, current));
}
