/*
 * One message and its callback.
 */
#ifndef DGEN_TURN_TURN_H
#define DGEN_TURN_TURN_H

#include "dgen.h"

#include "base/error.h"
#include "turn/outbox.h"
#include "turn/state.h"

/* A message as the server gave it; all text NUL-terminated and valid until the turn ends; NULL: none. */
typedef struct dgen__message
{
	int64_t id;
	const char *kind;
	int attempt;
	const char *message;
	size_t length;
	const char *headers;
	int64_t in_reply_to; /* 0: none */
	const char *correlation;
	const char *error;
	const char *sqlstate;
	const char *token; /* of a locked part */
} dgen__message;

/* Is it one of an actor's actions? */
extern bool dgen__message_is_action(const dgen__message *message);

typedef enum dgen__outcome
{
	DGEN__COMMIT,
	DGEN__ERROR, /* the attempt failed */
	DGEN__FAIL,  /* final */
	DGEN__RETRY
} dgen__outcome;

/*
 * What the turn's connection needs: set by the worker, NULL in tests without a database.
 * turn.c calls finish once, if the connection was handed out and the callback ended
 * without an error, before anything of the turn is kept; an error from it is the turn's.
 */
typedef struct dgen__connector
{
	PGconn *(*connection)(void *context,
						  dgen__error *error);        /* a savepoint is open when it returns */
	int (*finish)(void *context, dgen__error *error); /* releases the savepoint */
	void *context;
} dgen__connector;

typedef struct dgen__turn_result
{
	dgen__outcome outcome;
	bool replied;   /* to the call that it handled */
	bool destroyed; /* the state is as before the turn; the caller puts a new one in its place */
	bool locks;     /* its actor */
	bool used_connection;
	bool raised;       /* the callback said why the attempt failed */
	int64_t delay_ms;  /* retry; -1: the type's backoff */
	dgen__error error; /* text and SQLSTATE ("": none); free with dgen__error_free */
} dgen__turn_result;

/*
 * Runs the type's callback for the message. State and outbox hold what the turn did if
 * the outcome is DGEN__COMMIT, else what they held before. actor is its number in the batch.
 * version 0 makes init run first: the actor is new, and so far in this batch nothing has
 * changed its state.
 */
extern void dgen__turn_run(const dgen_actor_type *type, const char *key, int64_t version, int actor,
						   dgen__state *state, dgen__outbox *outbox, const dgen__message *message,
						   const dgen__connector *connector, dgen__turn_result *result);

#endif /* DGEN_TURN_TURN_H */
