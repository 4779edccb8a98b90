/*
 * Actor types: their policy, who may do what; kinds of messages; the roles that rows name.
 */
#ifndef DGEN_ACTOR_ACTOR_H
#define DGEN_ACTOR_ACTOR_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define DGEN_MAX_KEY_BYTES 512
#define DGEN_MAX_TYPE_NAME_BYTES 128

/* message.kind */
#define KIND_CAST 'c'
#define KIND_REQUEST 'q'
#define KIND_REPLY 'r'
#define KIND_TIMER 't'
#define KIND_DEAD_LETTER 'd' /* tells an actor that a message of its died */
#define KIND_ACTION 'a'      /* of a type of actions, see below */

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
	const char *handler;     /* schema-qualified; NULL: external workers */
	const char *search_path; /* what the handler runs with */
	Jsonb *initial_state;
	int32 max_attempts;
	Interval backoff;
	Interval max_backoff;
	int64 turn_timeout_ms;
	Interval retention;
	int32 max_waiting;        /* messages of one actor, when another one is sent; 0: no limit */
	int32 max_concurrency;    /* actors that workers own at a time; 0: no limit */
	double max_rate;          /* turns a second of all workers together; 0: no limit */
	bool limited;             /* claims have to heed a limit */
	bool handle_dead_letters; /* its actors get messages of KIND_DEAD_LETTER */
	bool handle_actions;
	int64 lock_timeout_ms;
	int32 locked_priority; /* a locked actor handles messages of this and above */
} ActorType;

/* The actions of type n are messages of type -n, see action.c. */
static inline bool
dgen_is_of_actions(int32 type_id)
{
	return type_id < 0;
}

/* The type whose actions they are; that of actors is itself. */
static inline int32
dgen_actors_type(int32 type_id)
{
	return type_id < 0 ? -type_id : type_id;
}

/* declare.c: what workers for an external type handle, besides its messages, from now on. */
typedef enum Declared
{
	DECLARED_DEAD_LETTERS, /* its actors are told of them */
	DECLARED_ACTIONS
} Declared;

/* ---- actor_type.c: types, their policy, who may do what ----------------- */

extern void dgen_actor_type_init(void); /* _PG_init: invalidation callbacks */

/*
 * The cached type. The result lives until the end of the transaction, even if the
 * type changes meanwhile. By name it is as it has been committed by now; by id call after
 * a table was opened, so that pending invalidations have been seen. Raises
 * DGEN_ERR_UNKNOWN_TYPE unless missing_ok.
 * By id also a type of actions: it has the definition of the type, and no state.
 */
extern const ActorType *dgen_type_by_name(text *name);
extern const ActorType *dgen_type_by_id(int32 id, bool missing_ok);

/* Does the role have the privilege? The owner (as a role one is member of) and superusers have all. */
extern bool dgen_has_privilege(const ActorType *type, Oid role, Privilege privilege);

/* Raises 42501 with what to grant, unless it has. */
extern void dgen_check_privilege(const ActorType *type, Oid role, Privilege privilege);

/* Whoever has no privilege on a type is not told its name by a number that it has guessed. */
extern bool dgen_may_know_type(const ActorType *type, Oid role);
extern void dgen_check_work_found(const ActorType *type, Oid role);

/* Raises DGEN_ERR_NOT_ADOPTED in a restored database nobody adopted. */
extern void dgen_check_adopted(void);
extern TransactionId dgen_adopted_by(void); /* which wrote that, when it was checked last */

/* ---- nearest_type.c: a name that no actor type has is often a slip ------ */

/* nearest_type.c: the name of a type that the caller may use and may have meant; NULL: none. */
extern const char *dgen_nearest_type(const text *name);

/* ---- role.c: the roles that rows name ----------------------------------- */

/* For a message; the number of a role that is gone. */
extern const char *dgen_role_name(Oid role);

/* ---- declare.c: what external workers say about their types when they attach ---- */

extern void dgen_declare(const ActorType *type, Declared what);

/* ---- message_kind.c: kinds of messages, as handlers and workers see them ---- */

/* As handlers and workers see it: 'cast', 'call' ... */
extern const char *dgen_kind_name(char kind);

#endif /* DGEN_ACTOR_ACTOR_H */
