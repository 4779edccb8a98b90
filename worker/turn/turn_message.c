/*
 * What a turn has received: the actor and the message.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "json/json.h"
#include "turn/in_turn.h"
#include "turn/turn.h"

/* ---- who and what ---- */

const char *
dgen_turn_actor_type(const dgen_turn *turn)
{
	return turn != NULL ? turn->type->name : "";
}

const char *
dgen_turn_actor_key(const dgen_turn *turn)
{
	return turn != NULL ? turn->key : "";
}

const char *
dgen_turn_kind(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->kind : "";
}

int64_t
dgen_turn_message_id(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->id : 0;
}

int
dgen_turn_attempt(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->attempt : 0;
}

int64_t
dgen_turn_version(const dgen_turn *turn)
{
	return turn != NULL ? turn->version : 0;
}

const char *
dgen_turn_headers(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->headers : NULL;
}

int64_t
dgen_turn_in_reply_to(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->in_reply_to : 0;
}

const char *
dgen_turn_correlation(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->correlation : NULL;
}

const char *
dgen_turn_reply_error(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->error : NULL;
}

const char *
dgen_turn_reply_sqlstate(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->sqlstate : NULL;
}

const char *
dgen_turn_token(const dgen_turn *turn)
{
	return turn != NULL ? turn->message->token : NULL;
}

/* ---- values as their types, for the message and entries ---- */

/* Quotes the value, unless it is long. `what` and `name` say where it was found. */
static void
wrong_type(dgen_turn *turn, const char *what, const char *name, const char *wanted,
		   const dgen_json *value)
{
	const char *more = "";
	int length = (int) value->length;

	if (value->length > 60)
	{
		length = 60;
		more = "...";
	}
	(void) dgen__fail(&turn->error, DGEN_ETYPE, "%s \"%s\" is not %s: %.*s%s", what, name, wanted,
					  length, value->text, more);
	(void) dgen__turn_stick(turn, DGEN_ETYPE);
}

int64_t
dgen__turn_int64(dgen_turn *turn, const dgen__source *source, const char *name, int64_t absent)
{
	dgen_json value;
	int64_t number;

	if (!source->find(turn, name, &value))
		return absent;
	if (dgen_json_int64(&value, &number) == 0)
		return number;
	wrong_type(turn, source->what, name, "an integer of 64 bits", &value);
	return absent;
}

double
dgen__turn_double(dgen_turn *turn, const dgen__source *source, const char *name, double absent)
{
	dgen_json value;
	double number;

	if (!source->find(turn, name, &value))
		return absent;
	if (dgen_json_double(&value, &number) == 0)
		return number;
	wrong_type(turn, source->what, name, "a number that fits a double", &value);
	return absent;
}

bool
dgen__turn_bool(dgen_turn *turn, const dgen__source *source, const char *name, bool absent)
{
	dgen_json value;
	bool truth;

	if (!source->find(turn, name, &value))
		return absent;
	if (dgen_json_bool(&value, &truth) == 0)
		return truth;
	wrong_type(turn, source->what, name, "true or false", &value);
	return absent;
}

const char *
dgen__turn_string(dgen_turn *turn, const dgen__source *source, const char *name, const char *absent)
{
	dgen_json value;
	dgen__turn_text *text;
	long length;

	if (!source->find(turn, name, &value))
		return absent;
	length = dgen_json_string(&value, NULL, 0);
	if (length < 0)
	{
		wrong_type(turn, source->what, name, "a string", &value);
		return absent;
	}
	text = dgen__malloc(sizeof(*text) + (size_t) length + 1);
	if (text == NULL)
	{
		(void) dgen__turn_stick(turn, DGEN_ENOMEM);
		return absent;
	}
	(void) dgen_json_string(&value, text->text, (size_t) length + 1);
	text->next = turn->texts;
	turn->texts = text;
	return text->text;
}

/* ---- members of the message ---- */

static bool
find_in_message(dgen_turn *turn, const char *pointer, dgen_json *value)
{
	const dgen__message *message;
	int rc;

	if (dgen__turn_ready(turn) != 0)
		return false;
	message = turn->message;
	if (message->message == NULL)
		rc = dgen_json_find("null", 4, pointer, value);
	else
		rc = dgen_json_find(message->message, message->length, pointer, value);
	if (rc == DGEN_EINVAL)
		(void) dgen__fail(&turn->error, rc, "not a JSON pointer: \"%s\"",
						  pointer != NULL ? pointer : "(null)");
	else if (rc == DGEN_EJSON)
		(void) dgen__fail(&turn->error, rc, "the message has more than %d levels",
						  DGEN__JSON_DEPTH);
	if (rc != DGEN_ENOTFOUND)
		(void) dgen__turn_stick(turn, rc);
	return rc == 0;
}

static const dgen__source in_message = {"message", find_in_message};

int64_t
dgen_turn_arg_int64(dgen_turn *turn, const char *pointer, int64_t absent)
{
	return dgen__turn_int64(turn, &in_message, pointer, absent);
}

double
dgen_turn_arg_double(dgen_turn *turn, const char *pointer, double absent)
{
	return dgen__turn_double(turn, &in_message, pointer, absent);
}

bool
dgen_turn_arg_bool(dgen_turn *turn, const char *pointer, bool absent)
{
	return dgen__turn_bool(turn, &in_message, pointer, absent);
}

const char *
dgen_turn_arg_string(dgen_turn *turn, const char *pointer, const char *absent)
{
	return dgen__turn_string(turn, &in_message, pointer, absent);
}
