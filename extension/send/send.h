/*
 * Sends one message into its mailbox. Needs a transaction that can write.
 */
#ifndef DGEN_SEND_SEND_H
#define DGEN_SEND_SEND_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

struct ActorType;

/* A message to send. */
typedef struct Send
{
	const struct ActorType *type;
	text *key;
	Datum message; /* jsonb, can be toasted */
	char kind;
	int16 priority;
	int64 seq;              /* 0: the next one */
	int64 id;               /* 0: equal to seq */
	TimestampTz sent_at;    /* 0: now */
	int64 in_reply_to;      /* 0: none */
	TimestampTz not_before; /* 0: now */
	Datum headers;          /* jsonb; 0: none */
	text *correlation;      /* NULL: none */
	text *error;
	text *sqlstate;
} Send;

/* ---- arguments of functions in SQL; the functions raise unless the value can be sent ---- */

/* Reads type, key and message, the first three arguments. Also checks the privilege to send. */
extern void dgen_get_send_arguments(FunctionCallInfo fcinfo, Send *send);
extern const struct ActorType *dgen_type_argument(FunctionCallInfo fcinfo, int n);

/* Returns when the message is due, by the delay or the time in these arguments; 0: now. */
extern TimestampTz dgen_due_argument(FunctionCallInfo fcinfo, int delay, int not_before);

extern int16 dgen_check_priority(int32 priority);
extern void dgen_check_headers(Datum headers);
extern void dgen_check_idempotency_key(const text *key);

/* ---- into the mailbox; no checks of privileges ---- */

/* Inserts one message, marks the wakeup, and returns the message id. */
extern int64 dgen_send(const Send *send);

/*
 * The same, unless the idempotency key (NULL: none) was used before. True if the message was sent. *id:
 * the id of the message that has the key.
 */
extern bool dgen_send_once(Send *send, text *idempotency_key, int64 *id);

/* The first half, before the row is written: draws the seq and takes the key. False: the key was used before. */
extern bool dgen_number_send(Send *send, text *idempotency_key, int64 *id);

/* Fills the row of a message without a delay; mailbox is the hash of its key. */
extern void dgen_message_row(const Send *send, int64 mailbox, int64 seq, Datum *values,
							 bool *nulls);

#endif /* DGEN_SEND_SEND_H */
