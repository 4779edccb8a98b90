/*
 * Every SQL text of the library.
 */
#ifndef DGEN_SERVER_SQL_H
#define DGEN_SERVER_SQL_H

#include "dgen.h"

#include "base/memory.h"

typedef struct dgen__statement
{
	const char *name; /* prepared under this name; NULL: never prepared */
	const char *sql;
	int nparams;
} dgen__statement;

/* A client's, of one round trip each; those with a name are in dgen__sql_client. */
extern const dgen__statement dgen__sql_version;
extern const dgen__statement dgen__sql_cast;
extern const dgen__statement dgen__sql_cast_many;
extern const dgen__statement dgen__sql_request;
extern const dgen__statement dgen__sql_await;
extern const dgen__statement dgen__sql_ask;
extern const dgen__statement dgen__sql_state;
extern const dgen__statement *const dgen__sql_client[]; /* up to NULL */

/* Of a client with several operations in progress. */
extern const dgen__statement dgen__sql_send_many;
extern const dgen__statement dgen__sql_await_any;
extern const dgen__statement dgen__sql_await_now;
enum dgen__many_parameter
{
	DGEN__MANY_TYPES,
	DGEN__MANY_KEYS,
	DGEN__MANY_MESSAGES,
	DGEN__MANY_REQUESTS,
	DGEN__MANY_DELAYS_MS,
	DGEN__MANY_PRIORITIES,
	DGEN__MANY_IDEMPOTENCY_KEYS,
	DGEN__MANY_HEADERS,
	DGEN__MANY_PARAMETERS
};
enum dgen__many_column
{
	DGEN__MANY_ID,
	DGEN__MANY_ERROR,
	DGEN__MANY_SQLSTATE,
	DGEN__MANY_HINT,
	DGEN__MANY_ELEMENT
};

/* A worker's, in the order in which it needs them. */
extern const dgen__statement dgen__sql_settings;
extern const dgen__statement dgen__sql_attach;
extern const dgen__statement dgen__sql_begin;
extern const dgen__statement dgen__sql_claim;
extern const dgen__statement dgen__sql_batch_state;
extern const dgen__statement dgen__sql_claim_locked;
extern const dgen__statement dgen__sql_commit_turns;
extern const dgen__statement dgen__sql_receipt;
extern const dgen__statement dgen__sql_settle;
extern const dgen__statement dgen__sql_commit;
extern const dgen__statement dgen__sql_rollback;
extern const dgen__statement dgen__sql_wait;
extern const dgen__statement dgen__sql_detach;

/* Those of them that a session prepares; ends with NULL. */
extern const dgen__statement *const dgen__sql_prepared[];

/* Columns of dgen__sql_claim. */
enum dgen__claim_column
{
	DGEN__CLAIM_ACTOR,
	DGEN__CLAIM_TYPE,
	DGEN__CLAIM_KEY,
	DGEN__CLAIM_VERSION,
	DGEN__CLAIM_STATE,
	DGEN__CLAIM_ID,
	DGEN__CLAIM_KIND,
	DGEN__CLAIM_ATTEMPT,
	DGEN__CLAIM_MESSAGE,
	DGEN__CLAIM_HEADERS,
	DGEN__CLAIM_IN_REPLY_TO,
	DGEN__CLAIM_CORRELATION,
	DGEN__CLAIM_ERROR,
	DGEN__CLAIM_SQLSTATE,
	DGEN__CLAIM_TOKEN
};

/* Values of DGEN__CLAIM_KIND. */
#define DGEN__ACTION "action"
#define DGEN__KIND_LOCKED "locked"

/* Parameters of dgen__sql_commit_turns. Up to DELAYS an element is about an actor. */
enum dgen__commit_parameter
{
	DGEN__COMMIT_HANDLED,
	DGEN__COMMIT_SET_ENTRIES,
	DGEN__COMMIT_DELETE_ENTRIES,
	DGEN__COMMIT_DESTROYED,
	DGEN__COMMIT_ERRORS,
	DGEN__COMMIT_SQLSTATES,
	DGEN__COMMIT_HINTS,
	DGEN__COMMIT_OUTCOMES,
	DGEN__COMMIT_DELAYS,
	DGEN__COMMIT_REPLY_REQUESTS,
	DGEN__COMMIT_REPLIES,
	DGEN__COMMIT_SEND_TYPES,
	DGEN__COMMIT_SEND_KEYS,
	DGEN__COMMIT_SEND_MESSAGES,
	DGEN__COMMIT_SEND_ACTORS,
	DGEN__COMMIT_SEND_REQUESTS,
	DGEN__COMMIT_SEND_CORRELATIONS,
	DGEN__COMMIT_SEND_DELAYS_MS,
	DGEN__COMMIT_SEND_PRIORITIES,
	DGEN__COMMIT_SEND_IDEMPOTENCY_KEYS,
	DGEN__COMMIT_SEND_HEADERS,
	DGEN__COMMIT_REPLY_ERRORS,
	DGEN__COMMIT_REPLY_SQLSTATES,
	DGEN__COMMIT_SEND_ACTIONS,
	DGEN__COMMIT_LOCKS,
	DGEN__COMMIT_ARRAYS, /* those before are */
	DGEN__COMMIT_RUN_US = DGEN__COMMIT_ARRAYS,
	DGEN__COMMIT_PARAMETERS
};

/* Creates the type with those parameters of its policy that are given; numbers the values. */
#define DGEN__TYPE_PARAMETERS 8
typedef struct dgen__type_values
{
	int count;
	const char *values[DGEN__TYPE_PARAMETERS];
	char numbers[DGEN__TYPE_PARAMETERS][16];
} dgen__type_values;
extern void dgen__sql_create_type(const dgen_actor_type *type, dgen__buffer *sql,
								  dgen__type_values *values);

/* Around the nth turn of a batch that uses the connection. */
#define DGEN__SAVEPOINT_SIZE 96
extern void dgen__sql_savepoint(char *sql, int n);
extern void dgen__sql_release(char *sql, int n);
extern void dgen__sql_rollback_to(char *sql, int n); /* and releases it */

#endif /* DGEN_SERVER_SQL_H */
