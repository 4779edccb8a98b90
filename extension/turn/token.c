/*
 * ctx.token, the idempotency key of a locked part or an action: the same for every attempt, and for no
 * other message.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/key.h"
#include "turn/turn.h"

/* The id is unique in the database, and the hash tells databases apart. */
char *
dgen_token(const BatchActor *actor, const BatchMessage *message)
{
	char *identity = psprintf("%s/" INT64_FORMAT "/" INT64_FORMAT, actor->type->name,
							  actor->mailbox, (int64) message->sent_at);

	return psprintf("%016llx-" INT64_FORMAT,
					(unsigned long long) dgen_mailbox_of(cstring_to_text(identity)), message->id);
}
