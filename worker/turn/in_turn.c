/*
 * The base of the functions for callbacks: whether the turn continues, and its first error.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "json/check.h"
#include "server/sql.h"
#include "turn/in_turn.h"
#include "turn/turn.h"

int
dgen__turn_ready(const dgen_turn *turn)
{
	return turn == NULL ? DGEN_EINVAL : turn->stuck;
}

int
dgen__turn_stick(dgen_turn *turn, int code)
{
	if (code == 0 || turn->stuck != 0)
		return code;
	turn->stuck = code;
	turn->error.code = code;
	return code;
}

bool
dgen__turn_is_locked(const dgen_turn *turn)
{
	return strcmp(turn->message->kind, DGEN__KIND_LOCKED) == 0;
}

const char *
dgen__turn_error_text(const char *error)
{
	return error != NULL ? error : "unspecified error";
}

const char *
dgen__turn_sqlstate(const char *sqlstate, const char *otherwise)
{
	return sqlstate != NULL && dgen__sqlstate_valid(sqlstate) ? sqlstate : otherwise;
}

bool
dgen__message_is_action(const dgen__message *message)
{
	return strcmp(message->kind, DGEN__ACTION) == 0;
}

int
dgen__turn_has_state(dgen_turn *turn)
{
	int rc = dgen__turn_ready(turn);

	if (rc == 0 && dgen__message_is_action(turn->message))
		rc = dgen__turn_stick(
			turn, dgen__fail_hint(&turn->error, DGEN_ESTATE,
								  "Reply, and change the state of the actor in handle_reply.",
								  "an action has no state to change"));
	return rc;
}
