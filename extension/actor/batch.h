/*
 * A batch: the actors and messages that a claim has read (claim/read_batch.c), and the results of their
 * turns (commit/commit.c). Its memory is in its context. The transaction lxid owns its actors, except in
 * a batch that is only read.
 */
#ifndef DGEN_ACTOR_BATCH_H
#define DGEN_ACTOR_BATCH_H

#include "postgres.h"

#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "actor/message_kind.h"

struct ActorType;

/* What is remembered of a mailbox (shared/memo.c). */
typedef struct Remembered
{
	int64 floor;           /* no message of priority 0 up to this seq is there; 0: not known */
	int64 passed;          /* dead rows that a scan skipped to learn that; 0: it was known */
	ItemPointerData actor; /* where the actor's row was; invalid: unknown */
} Remembered;

typedef struct BatchMessage
{
	ItemPointerData tid;
	int64 seq; /* unless it is locked */
	int64 id;
	int64 in_reply_to; /* 0: none */
	TimestampTz sent_at;
	Datum message;
	Datum headers; /* 0: none; so below */
	Datum correlation;
	Datum error;
	Datum sqlstate;
	int32 attempts; /* earlier failed attempts */
	int16 priority;
	char kind;
	bool locked;   /* it has locked its actor; tid is that of its row in dgen.locked */
	int32 attempt; /* if so: attempts begun, including this one */
	Buffer buffer; /* might still have its page; Invalid: unknown */
} BatchMessage;

/* Why an actor cannot be handled now. */
typedef enum Blocked
{
	BLOCKED_NOT,
	BLOCKED_PAUSED,
	BLOCKED_BACKING_OFF,
	BLOCKED_ROW_LOCKED /* another transaction has locked its row */
} Blocked;

typedef struct BatchActor
{
	const struct ActorType *type;
	int64 mailbox;
	int held; /* the result of dgen_try_own */
	text *key;
	Remembered remembered;
	Blocked blocked;
	bool has_failed; /* messages of its mailbox have failed attempts */
	bool locked;     /* it has a row in dgen.locked */
	bool exists;
	ItemPointerData tid; /* if it exists */
	int64 version;       /* 0: new actor */
	Jsonb *state;
	BatchMessage *messages;
	int nmessages;

	/* The results of the turns, which commit.c writes. */
	int handled; /* leading messages that leave the mailbox */
	bool state_changed;
	bool destroyed;
	bool locks;          /* the last of the handled messages locks it */
	bool status_changed; /* whether it is locked */
} BatchActor;

typedef struct Batch
{
	MemoryContext context;
	BatchActor *actors;
	int nactors;
	int nmessages;
	Size bytes;
	bool has_rate;           /* some of its types have max_rate */
	int64 version;           /* of the states that this batch writes; 0: not drawn yet */
	LocalTransactionId lxid; /* the transaction that owns it */
	SubTransactionId subid;
} Batch;

/* What the handler sees as ctx.kind: 'locked' in the locked part. */
static inline const char *
dgen_message_kind(const BatchMessage *message)
{
	return message->locked ? "locked" : dgen_kind_name(message->kind);
}

/* What the handler sees as ctx.attempt. */
static inline int32
dgen_message_attempt(const BatchMessage *message)
{
	return message->locked ? message->attempt : message->attempts + 1;
}

#endif /* DGEN_ACTOR_BATCH_H */
