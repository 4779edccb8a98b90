/*
 * The text that readers and views show in place of a value that cannot be sent to the client of
 * this session.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "actor/in_hand.h"
#include "base/client_row.h"
#include "base/client_text.h"
#include "operate/operate.h"

PG_FUNCTION_INFO_V1(dgen_show_jsonb);
PG_FUNCTION_INFO_V1(dgen_show_text);

static Datum
json_string(const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = pstrdup(text);
	value.val.string.len = strlen(text);
	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

/*
 * What stands in place of a value that a reader cannot be sent; NULL: it can be. A handler is no
 * client, whichever role has called it.
 */
static char *
placeholder(const char *what, Datum value, bool json, bool any_encoding)
{
	ClientText client;
	Unsendable why;
	ClientRow row = {0};

	if (dgen_in_handler())
		return NULL;
	dgen_client_text_begin(&client);
	if (any_encoding)
		client.checks = false;
	dgen_client_row_add(&row, what, value, json);
	if (dgen_client_row_fits(&client, &row, DGEN_MOST_SHOWN, &why))
		return NULL;
	return psprintf("(%s)", why.error);
}

/* For programs in the database, too: only what no client can be sent is replaced. */
Datum
dgen_show_state(Datum state)
{
	char *shown = placeholder("state", state, true, true);

	return shown == NULL ? state : json_string(shown);
}

Datum
dgen_show_key(text *key)
{
	char *shown = placeholder("actor key", PointerGetDatum(key), false, false);

	return shown == NULL ? PointerGetDatum(key) : CStringGetTextDatum(shown);
}

Datum
dgen_show_jsonb(PG_FUNCTION_ARGS)
{
	char *shown = placeholder(PG_GETARG_CSTRING(1), PG_GETARG_DATUM(0), true, false);

	PG_RETURN_DATUM(shown == NULL ? PG_GETARG_DATUM(0) : json_string(shown));
}

Datum
dgen_show_text(PG_FUNCTION_ARGS)
{
	char *shown = placeholder(PG_GETARG_CSTRING(1), PG_GETARG_DATUM(0), false, false);

	PG_RETURN_DATUM(shown == NULL ? PG_GETARG_DATUM(0) : CStringGetTextDatum(shown));
}
