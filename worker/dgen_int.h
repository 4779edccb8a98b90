/*
 * The internal header of libdgen: a section per file, in the order in which a message
 * passes through them. What is here is private: names begin with dgen__.
 */
#ifndef DGEN_INT_H
#define DGEN_INT_H

#include <stdarg.h>

#include "dgen.h"

/* ---- memory.c: allocation that tests can make fail -------------------------
 *
 * All allocation of the library goes through these. Each returns NULL when memory is
 * out, and callers turn that into DGEN_ENOMEM.
 */

extern void *dgen__malloc(size_t size);
extern void *dgen__calloc(size_t count, size_t size);
extern void *dgen__realloc(void *memory, size_t size);
extern char *dgen__strndup(const char *text, size_t length);
extern char *dgen__strdup(const char *text);
extern void dgen__free(void *memory);

/* A growing text; the first failed allocation sticks and shows in `failed`. */
typedef struct dgen__buffer
{
	char	   *data;			/* NUL-terminated once something was added; NULL before */
	size_t		length;
	size_t		size;
	bool		failed;
} dgen__buffer;

extern void dgen__buffer_add(dgen__buffer *buffer, const char *data, size_t length);
extern void dgen__buffer_puts(dgen__buffer *buffer, const char *text);
extern void dgen__buffer_printf(dgen__buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void dgen__buffer_clear(dgen__buffer *buffer); /* keeps the memory */
extern void dgen__buffer_free(dgen__buffer *buffer);

/* ---- error.c: the error of a handle ------------------------------------------ */

typedef struct dgen__error
{
	int			code;
	char		sqlstate[6];
	char	   *text;			/* NULL: none */
	char	   *hint;
} dgen__error;

/* Each returns code. A text that memory is out for is replaced by that of the code. */
extern int	dgen__fail(dgen__error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
extern int	dgen__fail_hint(dgen__error *error, int code, const char *hint, const char *format, ...)
			__attribute__((format(printf, 4, 5)));
/* From a result of the server: message, detail, SQLSTATE and hint; the code follows from the SQLSTATE. */
extern int	dgen__fail_result(dgen__error *error, const PGresult *result);
extern void dgen__error_clear(dgen__error *error);
extern void dgen__error_free(dgen__error *error);

/* ---- json.c: reading, checking and writing JSON text ---------------------------- */

/* Appends text as a JSON string with quotes. Invalid UTF-8 is the caller's to check. */
extern void dgen__json_add_string(dgen__buffer *buffer, const char *text, size_t length);
/* Appends a number that reads back as the same double; false for nan and inf. */
extern bool dgen__json_add_double(dgen__buffer *buffer, double number);
extern bool dgen__utf8_valid(const char *text, size_t length);

/* Walks the members of an object or the elements of an array whose text is valid JSON. */
typedef struct dgen__json_walk
{
	const char *next;
	const char *end;
	bool		object;
} dgen__json_walk;
extern int	dgen__json_walk_begin(dgen__json_walk *walk, const char *text, size_t length, char open); /* '{' or '[' */
extern bool dgen__json_walk_next(dgen__json_walk *walk, dgen_json *name, dgen_json *value); /* name: with quotes */

/* ---- state.c: the state of an actor as entries ------------------------------------
 *
 *     what the server has ──base──> batch begins ──turn──> turn ──> ...
 *
 * Changes of a turn can be undone; changes of a batch are a diff against what the
 * server has. Only that diff travels.
 */

typedef struct dgen__state dgen__state;

extern int	dgen__state_parse(dgen__state **state, const char *json, size_t length); /* a JSON object, trusted to be valid */
extern void dgen__state_free(dgen__state *state);
extern size_t dgen__state_bytes(const dgen__state *state); /* memory it takes, for the cache's bound */

extern const char *dgen__state_get(dgen__state *state, const char *entry, size_t *length);
extern int	dgen__state_set(dgen__state *state, const char *entry, const char *json, size_t length); /* valid JSON */
extern int	dgen__state_delete(dgen__state *state, const char *entry);
extern int	dgen__state_replace(dgen__state *state, const char *json, size_t length);
extern const char *dgen__state_scan(dgen__state *state, const char *prefix, const char **entry, size_t *length);
extern int	dgen__state_json(dgen__state *state, dgen__buffer *json); /* the whole as an object */

extern void dgen__state_begin_turn(dgen__state *state);
extern void dgen__state_undo_turn(dgen__state *state); /* as it was at begin_turn */
extern void dgen__state_keep_turn(dgen__state *state);

/* The diff of the kept turns since the state was read or confirmed. False: none. set: object; deleted: array of names. */
extern bool dgen__state_diff(dgen__state *state, dgen__buffer *set, dgen__buffer *deleted);
extern void dgen__state_confirm(dgen__state *state); /* the server has it now */

/* ---- outbox.c: what turns send, until the batch commits ---------------------------- */

typedef struct dgen__send
{
	int			actor;			/* 1-based number of the sending actor in its batch */
	bool		request;		/* the reply comes to that actor */
	char	   *type;
	char	   *key;
	char	   *message;		/* JSON */
	char	   *correlation;	/* NULL: none; so below */
	char	   *idempotency_key;
	char	   *headers;
	int64_t		delay_ms;
	int			priority;
} dgen__send;

typedef struct dgen__reply
{
	int64_t		request;
	char	   *reply;			/* JSON */
} dgen__reply;

typedef struct dgen__action
{
	void		(*action) (void *data);
	void		(*release) (void *data);
	void	   *data;
} dgen__action;

typedef struct dgen__outbox
{
	dgen__send *sends;
	size_t		nsends;
	size_t		sends_size;
	dgen__reply *replies;
	size_t		nreplies;
	size_t		replies_size;
	dgen__action *actions;
	size_t		nactions;
	size_t		actions_size;
} dgen__outbox;

typedef struct dgen__outbox_mark
{
	size_t		nsends;
	size_t		nreplies;
	size_t		nactions;
} dgen__outbox_mark;

extern dgen__outbox_mark dgen__outbox_mark_now(const dgen__outbox *outbox);
extern void dgen__outbox_undo(dgen__outbox *outbox, dgen__outbox_mark mark); /* drops what came after; releases run */
extern void dgen__outbox_finish(dgen__outbox *outbox, bool committed); /* runs actions and releases, empties it */

/* ---- turn.c: one message and its callback -------------------------------------------- */

/* A message as the server gave it; all text NUL-terminated and valid until the turn ends; NULL: none. */
typedef struct dgen__message
{
	int64_t		id;
	const char *kind;
	int			attempt;
	const char *message;
	size_t		length;
	const char *headers;
	int64_t		in_reply_to;	/* 0: none */
	const char *correlation;
	const char *error;
	const char *sqlstate;
} dgen__message;

typedef enum dgen__outcome
{
	DGEN__COMMIT,
	DGEN__ERROR,				/* the attempt failed */
	DGEN__FAIL,					/* final */
	DGEN__RETRY
} dgen__outcome;

/*
 * What the turn's connection needs: set by the worker, NULL in tests without a database.
 * turn.c calls finish once, if the connection was handed out and the callback ended
 * without an error, before anything of the turn is kept; an error from it is the turn's.
 */
typedef struct dgen__connector
{
	PGconn	   *(*connection) (void *context, dgen__error *error); /* a savepoint is open when it returns */
	int			(*finish) (void *context, dgen__error *error);	   /* releases the savepoint */
	void	   *context;
} dgen__connector;

typedef struct dgen__turn_result
{
	dgen__outcome outcome;
	bool		replied;
	bool		destroyed;
	bool		used_connection;
	int64_t		delay_ms;		/* retry; -1: the type's backoff */
	dgen__error error;			/* text and SQLSTATE; free with dgen__error_free */
} dgen__turn_result;

/*
 * Runs the type's callback for the message. State and outbox hold what the turn did if
 * the outcome is DGEN__COMMIT, else what they held before. actor is its number in the batch.
 */
extern void dgen__turn_run(const dgen_actor_type *type, const char *key, int64_t version, int actor, dgen__state *state,
						   dgen__outbox *outbox, const dgen__message *message, const dgen__connector *connector,
						   dgen__turn_result *result);

/* ---- sql.c: every SQL text of the library ------------------------------------------------ */

typedef struct dgen__statement
{
	const char *name;			/* prepared under this name */
	const char *sql;
	int			nparams;
} dgen__statement;

/* Statements are listed in sql.c; extern const dgen__statement dgen__sql_cast; and so on. */

#endif							/* DGEN_INT_H */
