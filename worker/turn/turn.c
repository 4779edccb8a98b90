/*
 * A turn: runs the callback for one message, and decides how the turn ends. Errors
 * stick: the first one decides, unless the callback chooses another end.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "json/check.h"
#include "server/sql.h"
#include "turn/in_turn.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"

/* ---- errors ---- */

int
dgen_turn_error(const dgen_turn *turn)
{
	return dgen__turn_ready(turn);
}

/* ---- locking ---- */

static int
refuse_lock(dgen_turn *turn, const char *hint, const char *why)
{
	return dgen__turn_stick(
		turn, dgen__fail_hint(&turn->error, DGEN_ESTATE, hint, "a turn cannot lock: %s", why));
}

int
dgen_turn_lock(dgen_turn *turn)
{
	int rc = dgen__turn_has_state(turn);

	if (rc != 0)
		return rc;
	if (dgen__turn_is_locked(turn))
		return refuse_lock(turn, "Send a message to the actor itself, whose turn locks it.",
						   "this is the locked part");
	if (turn->type->handle_locked == NULL)
		return refuse_lock(turn, "Set it in the dgen_actor_type that is registered.",
						   "the actor type has no handle_locked");
	if (turn->answered || turn->destroyed)
		return refuse_lock(turn, "Reply or destroy in handle_locked.",
						   turn->answered ? "it has replied" : "it destroys the actor");
	turn->locks = true;
	return 0;
}

/* ---- other ends than committing ---- */

/* The first of fail, raise and retry counts, and more than an error before it. */
static bool
chosen(const dgen_turn *turn)
{
	return turn->ending != DGEN__COMMIT;
}

static int
end_with(dgen_turn *turn, dgen__outcome ending, const char *error, const char *sqlstate)
{
	if (chosen(turn))
		return DGEN_EFAILED;
	(void) dgen__fail(&turn->error, DGEN_EFAILED, "%s", dgen__turn_error_text(error));
	memcpy(turn->error.sqlstate, sqlstate, 6);
	turn->ending = ending;
	return dgen__turn_stick(turn, DGEN_EFAILED);
}

int
dgen_turn_fail(dgen_turn *turn, const char *error, const char *sqlstate)
{
	return turn == NULL ? DGEN_EINVAL
						: end_with(turn, DGEN__FAIL, error,
								   dgen__turn_sqlstate(sqlstate, DGEN__FAIL_SQLSTATE));
}

int
dgen_turn_raise(dgen_turn *turn, const char *error, const char *sqlstate)
{
	return turn == NULL ? DGEN_EINVAL
						: end_with(turn, DGEN__ERROR, error,
								   dgen__turn_sqlstate(sqlstate, DGEN__RAISE_SQLSTATE));
}

/* libpq returns NULL when memory is out, or the connection is no good. */
int
dgen_turn_raise_result(dgen_turn *turn, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	const char *why;

	if (turn == NULL)
		return DGEN_EINVAL;
	if (chosen(turn))
		return DGEN_EFAILED;
	why = PQerrorMessage(turn->connection);
	if (result == NULL)
		(void) dgen__fail(&turn->error, DGEN_EFAILED, "a statement has no result: %.*s",
						  (int) strcspn(why, "\n"), why);
	else if (status == PGRES_FATAL_ERROR || status == PGRES_NONFATAL_ERROR)
		(void) dgen__fail_result(&turn->error, result);
	else
		(void) dgen__fail(&turn->error, DGEN_EFAILED, "a statement returned unexpected %s",
						  PQresStatus(status));
	turn->error.code = DGEN_EFAILED;
	turn->ending = DGEN__ERROR;
	return dgen__turn_stick(turn, DGEN_EFAILED);
}

int
dgen_turn_retry(dgen_turn *turn, int64_t delay_ms)
{
	if (turn == NULL)
		return DGEN_EINVAL;
	if (chosen(turn))
		return DGEN_EFAILED;
	if (delay_ms < -1 || delay_ms > DGEN__MAX_DELAY_MS)
	{
		if (turn->stuck == 0)
			(void) dgen__fail(&turn->error, DGEN_EINVAL,
							  "delay_ms of a retry must be between -1 and %" PRId64
							  ", not %" PRId64,
							  DGEN__MAX_DELAY_MS, delay_ms);
		return dgen__turn_stick(turn, DGEN_EINVAL);
	}
	turn->ending = DGEN__RETRY;
	turn->delay_ms = delay_ms;
	(void) dgen__turn_stick(turn, DGEN_EFAILED);
	return DGEN_EFAILED;
}

int
dgen_turn_destroy(dgen_turn *turn)
{
	int rc = dgen__turn_has_state(turn);

	if (rc == 0 && turn->locks)
		rc = refuse_lock(turn, "Destroy in handle_locked.", "it destroys the actor");
	if (rc == 0)
		turn->destroyed = true;
	return rc;
}

/* ---- the connection ---- */

PGconn *
dgen_turn_connection(dgen_turn *turn)
{
	const dgen__connector *connector;

	if (dgen__turn_ready(turn) != 0)
		return NULL;
	if (turn->connection != NULL)
		return turn->connection;
	connector = turn->connector;
	if (connector == NULL)
	{
		(void) dgen__turn_stick(turn, dgen__fail(&turn->error, DGEN_ESTATE,
												 "a turn without a database has no connection"));
		return NULL;
	}
	turn->connection = connector->connection(connector->context, &turn->error);
	if (turn->connection == NULL)
		(void) dgen__turn_stick(turn, turn->error.code != 0 ? turn->error.code : DGEN_ECONNECT);
	return turn->connection;
}

int
dgen_turn_after_commit(dgen_turn *turn, void (*action)(void *data), void (*release)(void *data),
					   void *data)
{
	dgen__action new_action = {action, release, data};
	int rc = dgen__turn_ready(turn);

	if (rc == 0 && action == NULL)
		rc = dgen__turn_stick(
			turn, dgen__fail(&turn->error, DGEN_EINVAL, "name of action must not be NULL"));
	if (rc == 0)
		rc = dgen__turn_stick(turn, dgen__outbox_action(turn->outbox, &new_action));
	if (rc != 0 && release != NULL)
		release(data);
	return rc;
}

/* ---- running ---- */

/*
 * The callback for the message's kind, and its name. NULL with a name: the type lacks it;
 * without: the kind is unknown.
 */
static dgen_callback
callback_for(const dgen_actor_type *type, const char *kind, const char **name)
{
	dgen_callback callback = NULL;

	*name = "handle_cast";
	if (strcmp(kind, "call") == 0)
	{
		callback = type->handle_call;
		*name = callback != NULL ? "handle_call" : "handle_cast";
	}
	else if (strcmp(kind, "timer") == 0)
	{
		callback = type->handle_timer;
		*name = callback != NULL ? "handle_timer" : "handle_cast";
	}
	else if (strcmp(kind, "reply") == 0)
	{
		*name = "handle_reply";
		return type->handle_reply;
	}
	else if (strcmp(kind, DGEN__KIND_LOCKED) == 0)
	{
		*name = "handle_locked";
		return type->handle_locked;
	}
	else if (strcmp(kind, "dead_letter") == 0)
	{
		*name = "handle_dead_letter";
		return type->handle_dead_letter;
	}
	else if (strcmp(kind, DGEN__ACTION) == 0)
	{
		*name = "handle_action";
		return type->handle_action;
	}
	else if (strcmp(kind, "cast") != 0)
	{
		*name = NULL;
		return NULL;
	}
	return callback != NULL ? callback : type->handle_cast;
}

static void
run_callback(dgen_turn *turn, dgen_callback callback, const char *name)
{
	const dgen__message *message = turn->message;
	const char *text = message->message != NULL ? message->message : "null";
	size_t length = message->message != NULL ? message->length : 4;
	int rc = callback(turn, text, length, turn->type->user);

	if (rc == 0 || turn->stuck != 0)
		return;
	(void) dgen__turn_stick(
		turn,
		dgen__fail(&turn->error, rc < 0 ? rc : DGEN_EFAILED, "%s returned %d (%s)", name, rc,
				   rc < 0 ? dgen_strerror(rc) : "0 commits, a negative code fails the attempt"));
}

/* A reply or dead letter without a callback is discarded, and nothing runs for it. */
static bool
may_be_dropped(const char *kind)
{
	return strcmp(kind, "reply") == 0 || strcmp(kind, "dead_letter") == 0;
}

static void
run_callbacks(dgen_turn *turn)
{
	const dgen_actor_type *type = turn->type;
	const char *kind = turn->message->kind;
	const char *name;
	dgen_callback callback = callback_for(type, kind, &name);

	if (callback == NULL && may_be_dropped(kind))
		return;
	if (callback == NULL)
	{
		(void) dgen__turn_stick(
			turn, dgen__fail_hint(&turn->error, DGEN_ESTATE,
								  "Set it in the dgen_actor_type that is registered.",
								  "actor type \"%s\" has no callback for a %s", type->name, kind));
		return;
	}
	if (turn->version == 0 && type->init != NULL && !dgen__message_is_action(turn->message))
		run_callback(turn, type->init, "init");
	if (turn->stuck == 0)
		run_callback(turn, callback, name);
}

/* Ends what the callback did on the connection, which can show that the turn cannot be kept. */
static void
finish_connection(dgen_turn *turn)
{
	const dgen__connector *connector = turn->connector;

	if (turn->connection == NULL || turn->stuck != 0 || connector->finish == NULL)
		return;
	(void) dgen__turn_stick(turn, connector->finish(connector->context, &turn->error));
}

/* Also when an exception passes. */
static void
free_texts(dgen_turn *turn)
{
	while (turn->texts != NULL)
	{
		dgen__turn_text *text = turn->texts;

		turn->texts = text->next;
		dgen__free(text);
	}
	dgen__buffer_free(&turn->whole);
	dgen__buffer_free(&turn->scratch);
}

static void
judge(const dgen_turn *turn, dgen__turn_result *result)
{
	memset(result, 0, sizeof(*result));
	result->outcome = turn->ending;
	if (turn->stuck != 0 && turn->ending == DGEN__COMMIT)
		result->outcome = DGEN__ERROR;
	result->raised = turn->ending == DGEN__ERROR;
	result->used_connection = turn->connection != NULL;
	result->delay_ms = turn->delay_ms;
	result->error = turn->error;
	if (result->outcome != DGEN__COMMIT)
		return;
	result->replied = turn->answered && strcmp(turn->message->kind, "call") == 0;
	result->destroyed = turn->destroyed;
	result->locks = turn->locks;
}

void
dgen__turn_run(const dgen_actor_type *type, const char *key, int64_t version, int actor,
			   dgen__state *state, dgen__outbox *outbox, const dgen__message *message,
			   const dgen__connector *connector, dgen__turn_result *result)
{
	dgen__outbox_mark mark = dgen__outbox_mark_now(outbox);
	dgen_turn turn __attribute__((cleanup(free_texts))) = {
		.type = type,
		.key = key,
		.version = version,
		.actor = actor,
		.state = state,
		.outbox = outbox,
		.message = message,
		.connector = connector,
		.delay_ms = -1,
	};

	dgen__state_begin_turn(state);
	run_callbacks(&turn);
	finish_connection(&turn);
	judge(&turn, result);
	if (result->outcome == DGEN__COMMIT && !result->destroyed)
		dgen__state_keep_turn(state);
	else
		dgen__state_undo_turn(state);
	if (result->outcome != DGEN__COMMIT)
		dgen__outbox_undo(outbox, mark);
}
