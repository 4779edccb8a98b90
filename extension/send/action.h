/*
 * Actions: work that a turn requests for after its commit. Needs a transaction.
 */
#ifndef DGEN_SEND_ACTION_H
#define DGEN_SEND_ACTION_H

#include "postgres.h"

struct Send;

/* Returns the mailbox of action `id` of the actor. */
extern int64 dgen_action_mailbox(const text *key, int64 id);

/* Makes the message an action of the actor with that type and key. Raises if the name is not valid for an action. */
extern void dgen_set_action(struct Send *send, int32 type_id, text *key, text *action);

#endif /* DGEN_SEND_ACTION_H */
