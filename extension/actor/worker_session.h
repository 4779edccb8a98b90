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
	const char *name; /* the name with which a client has attached; a rename does not change it */
	bool runs_parts;  /* the session runs its locked parts */
	bool looked_at;   /* this claim has checked for locked parts */
	double turn_us;   /* duration of a turn, moving average; 0: unknown */

	/* If the type has max_rate, in a claim. */
	int turns_left;      /* messages that can still be read */
	int turns_read;      /* messages that were read */
	bool short_of_turns; /* the token bucket was empty */
} WorkerType;

typedef struct WorkerSession
{
	int64 id;      /* 0: not attached */
	Oid extension; /* that it has attached to: OID of dgen.message */
	char name[NAMEDATALEN];
	Oid role; /* that attached */
	bool in_database;
	int ntypes;
	WorkerType *types;  /* in TopMemoryContext */
	int rotation;       /* first type of the next claim */
	int32 suspect_type; /* type of the suspect that the next claim begins with; 0: none */
	int64 suspect_mailbox;
	int owned;          /* number of mailboxes that the last claim owned */
	int narrow;         /* the server was short of locks: maximum number of mailboxes ... */
	int narrow_batches; /* ... in the next so many batches */
} WorkerSession;

extern bool dgen_is_attached(void);

/* Raises DGEN_ERR_NOT_ATTACHED if no worker has attached in this session. */
extern WorkerSession *dgen_worker_session(void);

/* Not transactional: attach.c undoes it if the transaction is rolled back. */
extern void dgen_set_worker_session(WorkerSession *session);

/* Does the session handle the type (of actors or of actions)? NULL stands for all. */
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

/* An in-database worker runs only handlers that are functions, for types that its role owns. */
extern bool dgen_session_serves(const WorkerSession *session, const struct ActorType *type);

#endif /* DGEN_ACTOR_WORKER_SESSION_H */
