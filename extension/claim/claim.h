/*
 * Finding actors with messages, owning them, and reading what they have.
 */
#ifndef DGEN_CLAIM_CLAIM_H
#define DGEN_CLAIM_CLAIM_H

#include "postgres.h"

#include "portability/instr_time.h"

#include "shared/memo.h"

struct ActorType;
struct Batch;
struct BatchActor;
struct Charge;
struct WorkerSession;
struct WorkerType;

typedef struct Owned Owned;

typedef struct BatchLimits
{
	int actors;
	int messages;
	Size bytes;
} BatchLimits;

typedef struct OwnedMailbox
{
	const struct ActorType *type;
	struct WorkerType *worker_type;
	int64 mailbox;
	int held;  /* see dgen_wakeup_owned */
	bool read; /* in this transaction, which may have removed messages since */
} OwnedMailbox;

typedef struct Owned
{
	int count;
	bool left;    /* stopped by the limit: there may be more work */
	bool tired;   /* a sweep has passed so many dead rows that it goes on with the next claim */
	bool limited; /* some of its types are */
	SuspicionLevel level; /* of all of them */
	OwnedMailbox *mailboxes;
} Owned;

typedef enum ReadRow
{
	READ_WAIT, /* for whoever has locked the actor's row */
	READ_TRY,  /* it is blocked then */
	READ_LOOK  /* without a lock: the actor is not owned */
} ReadRow;

/* ---- claim.c: discover, own, read --------------------------------------- */

/* The locks of the last batch may be those that are missing: the next ones take fewer. */
extern void dgen_narrow_batches(struct WorkerSession *session);

/* The limits in force for the session: settings, lock table, measured turn times. */
extern void dgen_batch_limits(const struct WorkerSession *session, BatchLimits *limits);

extern double dgen_elapsed_us(instr_time start);
/* A turn of the type took so long: enters into the moving average. */
extern void dgen_measure_turns(struct WorkerSession *session, int32 type_id, double us);
extern void dgen_begin_behind(struct WorkerSession *session, int32 type_id);

/*
 * Steps 1 and 2 of a claim: finds mailboxes with messages of the session's types
 * and takes ownership of them until the current (sub)transaction ends. READ
 * COMMITTED only. Moves the session's cursors on.
 */
extern void dgen_own_mailboxes(struct WorkerSession *session, const BatchLimits *limits,
							   Owned *owned);

/* ---- slots.c: how many actors of a type are handled at a time ----------- */

/* Takes up to `most`, one for each actor to be owned. If it gets fewer, a worker is called when one is free. */
extern int dgen_take_slots(const struct ActorType *type, int most);
/* Lets go of so many that were taken in this claim. */
extern void dgen_free_slots(const struct ActorType *type, int count);

/* ---- allowance.c: what a claim may read for a type with max_rate, and what of that was no ---- */

/* After a claim has read, or failed to: gives back what was not read for, and sees to what was left for want of turns. */
extern void dgen_settle_turns(struct WorkerSession *session, Owned *owned);
/* The batch that was read is undone, and read once more. */
extern void dgen_read_again(struct WorkerSession *session);
extern void dgen_unread_turns(struct WorkerSession *session, const struct ActorType *type,
							  int count);
extern void dgen_forget_turns(struct WorkerSession *session);

/* ---- blocked.c: what keeps actors from being handled -------------------- */

/* Both need an active snapshot. */
extern bool dgen_type_is_paused(int32 type_id);
extern bool dgen_actor_is_paused(int32 type_id, int64 mailbox, text *key);

/* ---- read_batch.c: what the owned actors have --------------------------- */

/*
 * Step 3: in a snapshot of its own, taken after the locks, reads the actors of the
 * owned mailboxes and their first messages, leaving out what is paused, backs off
 * or has its row locked by somebody. `first` and `count` select mailboxes.
 */
extern struct Batch *dgen_read_batch(Owned *owned, int first, int count, const BatchLimits *limits);

/* The same for the one actor of an inline call: waits for its row, and raises why it cannot be handled now. */
extern struct Batch *dgen_read_actor(const struct ActorType *type, text *key, int max_messages);

/* The actor alone, without its messages. */
extern struct Batch *dgen_read_actor_alone(const struct ActorType *type, text *key, ReadRow how);

/* ---- suspect.c: turns that may have taken their worker along ------------ */

/* At the end of a session: the SQLSTATE of the attempts that it may have ended in; 0: nobody is to be blamed. */
extern int dgen_blame_for_end(void);
extern void dgen_suspect_batch(int blame);
extern void dgen_suspect_turn(const struct Charge *turn); /* NULL: none runs */
/* So many turns of the actor have come to an end. */
extern void dgen_absolve(const struct BatchActor *actor, int turns);
extern void dgen_absolve_part(const struct Charge *part);
extern void dgen_limit_suspects(SuspicionLevel level, BatchLimits *limits);

#endif /* DGEN_CLAIM_CLAIM_H */
