/*
 * A claim: finding actors with messages and owning them (claim.c), within the limits of max_rate
 * (allowance.c). The transaction must be READ COMMITTED.
 */
#ifndef DGEN_CLAIM_CLAIM_H
#define DGEN_CLAIM_CLAIM_H

#include "postgres.h"

#include "portability/instr_time.h"

#include "shared/charge.h"

struct ActorType;
struct WorkerSession;
struct WorkerType;

/* ---- claim.c: discover and own ---- */

/* The maximum size of a batch. */
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
	int held;  /* the result of dgen_try_own */
	bool read; /* in this transaction, which might have removed messages since */
} OwnedMailbox;

/* The result of steps 1 and 2 of a claim. */
typedef struct Owned
{
	int count;
	bool left;    /* a limit stopped the claim: there might be more work */
	bool tired;   /* a sweep has passed so many dead rows that the next claim continues it */
	bool limited; /* some of its types have a limit */
	SuspicionLevel level; /* of all mailboxes */
	OwnedMailbox *mailboxes;
} Owned;

/* The limits in force for the session: settings, lock table, measured turn times. */
extern void dgen_batch_limits(const struct WorkerSession *session, BatchLimits *limits);

/* The server was short of locks, and the last batch might have them: the next ones use fewer. */
extern void dgen_narrow_batches(struct WorkerSession *session);

/*
 * Steps 1 and 2 of a claim: finds mailboxes with messages of the session's types, and owns them to
 * the end of the current (sub)transaction. Advances the session's cursors. Raises
 * DGEN_ERR_NOT_ADOPTED in a copy that was not adopted.
 */
extern void dgen_own_mailboxes(struct WorkerSession *session, const BatchLimits *limits,
							   Owned *owned);

/* The next claim begins with the type after this one. */
extern void dgen_begin_behind(struct WorkerSession *session, int32 type_id);

/* Adds the duration of a turn of the type to the moving average. */
extern void dgen_measure_turns(struct WorkerSession *session, int32 type_id, double us);
extern double dgen_elapsed_us(instr_time start);

/* ---- allowance.c: how many messages a claim can read for a type with max_rate ---- */

/*
 * A claim has read its messages, or failed to: gives back the rate permits that it did not use. If
 * it ran out of permits, announces the messages that it left.
 */
extern void dgen_settle_turns(struct WorkerSession *session, Owned *owned);
/* A claim failed before that: its rate permits count as used. */
extern void dgen_forget_turns(struct WorkerSession *session);
/* The batch is undone, and will be read again. */
extern void dgen_read_again(struct WorkerSession *session);
/* The batch did not reach `count` messages of the type. */
extern void dgen_unread_turns(struct WorkerSession *session, const struct ActorType *type,
							  int count);

#endif /* DGEN_CLAIM_CLAIM_H */
