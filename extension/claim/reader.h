/*
 * Internals of reading a batch: the open scans and the position, and a section for each file.
 *
 *     read_batch.c ── each mailbox ──> read_mailbox.c ── a new actor ──> read_actor.c ──> blocked.c
 */
#ifndef DGEN_CLAIM_READER_H
#define DGEN_CLAIM_READER_H

#include "postgres.h"

#include "storage/block.h"
#include "utils/timestamp.h"

#include "actor/batch.h"
#include "claim/claim.h"
#include "table/floor.h"
#include "table/scan.h"

struct ActorType;
struct BatchLimits;

/* The state of a reading. */
typedef struct Reader
{
	Batch *batch;
	const struct BatchLimits *limits;
	int per_actor; /* maximum number of messages of one actor */
	int most;      /* maximum number of messages in the batch after this mailbox */
	bool wait;     /* wait for a locked actor row instead of leaving the actor out */
	bool look;     /* do not lock the row: nothing will be written */
	text *only;    /* skip the messages of other actors; NULL: read all */
	DgenScan messages;
	FloorScan floor; /* also of messages; open once a floor was met */
	bool has_floor;
	DgenScan actors;
	DgenScan failed;
	const struct ActorType *type;
	bool type_has_paused;
	bool type_has_failed;
	bool mailbox_has_failed;
	bool row_locked; /* by another transaction: an actor of this mailbox is left out */
	bool
		at_lock; /* ended at a message that waits until its actor is unlocked; the unlock announces it */
	int64 mailbox;
	int held;        /* see dgen_wakeup_owned */
	bool first_read; /* since it was owned: this transaction has removed nothing from it */
	Remembered remembered;
	int64 highest_seq;        /* of all messages met, in any mailbox */
	int64 first_seq;          /* the lowest seq of priority 0 that was met; 0: none */
	BlockNumber actor_blocks; /* of dgen.actor */
	int first_actor;          /* of this mailbox */
	int capacity;             /* of batch->actors */
	TimestampTz now;
	TimestampTz retry_at; /* an actor of this mailbox backs off until then */
} Reader;

static inline bool
reader_is_full(const Reader *reader)
{
	return reader->batch->nmessages >= reader->most ||
		   reader->batch->bytes >= reader->limits->bytes;
}

/* ---- read_mailbox.c: messages ---- */

/* Sets the next mailbox, of the type that is set. */
extern void dgen_reader_set_mailbox(Reader *reader, int64 mailbox, int held);
extern void dgen_reader_read_messages(Reader *reader);

/* ---- read_actor.c: actors ---- */

/* Adds an actor of the mailbox that is set to the batch, without its row. */
extern BatchActor *dgen_reader_new_actor(Reader *reader, Datum key);
/* The same with its row, unless the actor is blocked. A blocked actor cannot handle messages. */
extern BatchActor *dgen_reader_add_actor(Reader *reader, Datum key);
/* False if another transaction has locked the row. An action has none. */
extern bool dgen_reader_read_row(Reader *reader, BatchActor *actor);

/* ---- blocked.c: pauses and failed attempts ---- */

extern void dgen_reader_set_type(Reader *reader, const struct ActorType *type);
extern Blocked dgen_reader_blocked(Reader *reader, const BatchActor *actor);
/* The failed attempts of a message whose mailbox has some. */
extern int32 dgen_reader_attempts(Reader *reader, int64 message_id);

#endif /* DGEN_CLAIM_READER_H */
