/*
 * Sending: one message into its mailbox (send.c), how many may wait there (room.c), actions
 * (action.c), idempotency keys (idempotency.c). All of it needs a transaction that can write.
 */
#ifndef DGEN_SEND_SEND_H
#define DGEN_SEND_SEND_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

struct ActorType;

/* A message to be sent. */
typedef struct Send
{
	const struct ActorType *type;
	text *key;
	Datum message; /* jsonb, may be toasted */
	char kind;
	int16 priority;
	int64 seq;              /* 0: the next one */
	int64 id;               /* 0: the same as seq */
	TimestampTz sent_at;    /* 0: now */
	int64 in_reply_to;      /* 0: none */
	TimestampTz not_before; /* 0: now */
	Datum headers;          /* jsonb; 0: none */
	text *correlation;      /* NULL: none */
	text *error;
	text *sqlstate;
} Send;

/* ---- send.c: arguments of functions in SQL; they raise unless the value can be sent ---- */

/* Type, key and message, the first three arguments. Checks the privilege to send, too. */
extern void dgen_get_send_arguments(FunctionCallInfo fcinfo, Send *send);
extern const struct ActorType *dgen_type_argument(FunctionCallInfo fcinfo, int n);

/* When a delay, or the time, in these arguments is over; 0: now. */
extern TimestampTz dgen_due_argument(FunctionCallInfo fcinfo, int delay, int not_before);

extern int16 dgen_check_priority(int32 priority);
extern void dgen_check_headers(Datum headers);
extern void dgen_check_idempotency_key(const text *key);

/* ---- send.c: into the mailbox; no checks of privileges ---- */

/* Inserts one message, marks the wakeup, returns its id. */
extern int64 dgen_send(const Send *send);

/*
 * The same, unless the idempotency key was used before (NULL: none). True if it was sent. *id: of
 * the message that was sent first.
 */
extern bool dgen_send_once(Send *send, text *idempotency_key, int64 *id);

/* The half before the row: draws seq, and takes the key. False: the key was used before. */
extern bool dgen_number_send(Send *send, text *idempotency_key, int64 *id);

/* The row of a message that is in its mailbox at once; mailbox is that of its key. */
extern void dgen_message_row(const Send *send, int64 mailbox, int64 seq, Datum *values,
							 bool *nulls);

/* ---- room.c: how many messages may wait for an actor ---- */

/* Raises DGEN_ERR_MAILBOX_FULL unless one more message may wait. */
extern void dgen_check_room(const Send *send);

/* The same for many messages, some of which may not be in the table yet. *rooms is NULL at first. */
typedef struct HTAB *Rooms;
extern void dgen_take_room(Rooms *rooms, const Send *send);

/* ---- action.c: what is to be done after the commit ---- */

/* The mailbox of action `id` of the actor. */
extern int64 dgen_action_mailbox(const text *key, int64 id);

/* Makes the message an action of the actor with that type and key; raises unless its name can be one. */
extern void dgen_set_action(Send *send, int32 type_id, text *key, text *action);

/* ---- idempotency.c: idempotency keys ---- */

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

#endif /* DGEN_SEND_SEND_H */
