/*
 * What the turns of a batch send, answer, and want done after the commit.
 */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "server/send.h"
#include "turn/outbox.h"

/* ---- adding ---- */

static void
free_reply(const dgen__reply *reply)
{
	dgen__free(reply->reply);
	dgen__free(reply->error);
}

int
dgen__outbox_send(dgen__outbox *outbox, const dgen__send *send, size_t message_length)
{
	dgen__send copy = *send;

	if (outbox->nsends == outbox->sends_size)
	{
		void *grown =
			dgen__grow(outbox->sends, &outbox->sends_size, outbox->nsends + 1, sizeof(dgen__send));

		if (grown == NULL)
			return DGEN_ENOMEM;
		outbox->sends = grown;
	}
	if (dgen__send_copy(&copy, message_length) != 0)
		return DGEN_ENOMEM;
	outbox->sends[outbox->nsends++] = copy;
	return 0;
}

/* Owns the text of the reply, also if it fails; without one memory was out. */
static int
add_reply(dgen__outbox *outbox, const dgen__reply *reply)
{
	if (reply->reply == NULL && reply->error == NULL)
		return DGEN_ENOMEM;
	if (outbox->nreplies == outbox->replies_size)
	{
		void *grown = dgen__grow(outbox->replies, &outbox->replies_size, outbox->nreplies + 1,
								 sizeof(dgen__reply));

		if (grown == NULL)
		{
			free_reply(reply);
			return DGEN_ENOMEM;
		}
		outbox->replies = grown;
	}
	outbox->replies[outbox->nreplies++] = *reply;
	return 0;
}

int
dgen__outbox_reply(dgen__outbox *outbox, int64_t request, const char *json, size_t length)
{
	const dgen__reply reply = {.request = request, .reply = dgen__strndup(json, length)};

	return add_reply(outbox, &reply);
}

int
dgen__outbox_fail(dgen__outbox *outbox, int64_t request, const char *error, const char *sqlstate)
{
	dgen__reply reply = {.request = request, .error = dgen__strdup(error)};

	if (reply.error != NULL)
		dgen__utf8_mend(reply.error);
	memcpy(reply.sqlstate, sqlstate, sizeof(reply.sqlstate));
	return add_reply(outbox, &reply);
}

int
dgen__outbox_action(dgen__outbox *outbox, const dgen__action *action)
{
	if (outbox->nactions == outbox->actions_size)
	{
		void *grown = dgen__grow(outbox->actions, &outbox->actions_size, outbox->nactions + 1,
								 sizeof(dgen__action));

		if (grown == NULL)
			return DGEN_ENOMEM;
		outbox->actions = grown;
	}
	outbox->actions[outbox->nactions++] = *action;
	return 0;
}

/* ---- taking back ---- */

dgen__outbox_mark
dgen__outbox_mark_now(const dgen__outbox *outbox)
{
	return (dgen__outbox_mark){outbox->nsends, outbox->nreplies, outbox->nactions};
}

static void
release(const dgen__action *action)
{
	if (action->release != NULL)
		action->release(action->data);
}

void
dgen__outbox_undo(dgen__outbox *outbox, dgen__outbox_mark mark)
{
	while (outbox->nsends > mark.nsends)
		dgen__send_free(&outbox->sends[--outbox->nsends]);
	while (outbox->nreplies > mark.nreplies)
		free_reply(&outbox->replies[--outbox->nreplies]);
	for (size_t i = mark.nactions; i < outbox->nactions; i++)
		release(&outbox->actions[i]);
	outbox->nactions = mark.nactions;
}

void
dgen__outbox_keep_actions(dgen__outbox *outbox, dgen__outbox *to)
{
	to->actions = outbox->actions;
	to->nactions = outbox->nactions;
	to->actions_size = outbox->actions_size;
	outbox->actions = NULL;
	outbox->nactions = outbox->actions_size = 0;
	dgen__outbox_finish(outbox, false);
}

/* The outbox is empty before the first action runs, whatever that does. */
void
dgen__outbox_finish(dgen__outbox *outbox, bool committed)
{
	dgen__action *actions = outbox->actions;
	size_t nactions = outbox->nactions;

	outbox->nactions = 0;
	dgen__outbox_undo(outbox, (dgen__outbox_mark){0, 0, 0});
	dgen__free(outbox->sends);
	dgen__free(outbox->replies);
	memset(outbox, 0, sizeof(*outbox));
	for (size_t i = 0; i < nactions; i++)
	{
		if (committed && actions[i].action != NULL)
			actions[i].action(actions[i].data);
		release(&actions[i]);
	}
	dgen__free(actions);
}
