/*
 * Internals of the worker protocol: the functions that its files offer to each other and to other
 * rooms. The functions of the protocol itself are in SQL (docs/protocol.md). Each needs a
 * transaction, unless a comment says otherwise.
 */
#ifndef DGEN_PROTOCOL_PROTOCOL_H
#define DGEN_PROTOCOL_PROTOCOL_H

#include "postgres.h"

struct Batch;
struct BatchActor;

/* ---- protocol.c: the claimed batch ---- */

/* The batch is committed; returns the time since its claim, us. */
extern double dgen_claimed_batch_done(void);

/* Does the client that claimed it keep states? */
extern bool dgen_client_caches(void);

/* ---- attach.c ---- */

/*
 * The session claims in this transaction, so its client is present even if a turn resets settings.
 */
extern void dgen_session_claims(void);

/* ---- session_mark.c: was the session reset for another client? ---- */

extern void dgen_session_mark_init(void);                      /* _PG_init */
extern int dgen_session_mark_new(void);                        /* a worker attaches: its mark */
extern void dgen_session_mark_claims(void);                    /* as dgen_session_claims */
extern void dgen_session_mark_keep(int value);                 /* before a commit; can raise */
extern bool dgen_session_mark_lost(int value, bool committed); /* after it; never raises */

/* ---- client_state.c: states that the client of this session holds ---- */

/* Does the client hold the state at the version that the actor has? */
extern bool dgen_client_holds(const struct BatchActor *actor);
/* The client has received or committed the state of the actor at its version. */
extern void dgen_client_given(const struct BatchActor *actor);
extern void dgen_client_forget(void); /* all of them */

/* ---- unsendable.c: what cannot be sent to the client that claims it ---- */

/*
 * Records a failed attempt of each actor's first message that cannot be sent, and leaves out the
 * messages behind it and those that are too much text for one claim. The transaction owns the
 * actors of the batch. `bytes`: the limit of the batch.
 */
extern void dgen_check_batch(struct Batch *batch, Size bytes);

/* The same for a locked part that begins. False: its attempt has failed. */
extern bool dgen_check_part(struct Batch *batch);

/* ---- no_batch.c: why there is no claimed batch ---- */

typedef enum NoBatch
{
	NO_BATCH_CLAIMED,   /* in this session */
	NO_BATCH_FOUND,     /* the claim found nothing */
	NO_BATCH_BUT_PART,  /* the session has claimed a locked part */
	NO_BATCH_COMMITTED, /* dgen.commit_turns has ended the batch */
	NO_BATCH_ANY_MORE,  /* the claim was undone */
	NO_BATCH_AGAIN,     /* the end was undone, but the batch is over */
	NO_BATCH_HERE       /* the batch was in another transaction */
} NoBatch;

/* The reason from now on, in this transaction. */
extern void dgen_no_batch(NoBatch reason);
/* ROLLBACK TO a savepoint. */
extern void dgen_no_batch_undone(SubTransactionId subid);

/*
 * Raise DGEN_ERR_NOT_OWNED. The hint is for a caller that has claimed nothing in this transaction.
 */
extern void dgen_refuse_no_batch(const char *hint);
extern void dgen_refuse_no_part(void); /* for a locked part */

#endif /* DGEN_PROTOCOL_PROTOCOL_H */
