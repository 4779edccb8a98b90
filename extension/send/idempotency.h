/*
 * Idempotency keys of messages and requests. Needs a transaction that can write.
 */
#ifndef DGEN_SEND_IDEMPOTENCY_H
#define DGEN_SEND_IDEMPOTENCY_H

#include "postgres.h"

struct ActorType;

/*
 * Takes the key for message id `id`, until the retention of the type ends, and returns id; or the id
 * that the key stands for already. Waits for a transaction that has just used the key.
 */
extern int64 dgen_take_idempotency_key(const struct ActorType *type, int64 mailbox, text *actor_key,
									   text *key, int64 id);

typedef struct KeyTaken
{
	const struct ActorType *type;
	int64 mailbox;
	text *actor_key;
	text *key;
	int64 id;    /* of the message for which it is taken */
	int64 first; /* result: the same, or the id that the key stands for already */
} KeyTaken;

/*
 * The same for many, faster. If several have the same key, the first one takes it. Keys are taken in
 * an order of their own: two sessions that take the same keys at the same time are no deadlock.
 */
extern void dgen_take_idempotency_keys(KeyTaken *keys, int count);

#endif /* DGEN_SEND_IDEMPOTENCY_H */
