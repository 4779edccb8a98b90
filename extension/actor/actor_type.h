/*
 * Actor types: their policy, and the privileges of roles on their actors.
 *
 * A session caches the types that it has used (actor_type.c). All functions that find a type need a
 * transaction.
 */
#ifndef DGEN_ACTOR_ACTOR_TYPE_H
#define DGEN_ACTOR_ACTOR_TYPE_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define DGEN_MAX_TYPE_NAME_BYTES 128

typedef enum Privilege
{
	PRIVILEGE_SEND,
	PRIVILEGE_READ,
	PRIVILEGE_WORK
} Privilege;

typedef struct ActorType
{
	int32 id;
	const char *name;
	Oid owner;
	const char *handler;     /* schema-qualified; NULL: external workers handle it */
	const char *search_path; /* of the handler */
	Jsonb *initial_state;
	int32 max_attempts;
	Interval backoff;
	Interval max_backoff;
	int64 turn_timeout_ms;
	Interval retention;
	int32 max_waiting;        /* waiting messages of an actor at which a send fails; 0: no limit */
	int32 max_concurrency;    /* maximum number of actors that workers own; 0: no limit */
	double max_rate;          /* maximum turns per second of all workers together; 0: no limit */
	bool limited;             /* has max_concurrency or max_rate, which claims check */
	bool handle_dead_letters; /* its actors get messages of KIND_DEAD_LETTER */
	bool handle_actions;      /* external workers have a callback for actions */
	int64 lock_timeout_ms;
	int32 locked_priority; /* a locked actor handles messages of this priority and above */
} ActorType;

/* The actions of type n are messages of type -n (send/action.c). */
static inline bool
dgen_is_of_actions(int32 type_id)
{
	return type_id < 0;
}

/* Returns the type whose actions they are; for a type of actors, itself. */
static inline int32
dgen_actors_type(int32 type_id)
{
	return type_id < 0 ? -type_id : type_id;
}

/* ---- actor_type.c: types, their policy, privileges ---- */

extern void dgen_actor_type_init(void); /* _PG_init: invalidation callbacks */

/*
 * Returns the type, from the cache if possible. The result stays valid until the end of the transaction,
 * even if the type changes in the meantime. By name, the type is as last committed. By id, call it after
 * a table was opened, so that pending invalidations have been seen. A negative id is a type of actions,
 * which has the definition of its type, and no state. Both raise DGEN_ERR_UNKNOWN_TYPE; with missing_ok
 * NULL is returned instead. By name, inside a turn of a type that was renamed, raises
 * DGEN_ERR_TYPE_CHANGED.
 */
extern const ActorType *dgen_type_by_name(text *name);
extern const ActorType *dgen_type_by_id(int32 id, bool missing_ok);

/* Members of the owner, and so superusers, have all privileges. */
extern bool dgen_has_privilege(const ActorType *type, Oid role, Privilege privilege);

/* Raises 42501, with what to grant, unless the role has the privilege. */
extern void dgen_check_privilege(const ActorType *type, Oid role, Privilege privilege);

/* Can the role know the name of the type, because it has any privilege on it? */
extern bool dgen_may_know_type(const ActorType *type, Oid role);

/*
 * Checks the privilege to work for a type that was found by a message id, which every role can guess.
 * Raises 42501, without the name of the type if the role must not know it.
 */
extern void dgen_check_work_found(const ActorType *type, Oid role);

/* Raises DGEN_ERR_NOT_ADOPTED in a copy of a database that was not adopted. */
extern void dgen_check_adopted(void);

/* The transaction that adopted this database, as the last dgen_check_adopted found it. */
extern TransactionId dgen_adopted_by(void);

/* ---- nearest_type.c: a name that no actor type has is often a typo ---- */

/* Returns the name of a type that the caller can use and might have meant; NULL: none. */
extern const char *dgen_nearest_type(const text *name);

#endif /* DGEN_ACTOR_ACTOR_TYPE_H */
