/*
 * Into the mailbox.
 */
#ifndef DGEN_SEND_SEND_H
#define DGEN_SEND_SEND_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

struct ActorType;

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

typedef struct KeyTaken
{
	const struct ActorType *type;
	int64 mailbox;
	text *actor_key;
	text *key;
	int64 id;    /* of the message that it is taken for */
	int64 first; /* set: the same, or the id that the key stands for already */
} KeyTaken;

/* ---- send.c: into the mailbox ------------------------------------------- */

/* Type, key and message as the first three arguments of a SQL function; checks them and the privilege to send. */
extern void dgen_get_send_arguments(FunctionCallInfo fcinfo, Send *send);

/* Raise unless the value can be sent. */
extern int16 dgen_check_priority(int32 priority);
extern void dgen_check_headers(Datum headers);
extern void dgen_check_idempotency_key(const text *key);
extern const struct ActorType *dgen_type_argument(FunctionCallInfo fcinfo, int n);

/* Sends, unless the idempotency key (NULL: none) was used before; true if it was sent. *id: the first message's. */
extern bool dgen_send_once(Send *send, text *idempotency_key, int64 *id);

/* Inserts one message, marks the wakeup, returns its id. No privilege checks. */
extern int64 dgen_send(const Send *send);

/* Its two halves: draws seq, and takes the key (false: used before); then inserts. */
extern bool dgen_number_send(Send *send, text *idempotency_key, int64 *id);

/* The row of a message that is in its mailbox at once; mailbox is that of its key. */
extern void dgen_message_row(const Send *send, int64 mailbox, int64 seq, Datum *values,
							 bool *nulls);

/* When a delay, or the time, in these arguments is over; 0: now. */
extern TimestampTz dgen_due_argument(FunctionCallInfo fcinfo, int delay, int not_before);

/* ---- room.c: how much may wait ------------------------------------------ */

/* Raises DGEN_ERR_MAILBOX_FULL unless one more message may wait. */
extern void dgen_check_room(const Send *send);

/* The same for one message after the other, which may be in the table or not yet. Starts as NULL. */
typedef struct HTAB *Rooms;
extern void dgen_take_room(Rooms *rooms, const Send *send);

/* ---- action.c: what is to be done after the commit ---------------------- */

/* Of action `id` of the actor. */
extern int64 dgen_action_mailbox(const text *key, int64 id);

/* Makes it an action of the actor with that type and key; raises unless its name can be one. */
extern void dgen_set_action(Send *send, int32 type_id, text *key, text *action);

/* ---- idempotency.c: idempotency keys ------------------------------------ */

/*
 * idempotency.c: takes the key for message id `id` until the type's retention
 * ends, and returns id; or the id that the key stands for already. Waits for a
 * transaction that has just used the key.
 */
extern int64 dgen_take_idempotency_key(const struct ActorType *type, int64 mailbox, text *actor_key,
									   text *key, int64 id);

/*
 * The same for many, faster. Of those that have the same key the first takes it. They are
 * taken in an order of their own, so that of two sessions that take the same ones at the
 * same time one waits for the other, and not both.
 */
extern void dgen_take_idempotency_keys(KeyTaken *keys, int count);

#endif /* DGEN_SEND_SEND_H */
