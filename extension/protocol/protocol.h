/*
 * The worker protocol inside: what its files tell each other, and what others ask. The functions of
 * the protocol itself are in SQL (docs/protocol.md). Needs a transaction, unless a comment says otherwise.
 */
#ifndef DGEN_PROTOCOL_PROTOCOL_H
#define DGEN_PROTOCOL_PROTOCOL_H

#include "postgres.h"

struct Batch;
struct BatchActor;

/* ---- protocol.c: the claimed batch ---- */

/* It is committed; returns the time since its claim, us. */
extern double dgen_claimed_batch_done(void);

/* Does the client that claimed it keep states? */
extern bool dgen_client_caches(void);

/* ---- attach.c ---- */

/* The session claims in this transaction: its client is there, whatever a turn resets. */
extern void dgen_session_claims(void);

/* ---- session_mark.c: was the session reset for another client? ---- */

extern void dgen_session_mark_init(void);                      /* _PG_init */
extern int dgen_session_mark_new(void);                        /* a worker attaches: its mark */
extern void dgen_session_mark_claims(void);                    /* as dgen_session_claims */
extern void dgen_session_mark_keep(int value);                 /* before a commit; can raise */
extern bool dgen_session_mark_lost(int value, bool committed); /* after it; never raises */

/* ---- client_state.c: states that the client of this session holds ---- */

/* At the version that the actor has? */
extern bool dgen_client_holds(const struct BatchActor *actor);
/* The client has been given, or has committed, the state of the actor at its version. */
extern void dgen_client_given(const struct BatchActor *actor);
extern void dgen_client_forget(void); /* all of them */

/* ---- unsendable.c: what cannot be sent to the client that claims it ---- */

/*
 * Of a batch that is owned: records a failed attempt of each actor's first message that cannot be
 * sent, and leaves out what is behind it, and what is too much text for one claim. `bytes`: limit of
 * the batch.
 */
extern void dgen_check_batch(struct Batch *batch, Size bytes);

/* The same for a locked part that begins. False: its attempt has failed. */
extern bool dgen_check_part(struct Batch *batch);

/* ---- no_batch.c: why there is no claimed batch ---- */

typedef enum NoBatch
{
	NO_BATCH_CLAIMED,   /* in this session */
	NO_BATCH_FOUND,     /* the claim found nothing */
	NO_BATCH_BUT_PART,  /* it was a locked part */
	NO_BATCH_COMMITTED, /* the batch is */
	NO_BATCH_ANY_MORE,  /* the claim was undone */
	NO_BATCH_AGAIN,     /* the end was undone, and the batch is over */
	NO_BATCH_HERE       /* it was in another transaction */
} NoBatch;

/* From now on, in this transaction. */
extern void dgen_no_batch(NoBatch reason);
/* ROLLBACK TO a savepoint. */
extern void dgen_no_batch_undone(SubTransactionId subid);

/* Raise DGEN_ERR_NOT_OWNED. The hint is for a caller that has claimed nothing in this transaction. */
extern void dgen_refuse_no_batch(const char *hint);
extern void dgen_refuse_no_part(void); /* for a locked part */

#endif /* DGEN_PROTOCOL_PROTOCOL_H */
