/*
 * What callbacks do with the actor's state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "json/check.h"
#include "json/json.h"
#include "turn/in_turn.h"
#include "turn/state.h"

/* ---- reading ---- */

/* Can entries be read? Once they are loaded, reading cannot fail. */
static bool
readable(dgen_turn *turn, const char *name)
{
	if (dgen__turn_ready(turn) != 0)
		return false;
	if (name == NULL)
		(void) dgen__turn_stick(
			turn, dgen__fail(&turn->error, DGEN_EINVAL, "name of entry must not be NULL"));
	else
		(void) dgen__turn_stick(turn, dgen__state_load(turn->state));
	return turn->stuck == 0;
}

const char *
dgen_turn_get(dgen_turn *turn, const char *entry, size_t *length)
{
	return readable(turn, entry) ? dgen__state_get(turn->state, entry, length) : NULL;
}

static bool
find_in_entry(dgen_turn *turn, const char *entry, dgen_json *value)
{
	value->text = dgen_turn_get(turn, entry, &value->length);
	return value->text != NULL;
}

static const dgen__source in_state = {"entry", find_in_entry};

int64_t
dgen_turn_get_int64(dgen_turn *turn, const char *entry, int64_t absent)
{
	return dgen__turn_int64(turn, &in_state, entry, absent);
}

double
dgen_turn_get_double(dgen_turn *turn, const char *entry, double absent)
{
	return dgen__turn_double(turn, &in_state, entry, absent);
}

bool
dgen_turn_get_bool(dgen_turn *turn, const char *entry, bool absent)
{
	return dgen__turn_bool(turn, &in_state, entry, absent);
}

const char *
dgen_turn_get_string(dgen_turn *turn, const char *entry, const char *absent)
{
	return dgen__turn_string(turn, &in_state, entry, absent);
}

const char *
dgen_turn_scan(dgen_turn *turn, const char *prefix, const char **entry, size_t *length)
{
	if (!readable(turn, prefix))
		return NULL;
	if (entry == NULL)
	{
		(void) dgen__turn_stick(turn, dgen__fail(&turn->error, DGEN_EINVAL,
												 "the place for name of entry must not be NULL"));
		return NULL;
	}
	return dgen__state_scan(turn->state, prefix, entry, length);
}

/* Not put together again before a change, so that the first text stays where it is. */
const char *
dgen_turn_state(dgen_turn *turn, size_t *length)
{
	if (dgen__turn_ready(turn) != 0)
		return NULL;
	if (turn->whole.length == 0 &&
		dgen__turn_stick(turn, dgen__state_json(turn->state, &turn->whole)) != 0)
		return NULL;
	if (length != NULL)
		*length = turn->whole.length;
	return turn->whole.data;
}

/* ---- changing ---- */

/* May the state be changed, and is this the name of an entry that the server can store? */
static int
check_change(dgen_turn *turn, const char *entry)
{
	int rc = dgen__turn_has_state(turn);

	if (rc != 0)
		return rc;
	if (turn->destroyed)
		rc = dgen__fail(&turn->error, DGEN_ESTATE,
						"the turn destroyed the actor's state before it changes it");
	else if (entry == NULL || *entry != '\0')
		rc = dgen__check_text(&turn->error, "the name of an entry", entry, DGEN__MAX_JSON_BYTES);
	return dgen__turn_stick(turn, rc);
}

/* The value is valid. */
static int
put_entry(dgen_turn *turn, const char *entry, const char *json, size_t length)
{
	dgen__buffer_clear(&turn->whole);
	return dgen__turn_stick(turn, dgen__state_set(turn->state, entry, json, length));
}

int
dgen_turn_set(dgen_turn *turn, const char *entry, const char *json, size_t length)
{
	int rc = check_change(turn, entry);

	if (rc == 0)
		rc = dgen__turn_stick(turn, dgen__check_json(&turn->error, "entry", json, &length));
	if (rc != 0)
		return rc;
	dgen__json_trim(&json, &length);
	return put_entry(turn, entry, json, length);
}

int
dgen_turn_set_int64(dgen_turn *turn, const char *entry, int64_t number)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRId64, number);
	int rc = check_change(turn, entry);

	return rc != 0 ? rc : put_entry(turn, entry, text, (size_t) length);
}

int
dgen_turn_set_double(dgen_turn *turn, const char *entry, double number)
{
	int rc = check_change(turn, entry);

	if (rc == 0)
		rc = dgen__turn_write_double(turn, number);
	return rc != 0 ? rc : put_entry(turn, entry, turn->scratch.data, turn->scratch.length);
}

int
dgen_turn_set_bool(dgen_turn *turn, const char *entry, bool truth)
{
	int rc = check_change(turn, entry);

	return rc != 0 ? rc : put_entry(turn, entry, truth ? "true" : "false", truth ? 4 : 5);
}

int
dgen_turn_set_string(dgen_turn *turn, const char *entry, const char *text)
{
	int rc = check_change(turn, entry);

	if (rc == 0)
		rc = dgen__turn_write_string(turn, text);
	return rc != 0 ? rc : put_entry(turn, entry, turn->scratch.data, turn->scratch.length);
}

int
dgen_turn_delete(dgen_turn *turn, const char *entry)
{
	int rc = check_change(turn, entry);

	if (rc != 0)
		return rc;
	dgen__buffer_clear(&turn->whole);
	return dgen__turn_stick(turn, dgen__state_delete(turn->state, entry));
}

/* json can be what dgen_turn_state returned: state.c has copied it before that is forgotten. */
int
dgen_turn_set_state(dgen_turn *turn, const char *json, size_t length)
{
	int rc = check_change(turn, "");

	if (rc == 0)
		rc = dgen__turn_stick(turn, dgen__check_object(&turn->error, "state", json, &length));
	if (rc != 0)
		return rc;
	rc = dgen__turn_stick(turn, dgen__state_replace(turn->state, json, length));
	dgen__buffer_clear(&turn->whole);
	return rc;
}
