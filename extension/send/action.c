/*
 * Actions: work that a turn requests for after its commit, usually outside of the database.
 *
 * An action is a message of its actor like others: it is stored in the turn's transaction, claimed,
 * retried, and can become a dead letter. But it does not wait for the actor's other messages, they do not
 * wait for it, and it does not change the actor's state:
 *
 *     actor ("order", "7")      type  5, mailbox h7........   message, message, message
 *     its actions               type -5, mailbox h7.....101   action 101
 *                               type -5, mailbox h7.....105   action 105
 *
 * The actions of a type have their own type, with the same definition and the negative number. Each
 * action is alone in its mailbox, so actions run in parallel. Mailboxes of the actions of an actor are
 * neighbors, so that they are found together.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/key.h"
#include "actor/message_kind.h"
#include "base/errors.h"
#include "base/rights.h"
#include "send/action.h"
#include "send/request.h"
#include "send/send.h"

/* The bits of a mailbox that distinguish the actions of an actor. */
#define ACTION_BITS INT64CONST(0xffffffff)

PG_FUNCTION_INFO_V1(dgen_act);

int64
dgen_action_mailbox(const text *key, int64 id)
{
	return (dgen_mailbox_of(key) & ~ACTION_BITS) | (id & ACTION_BITS);
}

static void
check_name(const text *action)
{
	int length;

	if (action == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("name of action must not be null"),
				 errhint("Use a name of 1 to %d bytes.", DGEN_MAX_TYPE_NAME_BYTES)));
	length = (int) VARSIZE_ANY_EXHDR(action);
	if (length == 0 || length > DGEN_MAX_TYPE_NAME_BYTES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("name of action has %d bytes", length),
						errhint("Use a name of 1 to %d bytes.", DGEN_MAX_TYPE_NAME_BYTES)));
}

void
dgen_set_action(Send *send, int32 type_id, text *key, text *action)
{
	check_name(action);
	send->type = dgen_type_by_id(-dgen_actors_type(type_id), false);
	send->key = key;
	send->kind = KIND_ACTION;
	send->correlation = action;
}

void
dgen_action_reply(const BatchActor *actor, const BatchMessage *action, const Reply *reply)
{
	ReplyTo to = {.type_id = dgen_actors_type(actor->type->id), .key = actor->key};

	dgen_reply_to_actor(&to, action->id, DatumGetTextPP(action->correlation), reply);
}

static const BatchActor *
acting_actor(void)
{
	const BatchActor *actor = dgen_current_actor();

	if (actor == NULL)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NO_ACTION),
			 errmsg("actions can be stored only by a handler during a turn"),
			 errhint(
				 "Call dgen.act in a handler. Callbacks in C use dgen_turn_act, other workers use send_actions of dgen.commit_turns.")));
	/* The handler's role has the privilege, but functions in its turn might run with another role's. */
	dgen_check_privilege(actor->type, dgen_calling_role(), PRIVILEGE_SEND);
	if (!actor->type->handle_actions)
		ereport(ERROR, (errcode(DGEN_ERR_NO_ACTION),
						errmsg("actor type \"%s\" does not handle actions", actor->type->name),
						errhint("Run dgen.alter_actor_type with handle_actions => true; the "
								"handler then gets them with ctx.kind = 'action'.")));
	return actor;
}

Datum
dgen_act(PG_FUNCTION_ARGS)
{
	const BatchActor *actor = acting_actor();
	Send send = {0};

	dgen_set_action(&send, actor->type->id, actor->key,
					PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0));
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_MESSAGE), errmsg("message must not be null"),
						errhint("For an empty message use JSON null: 'null'.")));
	send.message = PG_GETARG_DATUM(1);
	send.not_before = dgen_due_argument(fcinfo, 2, 3);
	if (!PG_ARGISNULL(4))
	{
		send.headers = PG_GETARG_DATUM(4);
		dgen_check_headers(send.headers);
	}
	PG_RETURN_INT64(dgen_send(&send));
}
