/*
 * Idempotency keys of messages and requests. Needs a transaction that can write.
 */
#ifndef DGEN_SEND_IDEMPOTENCY_H
#define DGEN_SEND_IDEMPOTENCY_H

#include "postgres.h"

struct ActorType;

/*
 * Takes the key for message `id` until the retention of the type ends, and returns id. If the key is in
 * use already, returns the id of its message. Waits for an open transaction that has used the key.
 */
extern int64 dgen_take_idempotency_key(const struct ActorType *type, int64 mailbox, text *actor_key,
									   text *key, int64 id);

typedef struct KeyTaken
{
	const struct ActorType *type;
	int64 mailbox;
	text *actor_key;
	text *key;
	int64 id;    /* of the message that takes the key */
	int64 first; /* result: the same, or the id that has the key already */
} KeyTaken;

/*
 * The same for many keys, faster. If several messages have the same key, the first one takes it. Keys are
 * taken in a fixed order, so two sessions that take the same keys at the same time do not deadlock.
 */
extern void dgen_take_idempotency_keys(KeyTaken *keys, int count);

#endif /* DGEN_SEND_IDEMPOTENCY_H */
