/*
 * libdgen: durable actors in PostgreSQL, for programs in C and C++.
 *
 * A client sends messages to actors and reads their replies and states. A worker
 * takes actors that have messages, runs callbacks, and commits what they did in the
 * same transaction that removes the messages: each message has its effect exactly
 * once. Both need a database in which CREATE EXTENSION dgen was run.
 *
 * This header is the manual. It goes in the order of life: errors, JSON, client (one at a
 * time, several at once), worker, supervisor, turn, testing.
 *
 * Rules that hold everywhere
 * - Functions return 0 or a negative DGEN_E... code, unless they say otherwise.
 * - A NULL handle is DGEN_EINVAL, never a crash. close(NULL) does nothing.
 * - An options struct begins with its size; DGEN_..._INIT sets it, in C and C++. A
 *   zero or NULL member means its default. A larger struct, of a newer header, is
 *   DGEN_EINVAL if a member is set that this library does not know.
 * - Text given to the library is copied before the function returns. Text the
 *   library hands out is NUL-terminated, belongs to the library, and lives as long as
 *   its function says.
 * - A message, a reply or a state entry is JSON text in UTF-8, of a kind that the
 *   server's jsonb can hold: without \u0000 in strings, without numbers beyond numeric,
 *   with 256 MB and 6000 levels at most. Anything else is DGEN_EJSON or DGEN_EINVAL
 *   before it is sent. A length of DGEN_STRLEN means "up to the NUL".
 * - An actor type has 1 to 128 bytes, a key 1 to 512, both in UTF-8.
 * - One handle belongs to one thread at a time; different handles work in parallel.
 *   Functions that may be called from elsewhere say so.
 * - A callback (of a turn, after a commit, of an answer, of the log) may not call functions of the
 *   handle that runs it which would wait or run callbacks: they return DGEN_ESTATE. It may
 *   stop and close that handle, and use other handles.
 * - A callback returns. If a C++ exception leaves it, the library lets it pass: the session ends,
 *   the turn under way is an attempt whose session ended, calls under way get DGEN_EUNKNOWN, and the
 *   handle can be used further. After a longjmp only close can be called, and some
 *   memory is lost.
 * - After a fork a handle belongs to the parent. In the child close frees it, with
 *   nothing seen by the server and by the parent, stop does nothing, and all else is DGEN_ESTATE.
 * - Nothing calls exit or abort, nothing writes to the standard streams.
 */
#ifndef DGEN_H
#define DGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#ifdef __cplusplus
#define DGEN_BEGIN_DECLS \
	extern "C"           \
	{
#define DGEN_END_DECLS }
#else
#define DGEN_BEGIN_DECLS
#define DGEN_END_DECLS
#endif

DGEN_BEGIN_DECLS

#if defined(__GNUC__)
#define DGEN_API __attribute__((visibility("default")))
#else
#define DGEN_API
#endif

/*
 * The version of this header. MAJOR changes when programs have to be changed,
 * MINOR when something is added, PATCH otherwise. Library and extension fit when
 * MAJOR and MINOR are equal; a worker or client that does not fit is refused with
 * an error that names both.
 */
#define DGEN_VERSION_MAJOR 0
#define DGEN_VERSION_MINOR 1
#define DGEN_VERSION_PATCH 0
#define DGEN_VERSION_STRING "0.1.0"

/* The version of the library that runs, as text. Any thread. */
DGEN_API const char *dgen_version(void);

#define DGEN_STRLEN ((size_t) -1)

/* ---- errors ------------------------------------------------------------ */

/* One list makes the codes and their texts. */
#define DGEN_ERROR_MAP(X)                                            \
	X(EINVAL, -1, "invalid argument")                                \
	X(ENOMEM, -2, "out of memory")                                   \
	X(ECONNECT, -3, "no connection to the server")                   \
	X(ESERVER, -4, "the server reported an error")                   \
	X(EJSON, -5, "invalid JSON")                                     \
	X(ETIMEOUT, -6, "not in time")                                   \
	X(EFAILED, -7, "the handler failed")                             \
	X(ENOTFOUND, -8, "not found")                                    \
	X(EVERSION, -9, "library and extension have different versions") \
	X(ESTATE, -10, "not possible in this state")                     \
	X(ETYPE, -11, "value has another type")                          \
	X(EPERM, -12, "permission denied")                               \
	X(EBUSY, -13, "too much under way")                              \
	X(EPOOLED, -14, "the session is shared with others")             \
	X(EUNKNOWN, -15, "whether it was done is not known")

enum dgen_error
{
#define DGEN_ERROR_CODE(name, code, text) DGEN_##name = code,
	DGEN_ERROR_MAP(DGEN_ERROR_CODE)
#undef DGEN_ERROR_CODE
	DGEN_OK = 0
};

/* The text of a code; never NULL. Static. Any thread. */
DGEN_API const char *dgen_strerror(int code);

/* ---- looking into JSON --------------------------------------------------
 *
 * Read-only, without allocation and without recursion. A value is a part of the text
 * it was found in, without the white space around it.
 */

typedef struct dgen_json
{
	const char *text; /* not NUL-terminated */
	size_t length;
} dgen_json;

/*
 * Is the text one valid JSON value in UTF-8, as RFC 8259 has it? DGEN_EJSON if not, and
 * if it has more than 6000 levels or half of an escaped surrogate pair. Any thread.
 */
DGEN_API int dgen_json_check(const char *text, size_t length);

/*
 * Finds a value by JSON pointer (RFC 6901: "" is the whole, "/items/0/price"; in a name
 * ~1 is / and ~0 is ~). The last of equal names counts, as in jsonb.
 * DGEN_ENOTFOUND if there is none, DGEN_EJSON if the text is not JSON as far as it
 * had to be read, DGEN_EINVAL if the pointer is none. *value is set only on 0. Any thread.
 */
DGEN_API int dgen_json_find(const char *text, size_t length, const char *pointer, dgen_json *value);

/*
 * The value as a number or truth value; DGEN_ETYPE if it is something else or does not
 * fit. An int64 is exact and may be written 1e2 or 1.0; a double is the nearest one. The
 * locale does not matter. Any thread.
 */
DGEN_API int dgen_json_int64(const dgen_json *value, int64_t *number);
DGEN_API int dgen_json_double(const dgen_json *value, double *number);
DGEN_API int dgen_json_bool(const dgen_json *value, bool *truth);

/*
 * The string without quotes and escapes, NUL-terminated. Writes at most `size` bytes
 * and returns the length that it takes without the NUL, like snprintf; DGEN_ETYPE
 * if it is no string or contains \u0000. A text that does not fit is cut between two
 * characters. buffer NULL with size 0 asks for the length. Any thread.
 */
DGEN_API long dgen_json_string(const dgen_json *value, char *buffer, size_t size);

/*
 * The other way round, for messages that are put together by hand: the text as a JSON
 * string, with quotes and escapes, NUL-terminated. Writes at most `size` bytes and returns
 * the length that it takes without the NUL; what does not fit is cut, and is no JSON then.
 * DGEN_EJSON if the text is not valid UTF-8 or contains a NUL; the buffer gets "" then.
 * buffer NULL with size 0 asks for the length, which is at most 2 more than
 * 6 times that of the text. A length of DGEN_STRLEN means "up to the NUL". Any thread.
 */
DGEN_API long dgen_json_quote(const char *text, size_t length, char *buffer, size_t size);

/* ---- client --------------------------------------------------------------- */

typedef struct dgen_client dgen_client;

typedef struct dgen_client_options
{
	size_t size;
	const char *application_name; /* default: the program's name as libpq finds it */
	int connect_timeout_ms;       /* default: what the connection string says, else 10 s */
	size_t under_way_bytes;       /* of memory for what is under way (below); default 64 MB */
} dgen_client_options;
#define DGEN_CLIENT_OPTIONS_INIT             \
	{                                        \
		sizeof(dgen_client_options), 0, 0, 0 \
	}

/*
 * Connects. conninfo is libpq's connection string or URI, several hosts included; ""
 * takes all from the environment (PGHOST, ...). *client is always set unless memory
 * is out, so that dgen_client_error tells what failed; close it in any case.
 */
DGEN_API int dgen_client_open(dgen_client **client, const char *conninfo,
							  const dgen_client_options *options);

/*
 * A client on a connection of the application's own. What is sent is part of the
 * transaction that the application has open on it. The connection stays the
 * application's: it must be idle during each call, outlive the client, and is not
 * closed. Functions that wait for a reply refuse (DGEN_ESTATE) in an open transaction, and all
 * that talk to the server while client_encoding is not UTF8.
 */
DGEN_API int dgen_client_wrap(dgen_client **client, PGconn *connection);

/*
 * Sends nothing: call dgen_client_finish first. A cast that was started without a callback and not
 * sent yet is lost without a word. Operations that are under way (see "several at once") get their callback before it returns:
 * with DGEN_ECONNECT if they were not sent, or if their request was and goes on, as the text says, with
 * DGEN_EUNKNOWN if nobody knows. In such a callback nothing can be started.
 * Called in a callback, it happens when that has returned: the dgen_client_step or
 * dgen_client_finish that ran it returns DGEN_ESTATE, and the client is gone then.
 */
DGEN_API void dgen_client_close(dgen_client *client);

/* The text of the last error; "" if there was none. Lives until the next call with the client. */
DGEN_API const char *dgen_client_error(const dgen_client *client);
/* Its SQLSTATE ("" if it did not come from the server) and hint (""). The same life. */
DGEN_API const char *dgen_client_sqlstate(const dgen_client *client);
DGEN_API const char *dgen_client_hint(const dgen_client *client);

typedef struct dgen_send_options
{
	size_t size;
	int64_t delay_ms;            /* 0: now */
	int priority;                /* -32768 to 32767, higher first */
	const char *idempotency_key; /* NULL: none */
	const char *headers;         /* a JSON object; NULL: none */
} dgen_send_options;
#define DGEN_SEND_OPTIONS_INIT                \
	{                                         \
		sizeof(dgen_send_options), 0, 0, 0, 0 \
	}

/*
 * Sends a message; message NULL is JSON null. *id, unless NULL, gets its id. Returns once it is
 * committed.
 *
 * DGEN_ECONNECT, here and below: there was no connection, and nothing was sent. DGEN_EUNKNOWN: the
 * connection was lost after that, and nobody knows whether it was done. With an idempotency
 * key that need not stay so: send it again with the same key, as often as it takes, and it
 * is done once. dgen_client_cast and dgen_client_request try that themselves, once, on a new
 * connection. In an open transaction of a wrapped connection nothing is done, as it cannot have been
 * committed: DGEN_ECONNECT.
 */
DGEN_API int dgen_client_cast(dgen_client *client, const char *type, const char *key,
							  const char *message, size_t length, const dgen_send_options *options,
							  int64_t *id);

/* One of many. */
typedef struct dgen_message
{
	const char *key;
	const char *message;         /* NULL: JSON null */
	size_t length;               /* DGEN_STRLEN: up to the NUL */
	const char *idempotency_key; /* NULL: none */
} dgen_message;

/*
 * Sends them all, or on error none, in array order and in one round trip. Those whose
 * idempotency key was used before are passed over, so that an import that broke off can be
 * run again.
 */
DGEN_API int dgen_client_cast_many(dgen_client *client, const char *type,
								   const dgen_message *messages, size_t count);

/* How many the last dgen_client_cast_many has sent; the others were passed over. 0 if it failed. */
DGEN_API size_t dgen_client_sent(const dgen_client *client);

/* Like cast; the reply is kept. *request gets the id that dgen_client_await takes. */
DGEN_API int dgen_client_request(dgen_client *client, const char *type, const char *key,
								 const char *message, size_t length,
								 const dgen_send_options *options, int64_t *request);

/*
 * Waits for the reply to a request and takes it. *reply and *reply_length, unless
 * NULL, get it; it lives until the next call with the client. timeout_ms 0: looks
 * and does not wait; -1: no limit.
 * DGEN_ETIMEOUT: not yet, await it again. DGEN_EFAILED: the handler's error is in
 * dgen_client_error and dgen_client_sqlstate. DGEN_ENOTFOUND: unknown or collected.
 * DGEN_EUNKNOWN: the reply may have been collected and lost on its way. Await it again; the reply to
 * a request that has an idempotency key can be collected again.
 */
DGEN_API int dgen_client_await(dgen_client *client, int64_t request, int timeout_ms,
							   const char **reply, size_t *reply_length);

/* Request and await in one. timeout_ms 0 is the default of 5 s. DGEN_EUNKNOWN: the request may go on. */
DGEN_API int dgen_client_call(dgen_client *client, const char *type, const char *key,
							  const char *message, size_t length, int timeout_ms,
							  const char **reply, size_t *reply_length);

/* The committed state. DGEN_ENOTFOUND if there is no such actor. *state lives until the next call with the client. */
DGEN_API int dgen_client_state(dgen_client *client, const char *type, const char *key,
							   const char **state, size_t *length);

/* ---- client: several at once ------------------------------------------------
 *
 * Casts and calls that are started, and whose callback runs when they are done: any
 * number of them on one connection, the answers in whatever order they come. What is
 * started while the connection is busy is sent together, as one statement. So this is
 * also the way to send much.
 *
 *     start_cast, start_call ──> waiting ──> sent ──> the cast is committed: callback
 *                                              └──> the request is: its reply: callback
 *
 * start_... only queues. All else happens in dgen_client_step, which the application's
 * event loop calls, or in dgen_client_finish: there it connects, sends, receives, and
 * runs the callbacks, in the thread that called it. Messages of one client to one actor
 * arrive in the order in which they were started.
 *
 *     void done(dgen_client *client, int code, const char *reply, size_t length, void *user)
 *     {
 *         if (code != 0)
 *             fprintf(stderr, "%s\n", dgen_client_error(client));
 *         else
 *             printf("%s\n", reply);
 *     }
 *
 *     for (int i = 0; i < 1000; i++)
 *         dgen_client_start_call(client, "counter", keys[i], NULL, 0, NULL, 0, done, NULL);
 *     dgen_client_finish(client, -1);
 *
 * The connection may be lost at any time, and is made again, with a growing pause in
 * between: what is waiting stays so, and requests that were sent are still waited for,
 * each until its own time is over. Of those that were just being sent nobody knows whether
 * they arrived. With an idempotency key they are sent again, and are done once. Without
 * one they end with DGEN_EUNKNOWN. An error that trying again cannot mend (a
 * wrong password, a missing extension or privilege) ends all that is under way.
 *
 * While something is under way the functions above that talk to the server return
 * DGEN_EBUSY. A wrapped connection cannot be used in this way: DGEN_ESTATE.
 */

/*
 * Runs exactly once for each operation that was started. code is 0, and then reply is that of a
 * call, NULL for a cast. Or it is an error, and dgen_client_error, _sqlstate and _hint
 * tell more about it:
 *
 *     DGEN_EFAILED    the handler failed, or the request was cancelled
 *     DGEN_ETIMEOUT   no reply in time. The request continues. No callback gets its reply;
 *                     dgen.await_reply can still return it within the type's retention. One that
 *                     could not be sent before that is not sent any more. With SQLSTATE ZD010 the
 *                     error says what the request waits for, see dgen_client_start_call.
 *     DGEN_EUNKNOWN   see above
 *     DGEN_ECONNECT   the client was closed
 *     others          as dgen_client_cast and dgen_client_call return them
 *
 * reply, and what the error functions return, live until the callback returns. It may start
 * more; functions that wait or talk to the server return DGEN_ESTATE in it.
 * dgen_client_close in it takes effect once it has returned, see there.
 */
typedef void (*dgen_client_callback)(dgen_client *client, int code, const char *reply,
									 size_t length, void *user);

/*
 * Starts a cast. callback NULL: nobody wants to know; dgen_client_finish and
 * dgen_client_step return the first error of such casts. Returns 0, or an error, and
 * then the callback does not run: what cannot be sent is refused at once as by
 * dgen_client_cast. DGEN_EBUSY: as much is under way as dgen_client_options allow; step
 * or finish, and start it again.
 */
DGEN_API int dgen_client_start_cast(dgen_client *client, const char *type, const char *key,
									const char *message, size_t length,
									const dgen_send_options *options, dgen_client_callback callback,
									void *user);

/*
 * Starts a call. timeout_ms is counted from now, for all that it takes; 0 is the default of 5 s, -1
 * no limit. callback is needed. Else as start_cast.
 *
 * When the time is over the server is asked what the request waits for, such as a worker, as
 * dgen_client_call tells it. The callback waits for that, 1 s at most; if the reply has come
 * meanwhile, it gets the reply. The server is asked about one call at a time, at most each 100 ms: of calls that
 * time out together the others get DGEN_ETIMEOUT at once and without a reason, as do all without a connection.
 */
DGEN_API int dgen_client_start_call(dgen_client *client, const char *type, const char *key,
									const char *message, size_t length,
									const dgen_send_options *options, int timeout_ms,
									dgen_client_callback callback, void *user);

/* How many operations are under way: started, and their callback has not run. */
DGEN_API size_t dgen_client_under_way(const dgen_client *client);

/*
 * For the application's event loop: when the descriptor (the same from its first use
 * to close, only ever to be polled for reading) is readable, call step. It becomes so
 * also after start_... and when time is over, so that a loop that cannot do timeouts needs
 * none; timeout is when step is to be called at the latest (ms; -1: none). A negative code
 * instead of the descriptor: no memory or descriptors, or a wrapped client.
 */
DGEN_API int dgen_client_fd(dgen_client *client);
DGEN_API int dgen_client_timeout(dgen_client *client);

/*
 * Does what can be done without waiting, and runs callbacks. Returns 1 while something is
 * under way, 0 when nothing is, or an error: one that has ended all that was under way, or that of a
 * cast without callback.
 */
DGEN_API int dgen_client_step(dgen_client *client);

/*
 * Steps until nothing is under way; what callbacks start counts. timeout_ms -1: no
 * limit. Returns 0, DGEN_ETIMEOUT, or an error as of step.
 */
DGEN_API int dgen_client_finish(dgen_client *client, int timeout_ms);

/* ---- worker ------------------------------------------------------------- */

typedef struct dgen_worker dgen_worker;
typedef struct dgen_turn dgen_turn;

/*
 * A callback. message is the payload, NUL-terminated, valid JSON; it lives until the
 * callback returns, and so does the turn. user is the actor type's. Returns 0 to
 * commit the turn, or a negative code to fail the attempt: it is tried again after
 * the type's backoff. (A code above 0 fails it, too.) Runs in the thread that runs the worker.
 */
typedef int (*dgen_callback)(dgen_turn *turn, const char *message, size_t length, void *user);

typedef struct dgen_actor_type
{
	size_t size;
	const char *name;
	void *user; /* for the callbacks; stays the application's */

	/*
	 * Which of them a message comes to. The messages of an actor come in order, so a worker
	 * leaves none of them to others: one that is needed and NULL is DGEN_ESTATE, and
	 * fails the attempt. With handle_action alone it takes no messages, and without
	 * handle_locked no locked parts; with none at all the type is refused. init runs before the first turn of a new actor, in that turn and
	 * with its message (NULL: nothing to do); an actor is new until a turn has changed
	 * its state.
	 */
	dgen_callback init;
	dgen_callback handle_cast;
	dgen_callback handle_call;  /* replies, now or later; NULL: handle_cast gets calls too */
	dgen_callback handle_reply; /* to a request of the actor; NULL: dropped */
	dgen_callback handle_timer; /* NULL: handle_cast gets it */

	/* Policy of a type that does not exist yet; NULL or 0: dgen.create_actor_type's default. */
	const char *initial_state; /* a JSON object */
	int max_attempts;
	int backoff_ms;
	int max_backoff_ms;
	int turn_timeout_ms;

	/*
	 * A message of the actor has become a dead letter, and is the message here: for what is to
	 * be done then. NULL: the actor is not told. See dgen_turn_in_reply_to and
	 * dgen_turn_reply_error. It comes as a message of its own, behind those that wait already,
	 * and one that becomes a dead letter itself is not told of.
	 */
	dgen_callback handle_dead_letter;

	/*
	 * Does what dgen_turn_act has asked for. NULL: turns of the type cannot ask, and this worker
	 * leaves to others what was asked.
	 */
	dgen_callback handle_action;

	/*
	 * Runs for a message whose turn has called dgen_turn_lock, for as long as it takes: see
	 * there. What such a part may take, and the lowest priority that the actor handles
	 * meanwhile, are policy as well.
	 */
	dgen_callback handle_locked;
	int lock_timeout_ms;
	int locked_priority; /* 0: none */
} dgen_actor_type;

typedef enum dgen_log_level
{
	DGEN_LOG_DEBUG,
	DGEN_LOG_INFO,
	DGEN_LOG_WARNING,
	DGEN_LOG_ERROR
} dgen_log_level;

/* text lives until the callback returns; it is one line. Called from the worker's thread. */
typedef void (*dgen_log_callback)(dgen_log_level level, const char *text, void *user);

typedef struct dgen_worker_options
{
	size_t size;
	const char *name;     /* in dgen.workers; default: program@host:pid */
	int max_actors;       /* in a batch; default: what the server finds good */
	int max_messages;     /* in a batch; default: what the server finds good */
	size_t cache_bytes;   /* of states kept between batches; default 64 MB */
	int drain_ms;         /* after a stop, for the answer to a commit that is sent; default 30 s */
	int reconnect_min_ms; /* default 100 ms, doubled with jitter up to ... */
	int reconnect_max_ms; /* ... default 10 s */
	dgen_log_callback log;
	void *log_user;
	void (*attached)(dgen_worker *worker, void *user); /* each time that the worker has attached */
	void *attached_user;
} dgen_worker_options;
#define DGEN_WORKER_OPTIONS_INIT                                     \
	{                                                                \
		sizeof(dgen_worker_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
	}

/* Does not connect yet. *worker is always set unless memory is out; close it in any case. */
DGEN_API int dgen_worker_open(dgen_worker **worker, const char *conninfo,
							  const dgen_worker_options *options);

/* Adds an actor type, before the worker runs. When it connects, a type that does not exist is created. */
DGEN_API int dgen_worker_register(dgen_worker *worker, const dgen_actor_type *type);

/*
 * Handles messages until dgen_worker_stop, reconnecting when the server goes away.
 * Returns 0 after a stop; an error that trying again cannot mend (a wrong password, a
 * missing extension, another version, a missing privilege) otherwise. So is DGEN_EPOOLED:
 * the connection goes through a pool in transaction mode, such as pgbouncer's, which gives
 * the worker's session to others. It is noticed when that happens, and nothing is handled
 * wrongly or twice. Connect to PostgreSQL itself, or through a pool in session mode.
 */
DGEN_API int dgen_worker_run(dgen_worker *worker);

/*
 * Makes dgen_worker_run return once the batch under way is committed: a callback that runs
 * is not interrupted, what it did is committed, and no other begins. The server gets
 * drain_ms to answer to that; without an answer it is not known whether the batch was
 * committed, the log says so, and run returns all the same. A worker that waits for
 * messages stops at once. Any thread, and from a signal handler; may be called before
 * run, which then returns at once.
 */
DGEN_API void dgen_worker_stop(dgen_worker *worker);

/*
 * For the application's own event loop, instead of run: when the descriptor (the same
 * from open to close, only ever to be polled for reading) is readable, or the timeout
 * has passed (ms; -1: none), call step, which never blocks for longer than callbacks
 * take. step returns 1 while there is more to come, 0 after a stop, or an error.
 */
DGEN_API int dgen_worker_fd(dgen_worker *worker);
DGEN_API int dgen_worker_timeout(dgen_worker *worker);
DGEN_API int dgen_worker_step(dgen_worker *worker);

/* Is it attached now, so that messages reach it? False for NULL. */
DGEN_API bool dgen_worker_is_attached(const dgen_worker *worker);

/*
 * In a callback of this worker close ends the session at once: what was not committed is
 * rolled back, and its messages come again. The handle is gone when run or step returns,
 * which is then 0. To let the batch end first, call dgen_worker_stop, and close after run.
 */
DGEN_API void dgen_worker_close(dgen_worker *worker);

/* As of the client. */
DGEN_API const char *dgen_worker_error(const dgen_worker *worker);
DGEN_API const char *dgen_worker_sqlstate(const dgen_worker *worker);
DGEN_API const char *dgen_worker_hint(const dgen_worker *worker);

/* ---- supervisor -----------------------------------------------------------
 *
 * Runs workers in processes of their own, so that a callback that crashes takes only its
 * process down, and that is replaced:
 *
 *     static int
 *     work(dgen_child *child, void *user)
 *     {
 *         dgen_worker *worker;
 *         int rc = dgen_worker_open(&worker, "", NULL);
 *
 *         if (rc == 0)
 *             rc = dgen_worker_register(worker, &counter);
 *         if (rc == 0)
 *             rc = dgen_child_watch(child, worker);
 *         if (rc == 0)
 *             rc = dgen_worker_run(worker);
 *         dgen_worker_close(worker);
 *         return rc;
 *     }
 */

typedef struct dgen_child dgen_child;

typedef struct dgen_supervisor_options
{
	size_t size;
	int processes;       /* 1 to 1000; default 1 */
	int grace_ms;        /* from being told to stop to SIGKILL; default 60 s */
	int restart_min_ms;  /* before a process that died is replaced; default 100 ms, ... */
	int restart_max_ms;  /* ... doubled with jitter up to this; default 10 s */
	int max_deaths;      /* more than so many ...; default: any number */
	int death_window_ms; /* ... in so long a time end the supervisor; default 60 s */
	int turn_timeout_ms; /* a callback that runs longer gets SIGKILL; -1: none; default: see below */
	dgen_log_callback log;
	void *log_user;
	int replace_ms; /* SIGHUP: what a new process has to attach its worker; default 60 s */
} dgen_supervisor_options;
#define DGEN_SUPERVISOR_OPTIONS_INIT                                  \
	{                                                                 \
		sizeof(dgen_supervisor_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
	}

/*
 * Runs `run` in so many processes made by fork, and returns once all of them have ended.
 * Call it in a process with one thread and before anything of libpq is open: what run
 * needs it opens itself. The first process is started alone, the others when its worker
 * is attached.
 *
 * A process that dies (a signal, exit, run that returns 0 or DGEN_ENOMEM unasked) is
 * replaced. The log tells its number, process id and signal or status, and of a process that
 * died in a callback the actor and message. The delay doubles from death to death, and
 * begins anew after a process has run for restart_max_ms. Anything else that run returns
 * is for good: the others are stopped, and it is returned.
 *
 * A callback for which turn_timeout_ms is over is ended with its process. By default that
 * is 10 s more than the turn_timeout_ms with which its type was registered, and there is
 * none for a type registered without. The server ends the session 5 s after the type's
 * turn_timeout in any case; that does not end the callback, but one that returns then gets
 * the failed attempt. The message of one that is killed comes again as after a crash.
 *
 * Signals, which no handler of the program sees meanwhile:
 *   SIGTERM, SIGINT  the processes are stopped, see dgen_child_watch; those that have not ended
 *                    after grace_ms get SIGKILL. The second of them is SIGKILL for all at once,
 *                    and then raised again for this process, as it was before the call.
 *   SIGHUP           one process after the other is replaced: it is stopped when the worker of
 *                    the new one is attached. If the new one dies before, or is not attached
 *                    in replace_ms, which is SIGKILL for it, the old ones stay.
 * Whatever a process was doing when it was killed the server rolls back; the messages come again.
 *
 * The processes end with this one, however it ends. As process 1 of a container it reaps
 * orphans. Where systemd (Type=notify) or a program like it has set NOTIFY_SOCKET, it is told
 * READY=1 once all workers are attached, STOPPING=1, RELOADING=1, and WATCHDOG=1 if it asks for
 * that.
 *
 * Returns 0 after a stop; DGEN_ETIMEOUT if processes had to be killed for it; DGEN_EFAILED
 * after too many deaths; what run returned; DGEN_EINVAL, DGEN_ENOMEM, or DGEN_ESTATE without
 * descriptors. What is wrong is logged as an error. Linux only.
 */
DGEN_API int dgen_supervisor_run(const dgen_supervisor_options *options,
								 int (*run)(dgen_child *child, void *user), void *user);

/* From 1 on; the one that replaces another has its number. In the child only, like watch. */
DGEN_API int dgen_child_number(const dgen_child *child);

/*
 * Lets SIGTERM stop the worker as dgen_worker_stop does, and tells the supervisor that it is
 * attached, and of each callback. Before the worker runs, with dgen_worker_run or an event
 * loop of the program's own; one worker per child, else DGEN_ESTATE. SIGTERM, SIGINT and SIGHUP
 * are blocked in the child, so they interrupt no callback.
 * When run returns the process ends with _exit, after fflush(NULL).
 */
DGEN_API int dgen_child_watch(dgen_child *child, dgen_worker *worker);

/* ---- turn ---------------------------------------------------------------
 *
 * Only inside a callback, with the turn it got. The first error sticks: later calls
 * return it and do nothing, getters return `absent` or NULL, and a turn with an error
 * never commits, whatever the callback returns. So a callback may do all its work and
 * look at the error once, or never. NULL where a value is needed, or a value that cannot
 * be stored, is such an error.
 */

DGEN_API int dgen_turn_error(const dgen_turn *turn); /* the error that stuck, or 0 */

/* Text lives as long as the turn; "" for a NULL turn. */
DGEN_API const char *dgen_turn_actor_type(const dgen_turn *turn);
DGEN_API const char *dgen_turn_actor_key(const dgen_turn *turn);
DGEN_API const char *dgen_turn_kind(
	const dgen_turn *turn); /* "cast", "call", "reply", "timer" ..., "locked" */
DGEN_API int64_t dgen_turn_message_id(const dgen_turn *turn); /* of a call: the request to answer */
DGEN_API int dgen_turn_attempt(const dgen_turn *turn);        /* 1: the first */
DGEN_API int64_t dgen_turn_version(const dgen_turn *turn);    /* of the state; 0: new actor */
DGEN_API const char *dgen_turn_headers(const dgen_turn *turn); /* JSON object; NULL: none */

/*
 * Of a reply: the request, its correlation (NULL: none), and the error of one that failed (NULL: none).
 * Of a dead letter: the message that died, its correlation, and why it died.
 * The correlation of an action, and of its reply, is its name.
 */
DGEN_API int64_t dgen_turn_in_reply_to(const dgen_turn *turn);
DGEN_API const char *dgen_turn_correlation(const dgen_turn *turn);
DGEN_API const char *dgen_turn_reply_error(const dgen_turn *turn);
DGEN_API const char *dgen_turn_reply_sqlstate(const dgen_turn *turn);

/*
 * A member of the message by JSON pointer, or `absent` if there is none. Another type,
 * null too, is the error DGEN_ETYPE of the turn. The string lives as long as the turn.
 */
DGEN_API int64_t dgen_turn_arg_int64(dgen_turn *turn, const char *pointer, int64_t absent);
DGEN_API double dgen_turn_arg_double(dgen_turn *turn, const char *pointer, double absent);
DGEN_API bool dgen_turn_arg_bool(dgen_turn *turn, const char *pointer, bool absent);
DGEN_API const char *dgen_turn_arg_string(dgen_turn *turn, const char *pointer, const char *absent);

/*
 * State entries: the top-level members of the state. Only those set or deleted travel
 * to the server, and not those that are the same as before. A name is any text in UTF-8,
 * "" too. What get returns lives until the entry is set or deleted, or the turn ends;
 * what get_string returns lives as long as the turn. *length, unless NULL, gets the
 * length. Numbers and strings are read as in the message.
 */
DGEN_API const char *dgen_turn_get(dgen_turn *turn, const char *entry,
								   size_t *length); /* JSON; NULL: absent */
DGEN_API int64_t dgen_turn_get_int64(dgen_turn *turn, const char *entry, int64_t absent);
DGEN_API double dgen_turn_get_double(dgen_turn *turn, const char *entry, double absent);
DGEN_API bool dgen_turn_get_bool(dgen_turn *turn, const char *entry, bool absent);
DGEN_API const char *dgen_turn_get_string(dgen_turn *turn, const char *entry, const char *absent);

DGEN_API int dgen_turn_set(dgen_turn *turn, const char *entry, const char *json, size_t length);
DGEN_API int dgen_turn_set_int64(dgen_turn *turn, const char *entry, int64_t number);
DGEN_API int dgen_turn_set_double(dgen_turn *turn, const char *entry, double number);
DGEN_API int dgen_turn_set_bool(dgen_turn *turn, const char *entry, bool truth);
DGEN_API int dgen_turn_set_string(dgen_turn *turn, const char *entry, const char *text);
DGEN_API int dgen_turn_delete(dgen_turn *turn, const char *entry); /* absent is fine */

/*
 * Walks the entries whose names begin with prefix ("" for all), in the order of their
 * bytes: *entry NULL begins, then it is the name of the one found. Returns its JSON,
 * or NULL at the end. Changes during the walk are fine: ahead of it, what was set is found
 * and what was deleted is not. The name lives as long as the turn. *entry may also begin as any
 * text: the walk goes on behind it.
 */
DGEN_API const char *dgen_turn_scan(dgen_turn *turn, const char *prefix, const char **entry,
									size_t *length);

/*
 * The whole state as one JSON object, and replacing it: entries that are not in it are
 * deleted, those that are the same stay. What state returns lives until the next change.
 */
DGEN_API const char *dgen_turn_state(dgen_turn *turn, size_t *length);
DGEN_API int dgen_turn_set_state(dgen_turn *turn, const char *json, size_t length);

/*
 * Answers the call that this turn handles. Once: a second reply is DGEN_ESTATE. In a turn
 * for something else the reply is dropped. json NULL is JSON null. A call whose turn does
 * not reply stays open, for dgen_turn_send_reply in a later one.
 */
DGEN_API int dgen_turn_reply(dgen_turn *turn, const char *json, size_t length);
DGEN_API int dgen_turn_reply_int64(dgen_turn *turn, int64_t number);
DGEN_API int dgen_turn_reply_double(dgen_turn *turn, double number);
DGEN_API int dgen_turn_reply_bool(dgen_turn *turn, bool truth);
DGEN_API int dgen_turn_reply_string(dgen_turn *turn, const char *text);

/*
 * Answers a call that an earlier turn left open: request is that turn's
 * dgen_turn_message_id. That of this turn is dgen_turn_reply. json NULL is JSON null.
 */
DGEN_API int dgen_turn_send_reply(dgen_turn *turn, int64_t request, const char *json,
								  size_t length);

/*
 * Fails such a call instead: whoever asked gets the error. This turn commits all the same,
 * and the error with it. With the request of this turn it is the turn's reply. What was
 * answered already, or is not known, is passed over, here and by send_reply. error NULL:
 * "unspecified error"; sqlstate NULL, or not five digits and capitals: ZD400.
 */
DGEN_API int dgen_turn_fail_request(dgen_turn *turn, int64_t request, const char *error,
									const char *sqlstate);

/*
 * Sends to another actor when the turn commits. message NULL is JSON null; options NULL:
 * defaults.
 */
DGEN_API int dgen_turn_cast(dgen_turn *turn, const char *type, const char *key, const char *message,
							size_t length, const dgen_send_options *options);

/* The reply comes to this actor's handle_reply, with the correlation (NULL: none). */
DGEN_API int dgen_turn_request(dgen_turn *turn, const char *type, const char *key,
							   const char *message, size_t length, const char *correlation,
							   const dgen_send_options *options);

/*
 * Other ends of a turn than committing; what it did is undone. They return DGEN_EFAILED
 * (retry with a delay below -1 or above a century: DGEN_EINVAL), to be returned by the
 * callback: return dgen_turn_fail(...). The first of them counts, also after an error.
 *
 * fail is final: the caller of a call gets the error, a cast becomes a dead letter. error
 * NULL: "unspecified error"; sqlstate NULL, or not five digits and capitals: ZD400. Of a
 * text that the database's encoding cannot hold it gets what is ASCII; so with raise.
 *
 * raise fails the attempt, as RAISE EXCEPTION does in SQL: it is tried again after the
 * type's backoff, and a dead letter after max_attempts. The message shows the error
 * meanwhile. error as above, sqlstate: P0001. raise_result does so with the message,
 * SQLSTATE and hint of a statement that failed on the turn's connection; the result stays
 * the application's, and NULL, which libpq returns when it has none, is the connection's
 * error.
 *
 * retry counts no attempt. delay_ms -1: the type's backoff.
 */
DGEN_API int dgen_turn_fail(dgen_turn *turn, const char *error, const char *sqlstate);
DGEN_API int dgen_turn_raise(dgen_turn *turn, const char *error, const char *sqlstate);
DGEN_API int dgen_turn_raise_result(dgen_turn *turn, const PGresult *result);
DGEN_API int dgen_turn_retry(dgen_turn *turn, int64_t delay_ms);

/*
 * The turn commits and the state goes, with what the turn changed in it; messages that
 * wait start a new actor. Replies and sends are made. To change the state after it, in
 * the same turn, is DGEN_ESTATE.
 */
DGEN_API int dgen_turn_destroy(dgen_turn *turn);

/*
 * The turn commits, and locks its actor: messages wait, but for those of the type's
 * locked_priority and above, and handle_locked gets the same message, in a worker of any
 * process, in no transaction. What that changes in the state, sends and replies commits when
 * it has returned 0, into the state that there is by then: entry by entry, so what turns
 * have changed meanwhile in others stays. Then the actor is unlocked.
 *
 * It runs at least once. If its worker dies another one runs it again at once, and the dead
 * one's outcome is void. An attempt that fails is tried again after the backoff; fail, retry,
 * destroy and max_attempts are as for a turn. What takes longer than lock_timeout_ms (1 hour) may
 * run elsewhere meanwhile, and can no longer commit. A callback is not interrupted for that; it
 * holds up its own worker alone, and of several workers of a type one is kept for messages.
 *
 * In handle_locked dgen_turn_connection is DGEN_ESTATE: use a connection of your own. Locking
 * in it, with a reply or a destroy in the same turn, or without a handle_locked is, too.
 */
DGEN_API int dgen_turn_lock(dgen_turn *turn);

/*
 * In handle_locked: a text that is the same in every attempt for this message, and that no
 * other message has, to be given to external systems as idempotency key. NULL in other
 * callbacks. Lives as long as the turn.
 */
DGEN_API const char *dgen_turn_token(const dgen_turn *turn);

/*
 * The connection, in the turn's transaction behind a savepoint, for the application's
 * own tables. NULL on error. Use only statements that PQexec and PQexecParams run to
 * the end; do not commit, roll back, or leave pipeline mode on. A statement that fails
 * makes the turn fail, unless the application rolls back to a savepoint of its own: return
 * dgen_turn_raise_result, so that its error is recorded. After another negative code only
 * the text of the last statement is, which may be a consequence of the one that failed.
 * What SET, LISTEN and temporary tables leave in the session stays there for later turns: use SET
 * LOCAL. A turn that returns while client_encoding is not UTF8 fails.
 */
DGEN_API PGconn *dgen_turn_connection(dgen_turn *turn);

/*
 * Runs action once the turn's transaction is known to be committed: best effort, it is
 * lost with the process. When the connection is lost in the commit, the worker asks the server in its
 * next session what became of it. release, unless NULL, always runs, once: after the action, or
 * without it when the turn is not committed, or at once when this function fails.
 */
DGEN_API int dgen_turn_after_commit(dgen_turn *turn, void (*action)(void *data),
									void (*release)(void *data), void *data);

/*
 * Has handle_action called once the turn is committed, with this message: to charge a card,
 * send a mail, call another service. It is stored with the turn: no action without the commit,
 * no commit without the action. It runs at least once, is tried again after the type's backoff,
 * also when its worker dies, and is a dead letter after max_attempts. So give
 * dgen_turn_message_id, the same in each attempt, to others as the idempotency key.
 *
 * It neither waits for the actor's messages nor keeps them waiting; actions run in no order, several at
 * a time. It has no state: to set entries or to destroy is DGEN_ESTATE. What it replies comes to
 * the actor's handle_reply. All else is as in any turn, and what it sends commits with its end.
 *
 * action is its name, of 1 to 128 bytes, which is dgen_turn_correlation of the action and of its
 * reply. message NULL is JSON null. Of the options (NULL: defaults) delay_ms and headers may be
 * set. DGEN_ESTATE if the type has no handle_action.
 */
DGEN_API int dgen_turn_act(dgen_turn *turn, const char *action, const char *message, size_t length,
						   const dgen_send_options *options);

/* ---- worker programs ------------------------------------------------------
 *
 * The program dgen runs actor types in a shared object, "dgen worker FILE.so -j 4": it
 * has the options, signals, processes and log of a worker, the object only this function.
 * The library does not contain it.
 *
 *     cc -shared -fPIC -o counter.so counter.c
 */

/*
 * Defined by the shared object. Returns its actor types, an array of *count elements
 * that lives until the process ends; each says size = sizeof(dgen_actor_type). Called
 * once in each process. With --threads the callbacks run in several threads at once, with
 * the same user.
 */
DGEN_API const dgen_actor_type *dgen_actor_types(size_t *count);

/* ---- testing callbacks without a database --------------------------------- */

typedef struct dgen_test dgen_test;

/*
 * An actor of the type, with a state to start from. NULL: a new actor, whose first turn
 * runs init and begins with the type's initial state. Type, key and state are copied.
 * *test is always set unless memory is out, so that dgen_test_error tells what is wrong;
 * close it in any case.
 */
DGEN_API int dgen_test_open(dgen_test **test, const dgen_actor_type *type, const char *key,
							const char *state);

/*
 * Runs the callback for one message of the kind ("cast", "call", "reply", "timer", "locked");
 * message NULL is JSON null. Returns 0 if the turn would commit, and then runs what
 * dgen_turn_after_commit was given; else the turn's error (of fail, raise and
 * retry: DGEN_EFAILED), and nothing has changed. dgen_turn_connection is DGEN_ESTATE here.
 */
DGEN_API int dgen_test_run(dgen_test *test, const char *kind, const char *message);

/*
 * The same for the reply to a request with the correlation. error, unless NULL: the
 * request failed with this text, and the message is JSON null.
 */
DGEN_API int dgen_test_run_reply(dgen_test *test, const char *correlation, const char *message,
								 const char *error);

/* The same for a dead letter: the message, and the error that it died of. */
DGEN_API int dgen_test_run_dead_letter(dgen_test *test, const char *message, const char *error,
									   const char *sqlstate);

/* The same for an action of that name. It has no state, and leaves that of the actor alone. */
DGEN_API int dgen_test_run_action(dgen_test *test, const char *action, const char *message);

/*
 * What the turns so far came to, as JSON objects; each lives until the next call, and is
 * "" if there is none or memory is out. outcome is that of the last turn:
 *
 *     {"committed": true, "set": {...}, "deleted": [...], "destroyed": true, "reply": ...,
 *      "replies": [{"request": ..., "reply": ...}, {"request": ..., "error": ...,
 *      "sqlstate": ...}], "sends": [{"kind": "cast", "type": ...,
 *      "key": ..., "message": ...}], "locks": true, "end": "fail", "delay_ms": ..., "error": ...,
 *      "sqlstate": ...}
 *
 * committed, set, deleted and sends are always there, other members when there is
 * something to tell; end is "error" (raise, too), "fail" or "retry"; replies are to calls of
 * earlier turns, and what dgen_turn_fail_request failed. A send may have correlation,
 * delay_ms, priority, idempotency_key and headers; one of kind "action" has type and key of the
 * actor.
 */
DGEN_API const char *dgen_test_state(dgen_test *test);
DGEN_API const char *dgen_test_outcome(dgen_test *test);
DGEN_API const char *dgen_test_error(dgen_test *test);
DGEN_API void dgen_test_close(dgen_test *test);

DGEN_END_DECLS

#endif /* DGEN_H */
