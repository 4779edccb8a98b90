/*
 * The worker protocol.
 */
#ifndef DGEN_PROTOCOL_PROTOCOL_H
#define DGEN_PROTOCOL_PROTOCOL_H

#include "postgres.h"

struct Batch;
struct BatchActor;

typedef enum NoBatch
{
	NO_BATCH_CLAIMED, /* in this session */
	NO_BATCH_FOUND,
	NO_BATCH_BUT_PART,
	NO_BATCH_COMMITTED,
	NO_BATCH_ANY_MORE, /* the claim was undone */
	NO_BATCH_AGAIN,    /* the end was undone, and the batch is over */
	NO_BATCH_HERE      /* it was in another transaction */
} NoBatch;

/* ---- session_mark.c: was the session reset for another client? ---------- */

extern void dgen_session_mark_init(void);
extern int dgen_session_mark_new(void);
extern void dgen_session_mark_claims(void);
extern void dgen_session_mark_keep(int value);
extern bool dgen_session_mark_lost(int value, bool committed);

/* ---- attach.c: a session as a worker ------------------------------------ */

extern void dgen_session_claims(void); /* in this transaction */

/* ---- client_state.c: states that a worker's client holds ---------------- */

extern bool dgen_client_holds(const struct BatchActor *actor);
extern void dgen_client_given(const struct BatchActor *actor);
extern void dgen_client_forget(void);

/* ---- unsendable.c: what cannot be sent to the client that claims it ----- */

/*
 * Of a batch that is owned: gives a failed attempt to each actor's first message that cannot be
 * sent, and leaves out what is behind it, and what is too much text for one claim. `bytes`: limit of the batch.
 */
extern void dgen_check_batch(struct Batch *batch, Size bytes);

/* The same for a locked part that begins. False: it has a failed attempt. */
extern bool dgen_check_part(struct Batch *batch);

/* ---- no_batch.c: why none is claimed ------------------------------------ */

/* From now on, in this transaction. */
extern void dgen_no_batch(NoBatch reason);
/* ROLLBACK TO a savepoint. */
extern void dgen_no_batch_undone(SubTransactionId subid);
/* Raises DGEN_ERR_NOT_OWNED. The hint is for who has claimed none in this transaction. */
extern void dgen_refuse_no_batch(const char *hint);
/* Raises it for a locked part. */
extern void dgen_refuse_no_part(void);

/* ---- protocol.c: the worker protocol ------------------------------------ */

/* It is committed; returns the time since its claim, us. */
extern double dgen_claimed_batch_done(void);

/* Does the client that claimed it keep states? */
extern bool dgen_client_caches(void);

#endif /* DGEN_PROTOCOL_PROTOCOL_H */
