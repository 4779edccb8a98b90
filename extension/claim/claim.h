/*
 * A claim: finding actors with messages and owning them (claim.c), within the limits of their types
 * (slots.c, allowance.c), reading what they have (read_batch.c, blocked.c), and which turns may have
 * ended their worker (suspect.c). Needs a READ COMMITTED transaction.
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

/* ---- claim.c: discover and own ---- */

/* At most so many, or so much. */
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
	int held;  /* what dgen_try_own has returned */
	bool read; /* in this transaction, which may have removed messages since */
} OwnedMailbox;

/* What steps 1 and 2 of a claim have found. */
typedef struct Owned
{
	int count;
	bool left;    /* stopped by a limit: there may be more work */
	bool tired;   /* a sweep has passed so many dead rows that the next claim continues it */
	bool limited; /* some of its types have a limit */
	SuspicionLevel level; /* of all of them */
	OwnedMailbox *mailboxes;
} Owned;

/* The limits in force for the session: settings, lock table, measured turn times. */
extern void dgen_batch_limits(const struct WorkerSession *session, BatchLimits *limits);

/* The server was short of locks, which the last batch may have: the next ones take fewer. */
extern void dgen_narrow_batches(struct WorkerSession *session);

/*
 * Steps 1 and 2 of a claim: finds mailboxes with messages of the session's types, and owns them to
 * the end of the current (sub)transaction. Moves the session's cursors on. Raises
 * DGEN_ERR_NOT_ADOPTED in a copy that nobody has adopted.
 */
extern void dgen_own_mailboxes(struct WorkerSession *session, const BatchLimits *limits,
							   Owned *owned);

/* The next claim begins with the type behind this one. */
extern void dgen_begin_behind(struct WorkerSession *session, int32 type_id);

/* A turn of the type took so long: enters into the moving average. */
extern void dgen_measure_turns(struct WorkerSession *session, int32 type_id, double us);
extern double dgen_elapsed_us(instr_time start);

/* ---- slots.c: how many actors of a type are owned at a time (max_concurrency) ---- */

/* Takes up to `most`, one for each actor to be owned. If it gets fewer, a worker is called when one is free. */
extern int dgen_take_slots(const struct ActorType *type, int most);
/* Gives back so many that were taken in this claim. */
extern void dgen_free_slots(const struct ActorType *type, int count);

/* ---- allowance.c: how many messages a claim may read for a type with max_rate ---- */

/* A claim has read, or failed to: gives back turns that it did not use, and sees to what it left for want of turns. */
extern void dgen_settle_turns(struct WorkerSession *session, Owned *owned);
/* A claim failed before that: its turns may have been used. */
extern void dgen_forget_turns(struct WorkerSession *session);
/* The batch that was read is undone, and read once more. */
extern void dgen_read_again(struct WorkerSession *session);
/* The batch did not come to so many messages of the type. */
extern void dgen_unread_turns(struct WorkerSession *session, const struct ActorType *type,
							  int count);

/* ---- read_batch.c: read what the owned actors have ---- */

/*
 * Step 3: in a snapshot of its own, taken after the locks, reads the actors of the owned mailboxes
 * and their first messages. Leaves out what is paused, backs off or has its row locked by another
 * transaction. `first` and `count` select mailboxes.
 */
extern struct Batch *dgen_read_batch(Owned *owned, int first, int count, const BatchLimits *limits);

/* The one actor of an inline call, which is owned. Waits for its row; raises why it cannot be handled now. */
extern struct Batch *dgen_read_actor(const struct ActorType *type, text *key, int max_messages);

typedef enum ReadRow
{
	READ_WAIT, /* for a transaction that has locked the actor's row */
	READ_TRY,  /* the actor is blocked then */
	READ_LOOK  /* without a lock: the actor is not owned */
} ReadRow;

/* The actor alone, without its messages. */
extern struct Batch *dgen_read_actor_alone(const struct ActorType *type, text *key, ReadRow how);

/* ---- blocked.c: is an actor or its type paused? Need an active snapshot ---- */

extern bool dgen_type_is_paused(int32 type_id);
extern bool dgen_actor_is_paused(int32 type_id, int64 mailbox, text *key);

/* ---- suspect.c: turns that may have ended their worker ---- */

/* At the end of a session, which still holds its locks; they never raise. */

/* The SQLSTATE of the attempts that it may have ended in; 0: it was told to end. */
extern int dgen_blame_for_end(void);
extern void dgen_suspect_batch(int blame);                /* its claimed batch, if there is one */
extern void dgen_suspect_turn(const struct Charge *turn); /* that runs; NULL: none does */

/* So many turns of the actor have come to an end; the locked part has. */
extern void dgen_absolve(const struct BatchActor *actor, int turns);
extern void dgen_absolve_part(const struct Charge *part);

/* A batch of suspects of that level is smaller. */
extern void dgen_limit_suspects(SuspicionLevel level, BatchLimits *limits);

#endif /* DGEN_CLAIM_CLAIM_H */
