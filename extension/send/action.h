/*
 * Actions: what is to be done after the commit. Needs a transaction.
 */
#ifndef DGEN_SEND_ACTION_H
#define DGEN_SEND_ACTION_H

#include "postgres.h"

struct Send;

/* The mailbox of action `id` of the actor. */
extern int64 dgen_action_mailbox(const text *key, int64 id);

/* Makes the message an action of the actor with that type and key; raises unless its name can be one. */
extern void dgen_set_action(struct Send *send, int32 type_id, text *key, text *action);

#endif /* DGEN_SEND_ACTION_H */
