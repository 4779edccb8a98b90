/*
 * What this session has in hand: the worker that has attached, the batch that its client has
 * claimed, the batch and the turn that run here.
 */
#ifndef DGEN_ACTOR_IN_HAND_H
#define DGEN_ACTOR_IN_HAND_H

#include "postgres.h"

#include "actor/actor.h"

struct ActorType;
struct Batch;
struct BatchActor;

typedef struct WorkerType
{
	int32 type_id;
	const char *name; /* under which a client has attached: a rename does not reach it */
	bool runs_parts;  /* its locked parts; else they are left to others */
	bool looked_at;   /* for them, in this claim */
	double turn_us;   /* measured time of a turn, moving average; 0: not known */

	/* With max_rate, in a claim. */
	int turns_left; /* for so many messages */
	int turns_read; /* so many were read */
	bool short_of_turns;
} WorkerType;

typedef struct WorkerSession
{
	int64 id;      /* 0: not attached */
	Oid extension; /* which it has attached to: its dgen.message */
	char name[NAMEDATALEN];
	Oid role; /* which attached */
	bool in_database;
	int ntypes;
	WorkerType *types;  /* in TopMemoryContext */
	int rotation;       /* type the next claim begins with */
	int32 suspect_type; /* a suspect that the next claim begins with; 0: none */
	int64 suspect_mailbox;
	int owned;          /* mailboxes by the last claim */
	int narrow;         /* most of them in ... */
	int narrow_batches; /* ... so many batches to come: the server was short of locks */
} WorkerSession;

/* Is the type, or are the actions of one, among those of the session? NULL stands for all. */
static inline bool
dgen_session_has(const WorkerSession *session, int32 type_id)
{
	if (session == NULL)
		return true;
	for (int i = 0; i < session->ntypes; i++)
		if (session->types[i].type_id == type_id)
			return true;
	return false;
}

/* One in the database runs with the rights of the owner of its types, and only handlers that are functions. */
static inline bool
dgen_session_serves(const WorkerSession *session, const struct ActorType *type)
{
	return !session->in_database || (type->owner == session->role && type->handler != NULL);
}

/* This session's worker; raises DGEN_ERR_NOT_ATTACHED if there is none. */
extern WorkerSession *dgen_worker_session(void);
extern bool dgen_is_attached(void);
extern void dgen_set_worker_session(WorkerSession *session); /* as a part of the transaction */

/* Raises DGEN_ERR_ISOLATION unless READ COMMITTED; what: "dgen.call" */
extern void dgen_refuse_isolation(const char *what);

/* Is the actor one of the batch's? NULL: no batch. */
extern bool dgen_batch_has(const struct Batch *batch, int32 type_id, int64 mailbox);

/* Is a handler running in this session? */
extern bool dgen_in_handler(void);

/* Raises DGEN_ERR_NESTED if one is; what: "dgen.call" */
extern void dgen_refuse_in_handler(const char *what, const char *hint);

/* The actor whose turn runs; NULL outside of handlers. */
extern const struct BatchActor *dgen_current_actor(void);
extern void dgen_set_current_actor(const struct BatchActor *actor);

/* What dgen_running_batch returns. */
extern void dgen_set_running_batch(const struct Batch *batch);

/* The batch that is claimed and not committed in this transaction; NULL: none. */
extern struct Batch *dgen_claimed_batch(void);

/* The same at the end of the transaction, when it has no number any more. */
extern struct Batch *dgen_batch_to_end(void);
extern void dgen_set_claimed_batch(
	struct Batch *batch); /* by the role that is current; NULL: it is over */

/* Raises 42501 unless whoever calls may act as the role that claimed it. */
extern void dgen_check_claimer(void);

/* Raises DGEN_ERR_NESTED if a batch is claimed in this transaction. */
extern void dgen_refuse_in_batch(const char *what, const char *hint);

extern bool dgen_is_in_action(int32 type_id, const text *key);

/* The batch whose turns run, with copies of what its actors have; NULL: none. */
extern const struct Batch *dgen_running_batch(void);

/* Raises DGEN_ERR_TYPE_CHANGED. */
extern void dgen_refuse_turn(const struct ActorType *type);
/* The same, if the type has had another owner, name or handler since it was read. */
extern void dgen_refuse_old_definition(const struct ActorType *type);

/* Does a batch or a turn of this session work on the actor? */
extern bool dgen_is_in_turn(int32 type_id, int64 mailbox);

#endif /* DGEN_ACTOR_IN_HAND_H */
