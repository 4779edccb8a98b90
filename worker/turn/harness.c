/*
 * Runs callbacks without a database: dgen_test keeps the state between turns, and says
 * what the last turn did.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "json/check.h"
#include "json/json.h"
#include "server/send.h"
#include "server/sql.h"
#include "turn/in_turn.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"

struct dgen_test
{
	dgen_actor_type type;
	char *name; /* memory of type.name, and so on */
	char *key;
	char *initial_state;

	dgen__state *state; /* NULL: it could not be made; the error says why */
	int64_t version;
	int64_t last_id;
	int broken; /* why nothing can run; 0: it can */

	dgen__error error; /* of the last turn, or of what made it broken */
	dgen__buffer state_json;
	dgen__buffer outcome;
};

/* ---- open, close ---- */

static int
fail_memory(dgen_test *test)
{
	dgen__error_free(&test->error);
	test->error.code = DGEN_ENOMEM;
	return DGEN_ENOMEM;
}

/* The state that a new actor has, or the one given. */
static int
set_state(dgen_test *test, const char *json)
{
	int rc = dgen__state_parse(&test->state, json, strlen(json));

	return rc == 0 ? 0 : fail_memory(test);
}

static int
copy_type(dgen_test *test, const dgen_actor_type *type)
{
	const char *initial;
	size_t length = DGEN_STRLEN;
	int rc;

	if (type == NULL)
		return dgen__fail(&test->error, DGEN_EINVAL, "actor type must not be NULL");
	rc = dgen__check_struct(&test->error, "dgen_actor_type", type, &test->type, sizeof(test->type));
	if (rc != 0)
		return rc;
	initial = test->type.initial_state != NULL ? test->type.initial_state : "{}";
	rc = dgen__check_object(&test->error, "initial state", initial, &length);
	if (rc != 0)
		return rc;
	test->initial_state = dgen__strdup(initial);
	test->name = test->type.name != NULL ? dgen__strdup(test->type.name) : NULL;
	if (test->initial_state == NULL || (test->name == NULL && test->type.name != NULL))
		return fail_memory(test);
	test->type.name = test->name;
	test->type.initial_state = test->initial_state;
	return 0;
}

static int
fill(dgen_test *test, const dgen_actor_type *type, const char *key, const char *state)
{
	size_t length = DGEN_STRLEN;
	int rc = copy_type(test, type);

	if (rc == 0)
		rc = dgen__check_actor(&test->error, test->type.name, key);
	if (rc == 0 && state != NULL)
		rc = dgen__check_object(&test->error, "state", state, &length);
	if (rc != 0)
		return rc;
	test->key = dgen__strdup(key);
	if (test->key == NULL)
		return fail_memory(test);
	test->version = state != NULL ? 1 : 0;
	return set_state(test, state != NULL ? state : test->initial_state);
}

int
dgen_test_open(dgen_test **test, const dgen_actor_type *type, const char *key, const char *state)
{
	if (test == NULL)
		return DGEN_EINVAL;
	*test = dgen__calloc(1, sizeof(dgen_test));
	if (*test == NULL)
		return DGEN_ENOMEM;
	(*test)->broken = fill(*test, type, key, state);
	return (*test)->broken;
}

void
dgen_test_close(dgen_test *test)
{
	if (test == NULL)
		return;
	dgen__state_free(test->state);
	dgen__error_free(&test->error);
	dgen__buffer_free(&test->state_json);
	dgen__buffer_free(&test->outcome);
	dgen__free(test->name);
	dgen__free(test->key);
	dgen__free(test->initial_state);
	dgen__free(test);
}

/* ---- the outcome as JSON ---- */

static void
add_text(dgen__buffer *json, const char *name, const char *text)
{
	if (text == NULL)
		return;
	dgen__buffer_printf(json, ", \"%s\": ", name);
	dgen__json_add_string(json, text, strlen(text));
}

static void
add_json(dgen__buffer *json, const char *name, const char *value)
{
	if (value != NULL)
		dgen__buffer_printf(json, ", \"%s\": %s", name, value);
}

static void
add_send(dgen__buffer *json, const dgen__send *send)
{
	const char *kind = send->action ? DGEN__ACTION : send->request ? "request" : "cast";

	dgen__buffer_printf(json, "{\"kind\": \"%s\"", kind);
	add_text(json, "type", send->type);
	add_text(json, "key", send->key);
	add_json(json, "message", send->message);
	add_text(json, "correlation", send->correlation);
	if (send->delay_ms != 0)
		dgen__buffer_printf(json, ", \"delay_ms\": %" PRId64, send->delay_ms);
	if (send->priority != 0)
		dgen__buffer_printf(json, ", \"priority\": %d", send->priority);
	add_text(json, "idempotency_key", send->idempotency_key);
	add_json(json, "headers", send->headers);
	dgen__buffer_puts(json, "}");
}

static void
add_sends(dgen__buffer *json, const dgen__outbox *outbox)
{
	dgen__buffer_puts(json, ", \"sends\": [");
	for (size_t i = 0; i < outbox->nsends; i++)
	{
		dgen__buffer_puts(json, i > 0 ? ", " : "");
		add_send(json, &outbox->sends[i]);
	}
	dgen__buffer_puts(json, "]");
}

static void
add_answer(dgen__buffer *json, const dgen__reply *reply)
{
	dgen__buffer_printf(json, "{\"request\": %" PRId64, reply->request);
	add_json(json, "reply", reply->reply);
	add_text(json, "error", reply->error);
	if (reply->error != NULL)
		add_text(json, "sqlstate", reply->sqlstate);
	dgen__buffer_puts(json, "}");
}

/* The reply to the call of this turn, and those to calls that earlier turns left open; all that fail. */
static void
add_replies(dgen__buffer *json, const dgen__outbox *outbox, int64_t id)
{
	size_t others = 0;

	for (size_t i = 0; i < outbox->nreplies; i++)
		if (outbox->replies[i].request == id)
			add_json(json, "reply", outbox->replies[i].reply);
	for (size_t i = 0; i < outbox->nreplies; i++)
	{
		const dgen__reply *reply = &outbox->replies[i];

		if (reply->request == id && reply->error == NULL)
			continue;
		dgen__buffer_puts(json, others++ == 0 ? ", \"replies\": [" : ", ");
		add_answer(json, reply);
	}
	if (others > 0)
		dgen__buffer_puts(json, "]");
}

static void
add_error(dgen__buffer *json, const dgen__turn_result *result)
{
	static const char *const ends[] = {
		[DGEN__COMMIT] = "commit",
		[DGEN__ERROR] = "error",
		[DGEN__FAIL] = "fail",
		[DGEN__RETRY] = "retry",
	};

	if (result->outcome == DGEN__COMMIT)
		return;
	add_text(json, "end", ends[result->outcome]);
	if (result->outcome == DGEN__RETRY)
		dgen__buffer_printf(json, ", \"delay_ms\": %" PRId64, result->delay_ms);
	add_text(json, "error", dgen__error_text(&result->error));
	if (result->error.sqlstate[0] != '\0')
		add_text(json, "sqlstate", result->error.sqlstate);
}

static void
add_changes(dgen__buffer *json, dgen__state *state)
{
	dgen__buffer set = {0};
	dgen__buffer deleted = {0};

	(void) dgen__state_diff(state, &set, &deleted);
	json->failed = json->failed || set.failed || deleted.failed;
	add_json(json, "set", set.data != NULL ? set.data : "{}");
	add_json(json, "deleted", deleted.data != NULL ? deleted.data : "[]");
	dgen__buffer_free(&set);
	dgen__buffer_free(&deleted);
}

static void
write_outcome(dgen_test *test, const dgen__outbox *outbox, const dgen__turn_result *result,
			  int64_t id)
{
	dgen__buffer *json = &test->outcome;

	dgen__buffer_clear(json);
	dgen__buffer_printf(json, "{\"committed\": %s",
						result->outcome == DGEN__COMMIT ? "true" : "false");
	add_changes(json, test->state);
	if (result->destroyed)
		dgen__buffer_puts(json, ", \"destroyed\": true");
	if (result->locks)
		dgen__buffer_puts(json, ", \"locks\": true");
	add_replies(json, outbox, id);
	add_sends(json, outbox);
	add_error(json, result);
	dgen__buffer_puts(json, "}");
}

/* ---- running ---- */

/* The state is new, or what it is now counts as the server's. */
static void
settle_state(dgen_test *test, const dgen__turn_result *result)
{
	if (result->destroyed)
	{
		dgen__state_free(test->state);
		test->version = 0;
		test->broken = set_state(test, test->initial_state);
		return;
	}
	if (dgen__state_changed(test->state))
		test->version++;
	dgen__state_confirm(test->state);
}

static void
restore_state(dgen_test *test, dgen__state *state)
{
	dgen__state_free(test->state);
	test->state = state;
}

static int
run(dgen_test *test, dgen__message *message)
{
	dgen__outbox outbox = {0};
	dgen__turn_result result;
	dgen__state *kept = test->state;
	const bool action = dgen__message_is_action(message);

	if (action && dgen__state_parse(&test->state, "{}", 2) != 0)
	{
		test->state = kept;
		return fail_memory(test);
	}
	message->id = ++test->last_id;
	message->attempt = 1;
	if (strcmp(message->kind, DGEN__KIND_LOCKED) == 0)
		message->token = "token";
	dgen__turn_run(&test->type, test->key, action ? 0 : test->version, 1, test->state, &outbox,
				   message, NULL, &result);
	dgen__error_free(&test->error);
	write_outcome(test, &outbox, &result, message->id);
	test->error = result.error;
	if (action)
		restore_state(test, kept);
	else
		settle_state(test, &result);
	dgen__outbox_finish(&outbox, result.outcome == DGEN__COMMIT);
	return test->broken != 0 ? test->broken : test->error.code;
}

static int
check_kind(dgen__error *error, const char *kind)
{
	static const char *const kinds[] = {"cast",        "call",       "reply",          "timer",
										"dead_letter", DGEN__ACTION, DGEN__KIND_LOCKED};

	for (size_t i = 0; kind != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return 0;
	return dgen__fail_hint(
		error, DGEN_EINVAL,
		"A message is a cast, a call, a reply, a timer, a dead_letter or an action; "
		"locked is what comes after dgen_turn_lock.",
		"kind is \"%s\"", kind != NULL ? kind : "(null)");
}

/* Runs nothing if the message is not one. */
static int
run_checked(dgen_test *test, dgen__message *message)
{
	int rc;

	if (test == NULL)
		return DGEN_EINVAL;
	if (test->broken != 0)
		return test->broken;
	if (message->message == NULL)
		message->message = "null";
	message->length = DGEN_STRLEN;
	rc = check_kind(&test->error, message->kind);
	if (rc == 0)
		rc = dgen__check_json(&test->error, "message", message->message, &message->length);
	return rc != 0 ? rc : run(test, message);
}

int
dgen_test_run(dgen_test *test, const char *kind, const char *message)
{
	dgen__message all = {.kind = kind, .message = message};

	return run_checked(test, &all);
}

int
dgen_test_run_reply(dgen_test *test, const char *correlation, const char *message,
					const char *error)
{
	dgen__message all = {
		.kind = "reply",
		.message = error == NULL ? message : NULL,
		.in_reply_to = 1,
		.correlation = correlation,
		.error = error,
		.sqlstate = error != NULL ? DGEN__FAIL_SQLSTATE : NULL,
	};

	return run_checked(test, &all);
}

int
dgen_test_run_dead_letter(dgen_test *test, const char *message, const char *error,
						  const char *sqlstate)
{
	dgen__message all = {
		.kind = "dead_letter",
		.message = message,
		.in_reply_to = 1,
		.error = dgen__turn_error_text(error),
		.sqlstate = dgen__turn_sqlstate(sqlstate, DGEN__FAIL_SQLSTATE),
	};

	return run_checked(test, &all);
}

int
dgen_test_run_action(dgen_test *test, const char *action, const char *message)
{
	dgen__message all = {.kind = DGEN__ACTION, .message = message, .correlation = action};

	return run_checked(test, &all);
}

/* ---- what it came to ---- */

const char *
dgen_test_state(dgen_test *test)
{
	if (test == NULL || test->state == NULL)
		return "";
	dgen__buffer_clear(&test->state_json);
	return dgen__state_json(test->state, &test->state_json) == 0 ? test->state_json.data : "";
}

const char *
dgen_test_outcome(dgen_test *test)
{
	return test == NULL || test->outcome.failed || test->outcome.data == NULL ? ""
																			  : test->outcome.data;
}

const char *
dgen_test_error(dgen_test *test)
{
	return test != NULL ? dgen__error_text(&test->error) : "";
}
