/*
 * What a turn sends: replies, and messages to other actors. All of it goes into the
 * outbox of the batch.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/utf8.h"
#include "json/check.h"
#include "json/json.h"
#include "server/send.h"
#include "turn/in_turn.h"
#include "turn/outbox.h"
#include "turn/turn.h"

/* ---- values as JSON in turn->scratch ---- */

/* After writing. */
static int
written(dgen_turn *turn)
{
	return dgen__turn_stick(turn, turn->scratch.failed ? DGEN_ENOMEM : 0);
}

int
dgen__turn_write_double(dgen_turn *turn, double number)
{
	dgen__buffer_clear(&turn->scratch);
	if (!dgen__json_add_double(&turn->scratch, number))
		return dgen__turn_stick(
			turn, dgen__fail(&turn->error, DGEN_EINVAL, "%g is no number in JSON", number));
	return written(turn);
}

int
dgen__turn_write_string(dgen_turn *turn, const char *text)
{
	size_t length;

	if (text == NULL)
		return dgen__turn_stick(turn,
								dgen__fail(&turn->error, DGEN_EINVAL, "a string must not be NULL"));
	length = strlen(text);
	if (length > DGEN__MAX_JSON_BYTES)
		return dgen__turn_stick(turn, dgen__fail(&turn->error, DGEN_EINVAL,
												 "a string has %zu bytes, more than %d", length,
												 DGEN__MAX_JSON_BYTES));
	if (!dgen__utf8_valid(text, length))
		return dgen__turn_stick(
			turn, dgen__fail(&turn->error, DGEN_EINVAL, "a string is not valid UTF-8"));
	dgen__buffer_clear(&turn->scratch);
	dgen__json_add_string(&turn->scratch, text, length);
	return written(turn);
}

/* ---- replies ---- */

/* Once in a turn. */
static int
begin_answer(dgen_turn *turn)
{
	if (turn->answered)
		return dgen__turn_stick(turn,
								dgen__fail_hint(&turn->error, DGEN_ESTATE, "Reply once in a turn.",
												"the turn has replied already"));
	if (turn->locks)
		return dgen__turn_stick(turn, dgen__fail_hint(&turn->error, DGEN_ESTATE,
													  "Reply in handle_locked.",
													  "the turn has locked its actor"));
	turn->answered = true;
	return 0;
}

static bool
is_own_call(const dgen_turn *turn, int64_t request)
{
	return request == turn->message->id &&
		   (strcmp(turn->message->kind, "call") == 0 || dgen__turn_is_locked(turn));
}

/* The JSON is valid. Only a call has a caller, or the message that locked the actor, and an action its actor. */
static int
answer(dgen_turn *turn, const char *json, size_t length)
{
	int64_t id = turn->message->id;
	int rc = begin_answer(turn);

	if (rc != 0 || !(is_own_call(turn, id) || dgen__message_is_action(turn->message)))
		return rc;
	return dgen__turn_stick(turn, dgen__outbox_reply(turn->outbox, id, json, length));
}

int
dgen_turn_reply(dgen_turn *turn, const char *json, size_t length)
{
	int rc = dgen__turn_ready(turn);

	if (rc == 0 && json == NULL)
		return answer(turn, "null", 4);
	if (rc == 0)
		rc = dgen__turn_stick(turn, dgen__check_json(&turn->error, "reply", json, &length));
	return rc != 0 ? rc : answer(turn, json, length);
}

int
dgen_turn_reply_int64(dgen_turn *turn, int64_t number)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRId64, number);
	int rc = dgen__turn_ready(turn);

	return rc != 0 ? rc : answer(turn, text, (size_t) length);
}

int
dgen_turn_reply_double(dgen_turn *turn, double number)
{
	int rc = dgen__turn_ready(turn);

	if (rc == 0)
		rc = dgen__turn_write_double(turn, number);
	return rc != 0 ? rc : answer(turn, turn->scratch.data, turn->scratch.length);
}

int
dgen_turn_reply_bool(dgen_turn *turn, bool truth)
{
	int rc = dgen__turn_ready(turn);

	return rc != 0 ? rc : answer(turn, truth ? "true" : "false", truth ? 4 : 5);
}

int
dgen_turn_reply_string(dgen_turn *turn, const char *text)
{
	int rc = dgen__turn_ready(turn);

	if (rc == 0)
		rc = dgen__turn_write_string(turn, text);
	return rc != 0 ? rc : answer(turn, turn->scratch.data, turn->scratch.length);
}

static int
check_request(dgen_turn *turn, int64_t request)
{
	return request > 0 ? 0 : dgen__fail(&turn->error, DGEN_EINVAL, "request is %" PRId64, request);
}

int
dgen_turn_send_reply(dgen_turn *turn, int64_t request, const char *json, size_t length)
{
	int rc = dgen__turn_ready(turn);

	if (rc != 0)
		return rc;
	rc = check_request(turn, request);
	if (rc == 0 && json != NULL)
		rc = dgen__check_json(&turn->error, "reply", json, &length);
	if (rc != 0)
		return dgen__turn_stick(turn, rc);
	if (json == NULL)
	{
		json = "null";
		length = 4;
	}
	if (is_own_call(turn, request))
		return answer(turn, json, length);
	return dgen__turn_stick(turn, dgen__outbox_reply(turn->outbox, request, json, length));
}

int
dgen_turn_fail_request(dgen_turn *turn, int64_t request, const char *error, const char *sqlstate)
{
	int rc = dgen__turn_ready(turn);

	if (rc == 0)
		rc = dgen__turn_stick(turn, check_request(turn, request));
	if (rc == 0 && is_own_call(turn, request))
		rc = begin_answer(turn);
	if (rc != 0)
		return rc;
	return dgen__turn_stick(turn,
							dgen__outbox_fail(turn->outbox, request, dgen__turn_error_text(error),
											  dgen__turn_sqlstate(sqlstate, DGEN__FAIL_SQLSTATE)));
}

/* ---- messages ---- */

static int
check_send(dgen__error *error, const dgen__send *send, size_t *length,
		   const dgen_send_options *options, dgen_send_options *copy)
{
	int rc = dgen__check_actor(error, send->type, send->key);

	if (rc == 0)
		rc = dgen__check_json(error, "message", send->message, length);
	if (rc == 0 && send->correlation != NULL && *send->correlation != '\0')
		rc = dgen__check_text(error, "correlation", send->correlation, DGEN__MAX_JSON_BYTES);
	if (rc == 0)
		rc = dgen__check_send_options(error, options, copy);
	return rc;
}

/* The message has a length and need not end there: the outbox takes NUL-terminated texts. */
static int
put_in_outbox(dgen_turn *turn, dgen__send *send, size_t length, const dgen_send_options *options)
{
	dgen_send_options copy;
	int rc = dgen__turn_ready(turn);

	if (rc != 0)
		return rc;
	send->actor = turn->actor;
	if (send->message == NULL)
	{
		send->message = "null";
		length = 4;
	}
	rc = check_send(&turn->error, send, &length, options, &copy);
	if (rc != 0)
		return dgen__turn_stick(turn, rc);
	send->idempotency_key = copy.idempotency_key;
	send->headers = copy.headers;
	send->delay_ms = copy.delay_ms;
	send->priority = copy.priority;
	return dgen__turn_stick(turn, dgen__outbox_send(turn->outbox, send, length));
}

int
dgen_turn_cast(dgen_turn *turn, const char *type, const char *key, const char *message,
			   size_t length, const dgen_send_options *options)
{
	dgen__send send = {.type = type, .key = key, .message = message};

	return put_in_outbox(turn, &send, length, options);
}

int
dgen_turn_request(dgen_turn *turn, const char *type, const char *key, const char *message,
				  size_t length, const char *correlation, const dgen_send_options *options)
{
	dgen__send send = {
		.type = type, .key = key, .message = message, .correlation = correlation, .request = true};

	return put_in_outbox(turn, &send, length, options);
}

static int
check_action(dgen_turn *turn, const char *action, const dgen_send_options *options)
{
	int rc = dgen__check_text(&turn->error, "name of an action", action, DGEN__MAX_TYPE_BYTES);
	dgen_send_options copy;

	if (rc == 0 && turn->type->handle_action == NULL)
		return dgen__fail_hint(&turn->error, DGEN_ESTATE,
							   "Set it in the dgen_actor_type that is registered.",
							   "actor type \"%s\" has no handle_action", turn->type->name);
	if (rc == 0)
		rc = dgen__check_send_options(&turn->error, options, &copy);
	if (rc == 0 && (copy.priority != 0 || copy.idempotency_key != NULL))
		rc = dgen__fail_hint(
			&turn->error, DGEN_EINVAL,
			"An action is stored once, with its turn, and has no order. Leave both out.",
			"an action has a priority or an idempotency key");
	return rc;
}

int
dgen_turn_act(dgen_turn *turn, const char *action, const char *message, size_t length,
			  const dgen_send_options *options)
{
	dgen__send send = {.message = message, .correlation = action, .action = true};
	int rc = dgen__turn_ready(turn);

	if (rc != 0)
		return rc;
	rc = dgen__turn_stick(turn, check_action(turn, action, options));
	if (rc != 0)
		return rc;
	send.type = turn->type->name;
	send.key = turn->key;
	return put_in_outbox(turn, &send, length, options);
}
