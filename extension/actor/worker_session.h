/*
 * The worker that has attached in this session. protocol/attach.c sets it; every room can read it.
 * Nothing here needs a lock.
 */
#ifndef DGEN_ACTOR_WORKER_SESSION_H
#define DGEN_ACTOR_WORKER_SESSION_H

#include "postgres.h"

struct ActorType;

typedef struct WorkerType
{
	int32 type_id;
	const char *name; /* under which a client has attached: a rename does not reach it */
	bool runs_parts;  /* its locked parts; else they are left to others */
	bool looked_at;   /* for locked parts, in this claim */
	double turn_us;   /* measured time of a turn, moving average; 0: not known */

	/* If the type has max_rate, in a claim. */
	int turns_left;      /* messages that can still be read */
	int turns_read;      /* messages that were read */
	bool short_of_turns; /* the bucket had no more of them */
} WorkerType;

typedef struct WorkerSession
{
	int64 id;      /* 0: not attached */
	Oid extension; /* to which it has attached: its dgen.message */
	char name[NAMEDATALEN];
	Oid role; /* which attached */
	bool in_database;
	int ntypes;
	WorkerType *types;  /* in TopMemoryContext */
	int rotation;       /* type with which the next claim begins */
	int32 suspect_type; /* of a suspect with which the next claim begins; 0: none */
	int64 suspect_mailbox;
	int owned;          /* mailboxes by the last claim */
	int narrow;         /* the server was short of locks: so many mailboxes at most, ... */
	int narrow_batches; /* ... in so many batches to come */
} WorkerSession;

extern bool dgen_is_attached(void);

/* Raises DGEN_ERR_NOT_ATTACHED if no worker has attached in this session. */
extern WorkerSession *dgen_worker_session(void);

/* Not transactional: attach.c undoes it if the transaction is rolled back. */
extern void dgen_set_worker_session(WorkerSession *session);

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

/* An in-database worker runs only handlers that are functions, of types of the role that it is connected as. */
extern bool dgen_session_serves(const WorkerSession *session, const struct ActorType *type);

#endif /* DGEN_ACTOR_WORKER_SESSION_H */
