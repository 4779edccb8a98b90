/*
 * The internal header of libdgen: a section per file, in the order in which a message
 * passes through them. What is here is private: names begin with dgen__.
 */
#ifndef DGEN_INT_H
#define DGEN_INT_H

#include <stdarg.h>
#include <stdatomic.h>

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

/*
 * Makes an array of `size` elements larger, to at least `needed`, by doubling. NULL when
 * memory is out, and then the array is as it was.
 */
extern void *dgen__grow(void *array, size_t *size, size_t needed, size_t element);

/*
 * For tests: after `count` more allocations one fails, or all from then on (for_good).
 * A count below 0: none does.
 */
extern void dgen__memory_fail_after(long count, bool for_good);
extern bool dgen__memory_failed(void); /* has one since then? */

/* A growing text; the first failed allocation sticks and shows in `failed`. */
typedef struct dgen__buffer
{
	char *data; /* NUL-terminated once something was added; NULL before */
	size_t length;
	size_t size;
	bool failed;
} dgen__buffer;

extern void dgen__buffer_add(dgen__buffer *buffer, const char *data, size_t length);
extern void dgen__buffer_puts(dgen__buffer *buffer, const char *text);
extern void dgen__buffer_printf(dgen__buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern void dgen__buffer_vprintf(dgen__buffer *buffer, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));
extern void dgen__buffer_clear(dgen__buffer *buffer); /* keeps the memory; forgets a failure */
extern void dgen__buffer_free(dgen__buffer *buffer);

/* ---- error.c: the error of a handle ------------------------------------------ */

typedef struct dgen__error
{
	int code;
	char sqlstate[6];
	char *text; /* NULL: none, or memory was out: read it with dgen__error_text */
	char *hint;
} dgen__error;

/*
 * Each returns code and replaces the error that there was; what the new text quotes may be
 * part of it. Texts come out as valid UTF-8. A text that memory is out for is replaced
 * by that of the code.
 */
extern int dgen__fail(dgen__error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern int dgen__fail_hint(dgen__error *error, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* From a result of the server: message, detail, SQLSTATE and hint; the code follows from the SQLSTATE. */
extern int dgen__fail_result(dgen__error *error, const PGresult *result);
/* Whether it was done is not known, because of `why`, which may be `error`. */
extern int dgen__fail_doubtful(dgen__error *error, const char *hint, const dgen__error *why);
#define DGEN__DOUBT_SENT \
	"Send it again with the idempotency key that it had, or find out in another way."
/* The same from its parts; hint may be NULL. */
extern int dgen__fail_server(dgen__error *error, const char *sqlstate, const char *text,
							 const char *hint);
/* Makes libpq's message one line, without the place in the server's source. */
extern void dgen__tidy(char *text);
extern void dgen__error_clear(dgen__error *error);
extern void dgen__error_free(dgen__error *error);
/* Without what a database may be unable to hold. */
extern void dgen__error_to_ascii(dgen__error *error);
/* Of an error's text, when it is sent: more than the server keeps of it. */
#define DGEN__MAX_ERROR_BYTES 8192
/* Never NULL; "" if there is none. */
extern const char *dgen__error_text(const dgen__error *error);
extern const char *dgen__error_hint(const dgen__error *error);
/* At the end of a log line: " (hint: ...)", or nothing. */
#define DGEN__HINT_FORMAT "%s%s%s"
#define DGEN__HINT_OF(error)                                                       \
	dgen__error_hint(error)[0] != '\0' ? " (hint: " : "", dgen__error_hint(error), \
		dgen__error_hint(error)[0] != '\0' ? ")" : ""

/* ---- check.c: what is refused before it goes to the server ----------------------------
 *
 * One bad value would make the whole statement fail, and with it all turns of a batch.
 * Each returns 0, or sets the error and returns its code. `what` is the subject of the
 * error's text, like "message".
 */

#define DGEN__MAX_TYPE_BYTES 128
#define DGEN__MAX_KEY_BYTES 512
#define DGEN__MAX_JSON_BYTES 0x0fffffff           /* jsonb's */
#define DGEN__MAX_DELAY_MS INT64_C(3155760000000) /* a century, as the server has it */

/* An actor's type and key. */
extern int dgen__check_actor(dgen__error *error, const char *type, const char *key);
/* Text in UTF-8 of 1 to max bytes. */
extern int dgen__check_text(dgen__error *error, const char *what, const char *text, size_t max);
/* JSON that jsonb can hold. Puts the length into *length if that is DGEN_STRLEN. */
extern int dgen__check_json(dgen__error *error, const char *what, const char *json, size_t *length);
/* The same, and it has to be an object. */
extern int dgen__check_object(dgen__error *error, const char *what, const char *json,
							  size_t *length);
/*
 * Copies a struct whose first member is its size, as this version knows it, from a program
 * that may know another; what is missing is 0, and what is unknown has to be 0.
 */
extern int dgen__check_struct(dgen__error *error, const char *name, const void *given, void *copy,
							  size_t size);
/* The same for send options (NULL: defaults), and their values. */
extern int dgen__check_send_options(dgen__error *error, const dgen_send_options *options,
									dgen_send_options *copy);
extern bool dgen__sqlstate_valid(const char *sqlstate);

/* ---- json_string.c: strings of JSON text ------------------------------------- */

/* The bytes of the character that text begins with; 0 if it is not valid. */
extern size_t dgen__utf8_character(const char *text, size_t length);
extern bool dgen__utf8_valid(const char *text, size_t length);
/* Replaces each byte that is not part of a character by a question mark. */
extern void dgen__utf8_mend(char *text);
/* Replaces each character that is not ASCII by a question mark; the text is valid. */
extern void dgen__utf8_to_ascii(char *text);
/* The length of valid text, or where it is to be cut to have at most so many bytes. */
extern size_t dgen__utf8_cut(const char *text, size_t most);
/*
 * Reads one character of a string, escaped or not, into out (4 bytes) and moves *text
 * behind it. Its bytes; 0 if it is not valid there. *text is below end.
 */
extern size_t dgen__json_character(const char **text, const char *end, char *out);
/* Makes a valid string with quotes plain text, in place and NUL-terminated; returns the length. */
extern size_t dgen__json_unescape(char *text, size_t length);
/* Appends text as a JSON string with quotes. Invalid UTF-8 is the caller's to check. */
extern void dgen__json_add_string(dgen__buffer *buffer, const char *text, size_t length);

/* ---- json_number.c: numbers of JSON text ------------------------------------------------- */

/* Appends a number that reads back as the same double; false for nan and inf. */
extern bool dgen__json_add_double(dgen__buffer *buffer, double number);

/* ---- json.c: checking, finding, walking ---------------------------------------------------- */

#define DGEN__JSON_DEPTH 6000 /* containers in each other that pass as valid */

/*
 * Valid, and nothing in it that jsonb cannot hold: \u0000, numbers beyond numeric. If
 * not, *wrong is the byte where that shows.
 */
extern bool dgen__json_storable(const char *text, size_t length, size_t *wrong);

/* Leaves out the white space around it. */
extern void dgen__json_trim(const char **text, size_t *length);

/* Walks the members of an object or the elements of an array whose text is valid JSON. */
typedef struct dgen__json_walk
{
	const char *next;
	const char *end;
	bool object;
} dgen__json_walk;
extern int dgen__json_walk_begin(dgen__json_walk *walk, const char *text, size_t length,
								 char open); /* '{' or '[' */
extern bool dgen__json_walk_next(dgen__json_walk *walk, dgen_json *name,
								 dgen_json *value); /* name: with quotes */

/* ---- state.c: the state of an actor as entries ------------------------------------
 *
 *     what the server has ──base──> batch begins ──turn──> turn ──> ...
 *
 * Changes of a turn can be undone; changes of a batch are a diff against what the
 * server has. Only that diff travels.
 */

typedef struct dgen__state dgen__state;

/* A JSON object, trusted to be valid; copied, and looked into when it is first needed. */
extern int dgen__state_parse(dgen__state **state, const char *json, size_t length);
/*
 * Looks into it. The functions that need that do it themselves; after a load that
 * returned 0, NULL from get and scan cannot mean that memory was out.
 */
extern int dgen__state_load(dgen__state *state);
extern void dgen__state_free(dgen__state *state);
extern size_t dgen__state_bytes(
	const dgen__state *state); /* memory it takes, for the cache's bound */

/* What get and scan return lives until the entry changes, confirm, or the end of the turn; a name until confirm. */
extern const char *dgen__state_get(dgen__state *state, const char *entry, size_t *length);
extern int dgen__state_set(dgen__state *state, const char *entry, const char *json,
						   size_t length); /* valid JSON */
extern int dgen__state_delete(dgen__state *state, const char *entry);
/* Valid JSON, an object. If memory runs out some entries are replaced: undo the turn. */
extern int dgen__state_replace(dgen__state *state, const char *json, size_t length);
extern const char *dgen__state_scan(dgen__state *state, const char *prefix, const char **entry,
									size_t *length);
extern int dgen__state_json(dgen__state *state, dgen__buffer *json); /* the whole as an object */

/* Changes are made between begin and undo or keep. */
extern void dgen__state_begin_turn(dgen__state *state);
extern void dgen__state_undo_turn(dgen__state *state); /* as it was at begin_turn */
extern void dgen__state_keep_turn(dgen__state *state);

/*
 * The diff of the kept turns since the state was read or confirmed. False: none. Appends
 * an object of entries to set and an array of names to deleted, nothing where there is
 * nothing.
 */
extern bool dgen__state_diff(dgen__state *state, dgen__buffer *set, dgen__buffer *deleted);
extern bool dgen__state_changed(const dgen__state *state); /* is there a diff? */
extern void dgen__state_confirm(dgen__state *state); /* the server has it now; no turn is open */

/* ---- guard.c: who may use a handle --------------------------------------------------- */

extern unsigned dgen__this_process(void);     /* this one, as its handles note it */
extern bool dgen__is_child(unsigned process); /* of that one, by a fork */
extern int dgen__refuse_child(dgen__error *error, const char *what);
/* In a child: it no longer has the parent's socket. */
extern void dgen__leave_session(PGconn *connection, unsigned process);
/* PQfinish. In a child the parent's session goes on. */
extern void dgen__disconnect(PGconn *connection, unsigned process);

/* ---- outbox.c: what turns send, until the batch commits ---------------------------- */

typedef struct dgen__send
{
	int actor;        /* 1-based number of the sending actor in its batch */
	bool request;     /* the reply comes to that actor */
	bool action;      /* of that actor; correlation is its name */
	const char *type; /* begins the memory of all texts */
	const char *key;
	const char *message;     /* JSON */
	const char *correlation; /* NULL: none; so below */
	const char *idempotency_key;
	const char *headers;
	int64_t delay_ms;
	int priority;
} dgen__send;

typedef struct dgen__reply
{
	int64_t request;
	char *reply; /* JSON; NULL: it fails */
	char *error; /* then */
	char sqlstate[6];
} dgen__reply;

typedef struct dgen__action
{
	void (*action)(void *data);
	void (*release)(void *data);
	void *data;
} dgen__action;

typedef struct dgen__outbox
{
	dgen__send *sends;
	size_t nsends;
	size_t sends_size;
	dgen__reply *replies;
	size_t nreplies;
	size_t replies_size;
	dgen__action *actions;
	size_t nactions;
	size_t actions_size;
} dgen__outbox;

typedef struct dgen__outbox_mark
{
	size_t nsends;
	size_t nreplies;
	size_t nactions;
} dgen__outbox_mark;

/* Each copies what it is given, and returns 0 or DGEN_ENOMEM. */
extern int dgen__outbox_send(dgen__outbox *outbox, const dgen__send *send, size_t message_length);
extern int dgen__outbox_reply(dgen__outbox *outbox, int64_t request, const char *json,
							  size_t length);
/* Bytes of the error that are no UTF-8 become question marks. */
extern int dgen__outbox_fail(dgen__outbox *outbox, int64_t request, const char *error,
							 const char *sqlstate);
extern int dgen__outbox_action(dgen__outbox *outbox, const dgen__action *action);

/* The same for one message by itself: the copies of its texts are one piece of memory. */
extern int dgen__send_copy(dgen__send *send, size_t message_length);
extern void dgen__send_free(dgen__send *send);

extern dgen__outbox_mark dgen__outbox_mark_now(const dgen__outbox *outbox);
extern void dgen__outbox_undo(dgen__outbox *outbox,
							  dgen__outbox_mark mark); /* drops what came after; releases run */
extern void dgen__outbox_finish(dgen__outbox *outbox,
								bool committed); /* runs actions and releases, frees all it holds */
/* The same without its actions, which go to another one that is empty. */
extern void dgen__outbox_keep_actions(dgen__outbox *outbox, dgen__outbox *to);

/* ---- turn.c: one message and its callback --------------------------------------------
 *
 * The functions that callbacks use are in turn_message.c (what came), turn_state.c
 * (entries) and turn_send.c (what goes out).
 */

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
#define DGEN__ACTION "action"
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

/* A text that lives as long as the turn. */
typedef struct dgen__turn_text
{
	struct dgen__turn_text *next;
	char text[];
} dgen__turn_text;

struct dgen_turn
{
	const dgen_actor_type *type;
	const char *key;
	int64_t version;
	int actor;
	dgen__state *state;
	dgen__outbox *outbox;
	const dgen__message *message;
	const dgen__connector *connector;
	PGconn *connection; /* NULL: not asked for */

	int stuck; /* code of the first error; 0: none */
	dgen__error
		error; /* of that error, or of dgen_turn_fail or raise, which come later and count more */
	dgen__outcome ending; /* not DGEN__COMMIT once the callback chose it */
	int64_t delay_ms;
	bool answered; /* a reply was made, dropped or not */
	bool destroyed;
	bool locks;

	dgen__buffer whole;   /* what dgen_turn_state returned; empty after a change */
	dgen__buffer scratch; /* JSON of a number or string on its way */
	dgen__turn_text *texts;
};

/* 0 if the turn can go on; DGEN_EINVAL for NULL, else the error that stuck. */
extern int dgen__turn_ready(const dgen_turn *turn);
/* The same, and DGEN_ESTATE for an action. */
extern int dgen__turn_has_state(dgen_turn *turn);
/* Is it a locked part? */
extern bool dgen__turn_is_locked(const dgen_turn *turn);
#define DGEN__KIND_LOCKED "locked"
/* Makes the code of a failed call stick; turn->error may have its text already. Returns it; 0 for 0. */
extern int dgen__turn_stick(dgen_turn *turn, int code);
/* What a callback gives as an error; NULL: an unspecified one. */
extern const char *dgen__turn_error_text(const char *error);
/* The SQLSTATE if it is one, otherwise another. */
#define DGEN__FAIL_SQLSTATE "ZD400"  /* as dgen.fail */
#define DGEN__RAISE_SQLSTATE "P0001" /* as RAISE EXCEPTION */
extern const char *dgen__turn_sqlstate(const char *sqlstate, const char *otherwise);
/* Put a value into turn->scratch as JSON. What cannot be JSON is an error that sticks. */
extern int dgen__turn_write_double(dgen_turn *turn, double number);
extern int dgen__turn_write_string(dgen_turn *turn, const char *text);
/*
 * Typed readings of what a name stands for, in the message or in the state. What is not of
 * the type is an error that sticks.
 */
typedef struct dgen__source
{
	const char *what; /* of errors: "message" or "entry" */
	/* False: absent, or an error that sticks. */
	bool (*find)(dgen_turn *turn, const char *name, dgen_json *value);
} dgen__source;
extern int64_t dgen__turn_int64(dgen_turn *turn, const dgen__source *source, const char *name,
								int64_t absent);
extern double dgen__turn_double(dgen_turn *turn, const dgen__source *source, const char *name,
								double absent);
extern bool dgen__turn_bool(dgen_turn *turn, const dgen__source *source, const char *name,
							bool absent);
extern const char *dgen__turn_string(dgen_turn *turn, const dgen__source *source, const char *name,
									 const char *absent);

/* ---- sql.c: every SQL text of the library ------------------------------------------------ */

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

/* A client's with several operations under way. */
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

/* ---- result.c: is what the server has sent what it has to be? ------------------------------
 *
 * 0, or the error: then the connection is of no use.
 */

/* One row of so many columns. what: "dgen.cast" */
extern int dgen__result_check(const PGresult *result, const char *what, int columns,
							  bool may_be_null, dgen__error *error);
extern int dgen__claim_check(const PGresult *rows, dgen__error *error);
extern int dgen__many_check(const PGresult *rows, size_t sent, dgen__error *error);
/* Of what one of these has found to be a number; 0: NULL. */
extern int64_t dgen__result_number(const PGresult *result, int row, int column);
/* Is the error the answer to a request, and not one of the statement that looked for it? */
extern bool dgen__result_is_answer(const PGresult *result);

/* ---- array.c: PostgreSQL's arrays in binary form ------------------------------------------
 *
 * Elements are added in order; an array in which all are NULL is sent as NULL.
 */

typedef enum dgen__array_type
{
	DGEN__BOOL = 16, /* the server's fixed OIDs */
	DGEN__INT8 = 20,
	DGEN__INT4 = 23,
	DGEN__TEXT = 25,
	DGEN__INTERVAL = 1186,
	DGEN__JSONB = 3802
} dgen__array_type;

typedef struct dgen__array
{
	dgen__array_type type;
	int count;
	bool any; /* some element is not NULL */
	bool has_null;
	dgen__buffer data; /* the header is filled in at the end */
} dgen__array;

extern void dgen__array_begin(dgen__array *array, dgen__array_type type); /* keeps the memory */
extern void dgen__array_null(dgen__array *array);
extern void dgen__array_bool(dgen__array *array, bool value);
extern void dgen__array_int4(dgen__array *array, int value);
extern void dgen__array_int8(dgen__array *array, int64_t value);
extern void dgen__array_interval(dgen__array *array, int64_t ms);
extern void dgen__array_text(dgen__array *array, const char *text,
							 size_t length); /* also for jsonb */
extern void dgen__array_text_or_null(dgen__array *array, const char *text);
extern void dgen__array_error_or_null(dgen__array *array, const char *text); /* cut */
extern void dgen__array_end(dgen__array *array);
extern void dgen__array_free(dgen__array *array);

/* Where the parts of messages to send go. */
typedef struct dgen__send_arrays
{
	dgen__array *types;
	dgen__array *keys;
	dgen__array *messages;
	dgen__array *requests;
	dgen__array *delays_ms;
	dgen__array *priorities;
	dgen__array *idempotency_keys;
	dgen__array *headers;
} dgen__send_arrays;

/* An element for each; NULL where there is nothing to say. */
extern void dgen__send_encode(const dgen__send *send, size_t message_length,
							  const dgen__send_arrays *arrays);

/* ---- connection.c: reaching a server --------------------------------------------------------- */

/* Is it a connection string that libpq can read? */
extern int dgen__conninfo_check(const char *conninfo, dgen__error *error);

/*
 * Begins to connect, with the settings that dgen wants below those of conninfo. The
 * nth attempt begins with the nth host. NULL: no memory.
 */
extern PGconn *dgen__connect_start(const char *conninfo, const char *application_name, int attempt);

/* Connects; always returns a connection to be finished, good or bad, unless memory is out. */
extern PGconn *dgen__connect(const char *conninfo, const char *application_name, int timeout_ms);

/* The error of a connection that could not be made, or broke. */
extern int dgen__fail_connection(dgen__error *error, PGconn *connection);

/* When to try again after so many attempts; random is a state of the caller's, not 0. */
extern uint64_t dgen__random_begin(const void *handle);
extern int dgen__backoff_ms(uint64_t *random, int attempts, int min_ms, int max_ms);

/* Reads what is there, as much as libpq can be made to; false when the connection is broken. */
extern bool dgen__read_input(PGconn *connection);

/* How long a connection attempt may take according to conninfo and environment. */
extern int dgen__connect_timeout_ms(const char *conninfo);

extern int dgen__fail_error(dgen__error *error, const dgen__error *from); /* a copy */

/* Can trying again not mend it? */
extern bool dgen__is_final(const dgen__error *error);

/*
 * An error that ends by itself when an update is complete: of the server, or with a text of
 * ours. Another connection may see the end of it earlier.
 */
#define DGEN__UPDATING "ZD038"
#define DGEN__CHANGED "ZD039" /* somebody has changed a table of dgen's */
extern bool dgen__is_updating(const dgen__error *error);
extern int dgen__set_updating(dgen__error *error);

/* Does the extension's version fit this library? */
extern int dgen__check_version(const char *extension_version, dgen__error *error);
extern int dgen__check_encoding(PGconn *connection, const char *hint,
								dgen__error *error); /* DGEN_ESTATE if it is not UTF-8 */
extern int dgen__check_extension(PGconn *connection, const PGresult *rows,
								 dgen__error *error); /* of dgen__sql_version */
extern int dgen__not_installed(PGconn *connection, dgen__error *error);
extern void dgen__ignore_notices(PGconn *connection);

/* Sends a statement, prepared or not, as pipeline mode wants it. */
extern int dgen__statement_send(PGconn *connection, const dgen__statement *statement,
								const char *const *values, const int *lengths, const int *formats);

/* ---- loop.c: one descriptor that says when to go on --------------------------------------------- */

typedef struct dgen__loop
{
	int epoll;        /* holds the others; what the application polls */
	int stop;         /* eventfd */
	int timer;        /* timerfd */
	unsigned process; /* that has opened them: epoll and eventfd are shared with its children */
	atomic_bool stopped;
	int socket;   /* of the connection; -1: none */
	bool reading; /* what the socket is watched for */
	bool writing;
	int64_t deadline; /* that the timer is set to, ms; DGEN__NEVER: none */
} dgen__loop;

#define DGEN__NEVER INT64_MAX

extern int64_t dgen__now_us(void); /* of a clock that only goes forward */
extern int64_t dgen__now_ms(void);
extern int dgen__loop_open(dgen__loop *loop); /* 0 or -1 with errno */
extern void dgen__loop_close(dgen__loop *loop);
extern int dgen__loop_add(dgen__loop *loop, int descriptor); /* for reading, until close */
extern void dgen__loop_watch(dgen__loop *loop, int socket, bool read, bool write);
extern void dgen__loop_forget(dgen__loop *loop); /* before the socket is closed */
extern void dgen__loop_alarm(dgen__loop *loop, int64_t deadline);
extern void dgen__loop_stop(dgen__loop *loop); /* any thread, any signal handler */
extern void dgen__loop_wait(dgen__loop *loop);

/* Goes on with a connection attempt until the deadline: 1 while there is more to come, 0 when it is made. */
extern int dgen__connect_continue(PGconn *connection, dgen__loop *loop, int64_t deadline,
								  int timeout_ms, dgen__error *error);

/* ---- client.c, async.c, operation.c, timeouts.c, pipeline*.c: the client ------------------------------------------
 *
 * An operation of several that are under way:
 *
 *     start ──> waiting ──send_many──> sent ──a cast: committed──> callback
 *                  │                    │ └────a call: its id────> open ──await_any──> callback
 *                  └───────────────────>┴──── timeout, lost connection: callback
 *
 * Of an open call that times out the server may be asked first why (pipeline_explain.c).
 *
 * One that ends while the server is still to say something about it stays where it is,
 * over, until that has come.
 */

typedef struct dgen__operation dgen__operation;

typedef enum dgen__place
{
	DGEN__WAITING, /* in the queue */
	DGEN__SENT,    /* in the statement under way */
	DGEN__OPEN     /* its reply is awaited */
} dgen__place;

struct dgen__operation
{
	dgen__operation *next; /* of its queue */
	dgen__operation *previous;
	dgen__place place;
	bool over;        /* its callback has run */
	int doubts;       /* how often the connection was lost while it was sent */
	dgen__send send;  /* request: it is a call */
	size_t length;    /* of the message */
	size_t bytes;     /* what it counts for */
	int64_t deadline; /* DGEN__NEVER: none */
	size_t timeout;   /* its index among the timeouts */
	int64_t id;       /* of its request, once open */
	dgen_client_callback callback;
	void *user;
};

typedef struct dgen__queue
{
	dgen__operation *first;
	dgen__operation *last;
	size_t count;
} dgen__queue;

/* timeouts.c: a heap of those that have a deadline, the first one on top. */
typedef struct dgen__timeouts
{
	dgen__operation **heap;
	size_t count;
	size_t size;
} dgen__timeouts;

extern int dgen__timeouts_reserve(dgen__timeouts *timeouts, size_t count); /* 0 or DGEN_ENOMEM */
extern void dgen__timeouts_add(dgen__timeouts *timeouts, dgen__operation *operation); /* reserved */
extern void dgen__timeouts_remove(dgen__timeouts *timeouts, dgen__operation *operation);
extern dgen__operation *dgen__timeouts_first(const dgen__timeouts *timeouts); /* NULL: none */

/* What results that are to come belong to, in order. */
typedef struct dgen__answers
{
	unsigned char *list;
	size_t first;
	size_t count;
	size_t size;
} dgen__answers;

extern int dgen__answers_add(dgen__answers *answers, unsigned char answer); /* 0 or DGEN_ENOMEM */
extern unsigned char dgen__answers_take(dgen__answers *answers);

typedef enum dgen__link
{
	DGEN__LINK_IDLE, /* the connection, if there is one, is not in pipeline mode */
	DGEN__LINK_RESTING,
	DGEN__LINK_CONNECTING,
	DGEN__LINK_CHECKING, /* connected; the extension's version is to come */
	DGEN__LINK_RUNNING
} dgen__link;

typedef struct dgen__async
{
	dgen__loop loop;
	dgen__link link;
	int64_t deadline; /* of the link's state; DGEN__NEVER: none */
	int attempts;     /* to connect or await, since that worked */
	uint64_t random;
	bool running;  /* in a step, whose callbacks may start operations and nothing else */
	bool closing;  /* to be closed when the step ends */
	bool left;     /* an exception has left a callback, in mid-step */
	bool refusing; /* no more starts */

	size_t under_way;
	size_t calls; /* of all that have memory */
	size_t bytes;
	dgen__queue waiting;
	dgen__queue sent;
	dgen__operation **open; /* in the order of their ids */
	size_t nopen;
	size_t open_size;
	bool any_over; /* among the open ones */
	dgen__timeouts timeouts;
	dgen__error failure; /* to be returned by step: nobody else was told */

	dgen__answers answers;
	bool sending; /* dgen.send_many is under way */
	size_t
		suspects;   /* of those that wait the first ones: one of them fails the statement for all */
	size_t most;    /* if so: messages of the next statement */
	bool awaiting;  /* dgen.await_any is */
	PGresult *rows; /* of send_many, until its transaction is committed */
	dgen__error error; /* of the section whose sync is to come */
	int64_t nudge_at;  /* when to make sure that the server sees what was sent behind await_any */
	int nudge_ms;      /* after which time again */
	int64_t await_at;  /* not before, after an error */
	dgen__operation
		*explained;     /* an open call whose time is over: its callback waits for the reason */
	bool explaining;    /* the server is being asked for one, be it still wanted or not */
	PGresult *reason;   /* until its transaction is committed */
	int64_t explain_at; /* not before */
	dgen__array arrays[DGEN__MANY_PARAMETERS];
} dgen__async;

struct dgen_client
{
	unsigned process; /* that has opened it */
	char *conninfo;   /* NULL: wrapped, or not to be opened */
	char *application_name;
	int connect_timeout_ms; /* 0: what conninfo says */
	size_t under_way_bytes;
	bool wrapped;
	bool prepares;     /* no pooler is seen between, and the connection is the client's own */
	unsigned prepared; /* statements of the connection, by their place in dgen__sql_client */
	PGconn *connection;
	PGresult *result;     /* what the last call returned lives in it */
	dgen__buffer message; /* jsonb in binary form */
	size_t sent;          /* by the last cast_many */
	dgen__error error;
	dgen__async *async; /* NULL until something is started */
};

/* client.c: opening, and one round trip each */
extern bool dgen__client_is_alive(PGconn *connection);
extern int dgen__client_greet(dgen_client *client, const PGresult *version); /* a new connection */

/* async.c: what the application calls */
extern int dgen__async_refuse(dgen_client *client); /* while something is under way; else 0 */
extern void dgen__async_close(dgen_client *client);
extern void dgen__async_close_later(dgen_client *client);

/* operation.c: operations that end, with client->error or `why`, which is not part of the client */
extern void dgen__queue_add(dgen__queue *queue, dgen__operation *operation);
extern void dgen__queue_put_back(dgen__queue *queue, dgen__operation *operation); /* first */
extern void dgen__queue_remove(dgen__queue *queue, dgen__operation *operation);
extern void dgen__operation_free(dgen_client *client, dgen__operation *operation);
extern void dgen__operation_end(dgen_client *client, dgen__operation *operation, const char *reply,
								size_t length); /* frees it if it waits; else it is over */
extern void dgen__operations_end_all(dgen_client *client, const dgen__error *why); /* but sent */
extern void dgen__operations_end_sent(dgen_client *client, const dgen__error *why);
extern void dgen__operations_send_apart(
	dgen_client *client); /* nothing of the statement was done */
extern void dgen__operations_lost(dgen_client *client,
								  const dgen__error *why); /* while being sent */
extern void dgen__operations_expire(dgen_client *client);
extern void dgen__operation_time_out(dgen_client *client, dgen__operation *operation);
extern void dgen__operations_sweep(dgen_client *client); /* frees open ones that are over */

/* pipeline.c: when the client connects, goes on and rests */
extern void dgen__pipeline_step(dgen_client *client);
extern int64_t dgen__pipeline_deadline(const dgen__async *async);
extern void dgen__pipeline_leave(dgen_client *client); /* for functions of one round trip */
extern void dgen__pipeline_disconnect(dgen_client *client);
extern int dgen__pipeline_backoff_ms(dgen__async *async);
extern void dgen__pipeline_end_all(dgen_client *client, const dgen__error *why);

/* What a result that is to come belongs to. */
typedef enum dgen__came
{
	DGEN__CAME_VERSION,
	DGEN__CAME_AWAIT,
	DGEN__CAME_AWAIT_SYNC,
	DGEN__CAME_SEND,
	DGEN__CAME_SEND_SYNC, /* what was sent is committed */
	DGEN__CAME_EXPLAIN,
	DGEN__CAME_EXPLAIN_SYNC,
	DGEN__CAME_SYNC
} dgen__came;

/* pipeline_send.c: what is sent. An error is that of the connection, but for expect's, before anything is sent. */
extern int dgen__pipeline_expect(dgen_client *client, dgen__came answer, dgen__came sync);
extern int dgen__pipeline_section(dgen_client *client, const dgen__statement *statement,
								  const char *const *values, const int *lengths,
								  const int *formats);
extern int dgen__pipeline_send(dgen_client *client); /* whatever there is to send now */

/* pipeline_answer.c: what has come; an error: the connection is lost, or of no use */
extern int dgen__pipeline_take(dgen_client *client);
extern int dgen__pipeline_lost(dgen_client *client); /* sets the error */

/* pipeline_explain.c: why a call has no reply in time */
extern bool dgen__explain_begin(dgen_client *client, dgen__operation *call, int64_t now);
extern bool dgen__explain_is_due(const dgen__async *async);
extern int dgen__explain_send(dgen_client *client);
extern void dgen__explain_came(dgen_client *client, PGresult *result); /* keeps async->reason */
extern int dgen__explain_synced(dgen_client *client);

/* ---- cache.c: states between batches ---------------------------------------------------------------
 *
 * A state is either here or in the batch that its actor is in: it is taken out when
 * the batch is claimed, and put back when its COMMIT is confirmed.
 */

typedef struct dgen__cache dgen__cache;

extern dgen__cache *dgen__cache_open(size_t limit_bytes); /* NULL: no memory */
extern void dgen__cache_close(dgen__cache *cache);
extern dgen__state *dgen__cache_take(dgen__cache *cache, int type,
									 const char *key); /* NULL: not here */
extern void dgen__cache_put(dgen__cache *cache, int type, const char *key,
							dgen__state *state);  /* owns the state from now on */
extern void dgen__cache_drop(dgen__cache *cache); /* all */

/* ---- suspect.c: actors whose turns spoil the commit of a batch ---------------------------------------
 *
 *     commit of a batch failed ──> its actors are suspects: one at a time, alone
 *         alone, it commits ──> innocent, forgotten
 *         alone, it fails ──> guilty: the failed attempt is recorded; alone until it commits
 */

typedef struct dgen__suspect
{
	int type;
	char *key;
	bool guilty;
	int64_t message; /* whose failed attempt is to be recorded with error; 0: none */
	int attempt;     /* that failed; once it is another one, the server has recorded it itself */
	bool final;      /* and it is the last one */
	int tries;       /* failed commits that may have had another cause */
	dgen__error error;
} dgen__suspect;

typedef struct dgen__suspects
{
	dgen__suspect *list;
	int count;
	int size;
	int guilty;
	int patience; /* batches to come until those not found guilty are forgotten */
} dgen__suspects;

extern void dgen__suspects_free(dgen__suspects *suspects);
extern dgen__suspect *dgen__suspects_add(dgen__suspects *suspects, int type,
										 const char *key); /* NULL: no memory */
extern dgen__suspect *dgen__suspects_find(dgen__suspects *suspects, int type, const char *key);
extern void dgen__suspects_remove(dgen__suspects *suspects, dgen__suspect *suspect);
extern void dgen__suspects_convict(dgen__suspects *suspects, dgen__suspect *suspect,
								   int64_t message, const dgen__error *error);
extern void dgen__suspects_forget(dgen__suspects *suspects); /* those not found guilty */
extern bool dgen__suspects_searching(
	const dgen__suspects *suspects); /* is there one not found guilty? */

/* ---- worker.c, session.c, batch.c, commit.c, borrow.c: the worker -----------------------------------------------------------
 *
 *     RESTING ──> CONNECTING ──> ATTACHING ──> CLAIMING <──────────────┐
 *        ^                                        │ messages           │ commit
 *        └── connection lost, from anywhere       └──> (FETCHING) ──> turns ──stop──> LEAVING ──> ENDED
 */

typedef enum dgen__phase
{
	DGEN__RESTING,    /* not connected, until deadline */
	DGEN__CONNECTING, /* until deadline */
	DGEN__ATTACHING,
	DGEN__RELEASING, /* behind a pool: what a claim that found nothing has begun is to end */
	DGEN__IDLE,      /* behind a pool: for work */
	DGEN__CLAIMING,  /* a claim's answer is to come; it may have to wait for work first */
	DGEN__FETCHING,  /* states that the cache no longer has are to come */
	DGEN__BEGINNING, /* the transaction that has claimed a locked part is to end before it runs */
	DGEN__LEAVING,   /* the last answers are to come, until deadline */
	DGEN__ENDED
} dgen__phase;

/* What a result that is to come belongs to. */
typedef enum dgen__answer
{
	DGEN__ANSWER_SETTINGS,
	DGEN__ANSWER_ATTACH,
	DGEN__ANSWER_CREATE_TYPE,
	DGEN__ANSWER_SETTLE,
	DGEN__ANSWER_PREPARE,
	DGEN__ANSWER_BEGIN,
	DGEN__ANSWER_CLAIM,
	DGEN__ANSWER_STATE,
	DGEN__ANSWER_BEGIN_PART,   /* COMMIT of a claim that has found a locked part */
	DGEN__ANSWER_CLAIM_LOCKED, /* and it has run */
	DGEN__ANSWER_COMMIT_TURNS,
	DGEN__ANSWER_RECEIPT,
	DGEN__ANSWER_COMMIT,  /* of a batch */
	DGEN__ANSWER_RELEASE, /* COMMIT of a claim that found nothing */
	DGEN__ANSWER_ROLLBACK,
	DGEN__ANSWER_WAIT,
	DGEN__ANSWER_DETACH,
	DGEN__ANSWER_SYNC
} dgen__answer;

typedef struct dgen__actor
{
	int type;        /* index into the worker's types */
	const char *key; /* in the claim's result */
	int64_t version;
	dgen__state *state; /* owned; NULL: to be fetched, or destroyed */
	bool changed;       /* version was 0, and is no more */
	int row;            /* the first of its messages in the claim's result */
	bool action;        /* not the actor, but one of its actions, which has no state */
	int nmessages;
	int handled;
	bool destroyed;
	bool locks;  /* the last of the handled ones */
	bool failed; /* what follows is about the message after the handled ones */
	dgen__outcome outcome;
	int64_t delay_ms;
	dgen__error error;
} dgen__actor;

typedef struct dgen__batch
{
	PGresult *rows; /* NULL: no batch */
	dgen__actor *actors;
	int nactors;
	int size;
	int fetching;    /* the actor whose state comes next */
	bool part;       /* a locked part, and nothing else */
	int tries;       /* to commit it that have failed by chance */
	bool blamed;     /* its commit has failed, and it has got the failed attempt */
	bool alone;      /* one turn of a suspect, and nothing else */
	bool committing; /* its commit is under way: the outcome may become unknown */
	int savepoints;  /* opened in its transaction */
	bool in_savepoint;
	bool broken; /* a callback has ruined the transaction or the connection */
	int slowest; /* the actor of the turn that took longest, ... */
	int64_t slowest_message;
	int slowest_attempt;
	int64_t slowest_ms;
	int64_t run_us; /* what its turns took */
	dgen__outbox outbox;
	dgen__array arrays[DGEN__COMMIT_ARRAYS];
	dgen__buffer set;
	dgen__buffer deleted;
} dgen__batch;

/* A registered actor type; strings are copies. */
typedef struct dgen__type
{
	dgen_actor_type type;
	char *name;
	char *initial_state;
} dgen__type;

/* doubt.c: a batch whose COMMIT was sent and whose answer never came; what is to be done after it. */
typedef struct dgen__doubt
{
	dgen__outbox actions; /* none: there is no doubt */
	char worker[24];      /* the id that its session had */
	int64_t batch;
	int64_t since; /* ms */
} dgen__doubt;

struct dgen_worker
{
	char *conninfo;
	char *name;
	dgen_worker_options options; /* with defaults filled in; its name is not used */
	dgen__type *types;
	int ntypes;

	dgen__loop loop;
	bool loop_is_open;
	dgen__phase phase;
	int result;       /* what run returns once ENDED */
	int64_t deadline; /* of the phase; DGEN__NEVER: none */
	int connect_ms;   /* what a connection attempt may take */
	int attempts;     /* to connect and claim, since that worked */
	uint64_t random;
	bool ran;
	bool created_types; /* in this session */
	bool types_missing; /* the attach did nothing */
	bool pooled;        /* something between here and the server has made this session */
	char id[24];        /* that dgen.attach gave */
	dgen_child *child;  /* that watches it; NULL: none */

	unsigned process; /* that has opened it */
	bool entered;     /* in a step, whose callbacks may stop and close it and nothing else */
	bool closing;     /* to be freed when the step is left */

	PGconn *connection;
	dgen__answers answers;
	bool section_failed;
	dgen__error section_error; /* the first of the section */
	dgen__error create_error;  /* why a missing type could not be created */
	PGresult *claimed;         /* the claim's rows, until the section ends */

	dgen__batch batch;
	int64_t receipts; /* of this session so far */
	dgen__doubt doubt;
	dgen__cache *cache;
	dgen__suspects suspects;
	int failed_commits;  /* in a row */
	char changed[256];   /* the last error with DGEN__CHANGED; empty: batches commit */
	int64_t changed_at;  /* when it was logged */
	int changed_tries;   /* since batches do not commit */
	int uncached_claims; /* to come, in which all states are sent */
	int narrow_claims;   /* to come, which take few actors: the server is short of locks */
	int narrow;          /* so few */
	dgen__error error;
};

/* worker.c: what the application calls; when it connects, rests and ends */
extern bool dgen__worker_stopping(const dgen_worker *worker);
extern void dgen__worker_log(dgen_worker *worker, dgen_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern void dgen__worker_attached(dgen_worker *worker);
/* Of session_attach.c: DGEN_EINVAL for a type without any. */
extern int dgen__check_callbacks(const dgen_actor_type *type, dgen__error *error);
extern void dgen__log(dgen_log_callback log, void *user, dgen_log_level level, const char *format,
					  va_list arguments); /* one line */
extern void dgen__worker_end(dgen_worker *worker, int result);
extern void dgen__worker_rest(dgen_worker *worker,
							  const dgen__error *why); /* disconnects, and connects again later */

/* session.c: the conversation with the server; its parts are in session.h */
extern int dgen__session_begin(dgen_worker *worker); /* attaches */
extern int dgen__session_step(
	dgen_worker *worker); /* handles what has arrived; an error: the connection is lost */
extern bool dgen__session_busy(const dgen_worker *worker); /* will the server answer soon? */

/* batch.c: from a claim to its commit */
extern int dgen__batch_decode(dgen_worker *worker, PGresult *rows); /* owns rows from now on */
extern int dgen__batch_missing(const dgen_worker *worker,
							   int from); /* next actor without a state; -1: none */
extern int dgen__batch_set_state(dgen_worker *worker, int actor, const char *json, size_t length);
extern bool dgen__batch_is_part(const PGresult *rows); /* a locked part instead of a batch? */
extern void dgen__batch_run(dgen_worker *worker);
extern bool dgen__batch_may_retry(dgen_worker *worker, const dgen__error *error);
extern void dgen__batch_blame(dgen_worker *worker, const dgen__error *error); /* a locked part */
extern void dgen__batch_committed(dgen_worker *worker);
extern bool dgen__batch_failed(dgen_worker *worker,
							   const dgen__error *error); /* its commit did; true: claim on */
extern void dgen__batch_timed_out(
	dgen_worker *worker); /* the server waited too long for its commit */
extern void dgen__batch_drop(dgen_worker *worker);
extern void dgen__batch_free(dgen__batch *batch);

/* doubt.c: after-commit actions of a batch whose outcome is not known, until it is */
extern bool dgen__doubt_exists(const dgen_worker *worker);
extern void dgen__doubt_begin(dgen_worker *worker); /* the connection was lost in its commit */
extern bool dgen__doubt_is_old(const dgen_worker *worker); /* too old to be asked for */
extern void dgen__doubt_end(dgen_worker *worker, bool committed);
extern void dgen__doubt_give_up(dgen_worker *worker, const char *why);

/* commit.c: sends dgen.commit_turns with what the turns of the batch did */
extern int dgen__commit_send(dgen_worker *worker);

/* borrow.c: the connection in the hands of a callback. The context is the worker. */
extern PGconn *dgen__borrow(void *context, dgen__error *error);
extern int dgen__borrow_finish(void *context, dgen__error *error);
extern void dgen__borrow_explain(dgen_worker *worker,
								 dgen__error *error); /* adds what a statement failed of */
extern void dgen__borrow_undo(dgen_worker *worker);   /* what a turn that failed did */
extern int dgen__borrow_end(dgen_worker *worker);     /* back to pipeline mode, if need be */

#endif /* DGEN_INT_H */
