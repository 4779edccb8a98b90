/*
 * Arguments that are refused before anything goes to the server.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/sqlstate.h"
#include "base/utf8.h"
#include "json/check.h"
#include "json/json.h"

int
dgen__check_text(dgen__error *error, const char *what, const char *text, size_t max)
{
	size_t length;

	if (text == NULL)
		return dgen__fail(error, DGEN_EINVAL, "%s must not be NULL", what);
	length = strlen(text);
	if (length == 0 || length > max)
		return dgen__fail(error, DGEN_EINVAL, "%s must have 1 to %zu bytes, not %zu", what, max,
						  length);
	if (!dgen__utf8_valid(text, length))
		return dgen__fail(error, DGEN_EINVAL, "%s is not valid UTF-8: \"%s\"", what, text);
	return 0;
}

int
dgen__check_actor(dgen__error *error, const char *type, const char *key)
{
	int rc = dgen__check_text(error, "actor type", type, DGEN__MAX_TYPE_BYTES);

	if (rc == 0)
		rc = dgen__check_text(error, "actor key", key, DGEN__MAX_KEY_BYTES);
	return rc;
}

/* Says what is wrong with JSON that is not to be sent. */
static int
refuse_json(dgen__error *error, const char *what, const char *json, size_t length, size_t wrong)
{
	if (dgen_json_check(json, length) == 0)
		return dgen__fail_hint(
			error, DGEN_EJSON, "jsonb can hold neither \\u0000 nor numbers beyond numeric.",
			"%s has something at byte %zu that the server cannot store", what, wrong + 1);
	if (!dgen__utf8_valid(json, length))
		return dgen__fail(error, DGEN_EJSON, "%s is not valid UTF-8", what);
	return dgen__fail(error, DGEN_EJSON, "%s is not valid JSON at byte %zu", what, wrong + 1);
}

int
dgen__check_json(dgen__error *error, const char *what, const char *json, size_t *length)
{
	size_t wrong;

	if (json == NULL)
		return dgen__fail(error, DGEN_EINVAL, "%s must not be NULL", what);
	if (*length == DGEN_STRLEN)
		*length = strlen(json);
	if (*length > DGEN__MAX_JSON_BYTES)
		return dgen__fail(error, DGEN_EINVAL, "%s has %zu bytes, more than %d", what, *length,
						  DGEN__MAX_JSON_BYTES);
	if (dgen__json_storable(json, *length, &wrong))
		return 0;
	return refuse_json(error, what, json, *length, wrong);
}

int
dgen__check_object(dgen__error *error, const char *what, const char *json, size_t *length)
{
	dgen__json_walk walk;
	int rc = dgen__check_json(error, what, json, length);

	if (rc == 0 && dgen__json_walk_begin(&walk, json, *length, '{') != 0)
		rc = dgen__fail(error, DGEN_EINVAL, "%s is not a JSON object", what);
	return rc;
}

/* No struct ever gets that large: more is what was in the memory of one that was not initialised. */
#define MOST_STRUCT_BYTES 4096

static bool
is_zero(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

int
dgen__check_struct(dgen__error *error, const char *name, const void *given, void *copy, size_t size)
{
	size_t has;

	memset(copy, 0, size);
	memcpy(&has, given, sizeof(has));
	if (has < sizeof(has) || has > MOST_STRUCT_BYTES)
		return dgen__fail_hint(error, DGEN_EINVAL,
							   "Initialise it with the struct's INIT macro, or size = sizeof.",
							   "the size of %s is %zu", name, has);
	memcpy(copy, given, has < size ? has : size);
	if (has > size && !is_zero((const char *) given + size, has - size))
		return dgen__fail_hint(
			error, DGEN_EINVAL,
			"Use the libdgen that the program was compiled for, or a newer one.",
			"%s has %zu bytes, and something is set beyond the %zu that libdgen %s knows", name,
			has, size, DGEN_VERSION_STRING);
	memcpy(copy, &size, sizeof(size));
	return 0;
}

static int
check_values(dgen__error *error, const dgen_send_options *options)
{
	size_t length = DGEN_STRLEN;
	int rc = 0;

	if (options->delay_ms < 0 || options->delay_ms > DGEN__MAX_DELAY_MS)
		return dgen__fail(error, DGEN_EINVAL,
						  "delay_ms must be between 0 and %" PRId64 ", not %" PRId64,
						  DGEN__MAX_DELAY_MS, options->delay_ms);
	if (options->priority < INT16_MIN || options->priority > INT16_MAX)
		return dgen__fail(error, DGEN_EINVAL, "priority must be between %d and %d, not %d",
						  INT16_MIN, INT16_MAX, options->priority);
	if (options->idempotency_key != NULL)
		rc = dgen__check_text(error, "idempotency key", options->idempotency_key,
							  DGEN__MAX_KEY_BYTES);
	if (rc == 0 && options->headers != NULL)
		rc = dgen__check_object(error, "headers", options->headers, &length);
	return rc;
}

int
dgen__check_send_options(dgen__error *error, const dgen_send_options *options,
						 dgen_send_options *copy)
{
	static const dgen_send_options defaults = DGEN_SEND_OPTIONS_INIT;
	int rc = dgen__check_struct(error, "dgen_send_options", options != NULL ? options : &defaults,
								copy, sizeof(*copy));

	return rc != 0 ? rc : check_values(error, copy);
}

bool
dgen__sqlstate_valid(const char *sqlstate)
{
	return strlen(sqlstate) == 5 && strspn(sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
		   strncmp(sqlstate, DGEN__CLASS_SUCCESS, 2) != 0;
}
