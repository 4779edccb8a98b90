/*
 * libdgen: durable actors in PostgreSQL, for programs in C and C++.
 *
 * A client sends messages to actors and reads their replies and states. A worker claims actors
 * that have messages, runs callbacks, and commits what they did in the same transaction that
 * removes the messages. So each message has its effect exactly once. Both need a database in
 * which CREATE EXTENSION dgen was run.
 *
 * This header is the reference. Its order: errors, JSON, client (one operation at a time,
 * several at once), worker, supervisor, turn, worker programs, testing. Each comment says what
 * the function does, its arguments, its result, its errors, and then, if they differ from the
 * rules below,
 *     Lifetime: how long the memory that it returns or takes lives
 *     Thread:   which thread can call it, or calls it
 *
 * Rules for all functions
 * - A function returns 0 or a negative DGEN_E... code, unless its comment says otherwise.
 * - A NULL handle is DGEN_EINVAL and never a crash. close(NULL) does nothing.
 * - An options struct begins with its size, which DGEN_..._INIT sets, in C and C++. A zero or
 *   NULL member means its default, and NULL for the whole struct means all defaults. A larger
 *   struct, of a newer header, is DGEN_EINVAL if a member is set that this library does not
 *   know. dgen_actor_type has no INIT macro: set its size to sizeof(dgen_actor_type).
 * - A message, a reply and a state entry are JSON text in UTF-8 that the server's jsonb can
 *   store: without \u0000 in strings, without numbers that exceed numeric, of at most 256 MB
 *   and 6000 levels. The library refuses any other text with DGEN_EJSON or DGEN_EINVAL before
 *   it sends anything. A length of DGEN_STRLEN means "up to the NUL".
 * - An actor type has 1 to 128 bytes, a key and an idempotency key 1 to 512, all in UTF-8.
 * - The database can have another encoding. A message with text that one side cannot hold fails
 *   alone.
 * - Nothing calls exit or abort, and nothing writes to the standard streams.
 *
 * Lifetime, unless a comment says otherwise
 * - The library copies the text and the structs that it is given before the function returns.
 * - Text that the library returns is NUL-terminated and belongs to the library: do not free it.
 *
 * Thread, unless a comment says otherwise
 * - One thread at a time can use a handle (client, worker, test). Different handles work in
 *   parallel.
 * - Callbacks run in the thread that called the function that runs them: dgen_worker_run and
 *   dgen_worker_step, or dgen_client_step, dgen_client_finish and dgen_client_close.
 *
 * Callbacks (of a turn, after a commit, after an attach, of a started operation, of the log)
 * - In a callback, the functions of the handle that runs it return DGEN_ESTATE if they would
 *   wait or run callbacks. A callback can stop and close that handle, and use other handles.
 * - A callback must return. If a C++ exception leaves it, the library lets the exception pass:
 *   the session ends, the turn becomes an attempt whose session ended, calls in progress get
 *   DGEN_EUNKNOWN, and the handle remains usable. After a longjmp out of a callback only close
 *   can be called, and some memory is lost.
 *
 * After a fork a handle belongs to the parent. In the child, close frees the handle and neither
 * the server nor the parent notices, stop does nothing, and all other functions return
 * DGEN_ESTATE.
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
 * The version of this header. MAJOR changes when programs must be changed, MINOR when something
 * is added, PATCH otherwise. A program that was compiled with an older header of the same MAJOR
 * version can run with a newer library.
 *
 * libdgen fits an extension that has the same MAJOR version and the same or a later MINOR
 * version; PATCH does not matter. If it does not fit, functions fail with DGEN_EVERSION, and
 * the error text names both versions. The SQLSTATE distinguishes the cases:
 *
 *     ZD038   libdgen is newer than the extension, or an update of the extension is not
 *             complete. A worker, and a client with several operations in progress, retry until
 *             it is. Other functions of a client return the error; nothing was sent.
 *     ZD036   the extension no longer supports workers of a libdgen this old.
 *     none    the extension has a later MAJOR version.
 */
#define DGEN_VERSION_MAJOR 0
#define DGEN_VERSION_MINOR 1
#define DGEN_VERSION_PATCH 0
#define DGEN_VERSION_STRING "0.1.0"

/*
 * Returns the version of the library that runs.
 * Lifetime: static.
 * Thread: any.
 */
DGEN_API const char *dgen_version(void);

#define DGEN_STRLEN ((size_t) -1)

/* ---- errors ------------------------------------------------------------
 *
 *     DGEN_EINVAL     a NULL handle, a key of more than 512 bytes, a struct without a size ...
 *     DGEN_ENOMEM     memory is exhausted
 *     DGEN_ECONNECT   there is no connection, and nothing was sent: retry later
 *     DGEN_ESERVER    see the SQLSTATE and the hint. Without a SQLSTATE, the server's answer
 *                     is invalid, and the library closes the connection
 *     DGEN_EJSON      the text is not JSON, or jsonb cannot store it
 *     DGEN_ETIMEOUT   no reply in time: the request continues
 *     DGEN_EFAILED    the reply to a request is an error; in a turn, dgen_turn_fail,
 *                     dgen_turn_raise or dgen_turn_retry was called
 *     DGEN_ENOTFOUND  there is no such actor type, actor, request or JSON member, or the extension
 *                     is not installed
 *     DGEN_EVERSION   see DGEN_VERSION_MAJOR
 *     DGEN_ESTATE     waiting in an open transaction, registering a type while the worker runs,
 *                     a second reply in a turn ...
 *     DGEN_ETYPE      a string where a number was requested ...
 *     DGEN_EPERM      a wrong password, a missing privilege
 *     DGEN_EBUSY      of a client: under_way_bytes are in use, or operations are in progress.
 *                     A worker also uses it internally, for a batch that one statement cannot carry
 *     DGEN_EPOOLED    a worker behind a connection pooler that does not keep its session: connect
 *                     it to PostgreSQL directly, or through a pooler in session mode
 *     DGEN_EUNKNOWN   the connection was lost before the server's answer arrived: repeat it with
 *                     the same idempotency key
 */

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

/*
 * Returns the text of a code, never NULL.
 * Lifetime: static.
 * Thread: any.
 */
DGEN_API const char *dgen_strerror(int code);

/* ---- reading and writing JSON -------------------------------------------
 *
 * These functions do not allocate and do not recurse.
 *
 * Lifetime: a dgen_json is a part of the text in which it was found, without the white space
 * around it, and lives as long as that text.
 * Thread: any, for all functions of this section.
 */

typedef struct dgen_json
{
	const char *text; /* not NUL-terminated */
	size_t length;
} dgen_json;

/*
 * Returns 0 if the text is one valid JSON value in UTF-8 according to RFC 8259. Otherwise, or
 * if it has more than 6000 levels or half of an escaped surrogate pair: DGEN_EJSON.
 */
DGEN_API int dgen_json_check(const char *text, size_t length);

/*
 * Finds a value by JSON pointer (RFC 6901): "" is the whole text, "/items/0/price" a part of
 * it; in a name, ~1 stands for / and ~0 for ~. If names are equal, the last one counts, as in
 * jsonb. *value is set only if the result is 0. DGEN_ENOTFOUND: there is no such value.
 * DGEN_EJSON: the part of the text that had to be read is not JSON. DGEN_EINVAL: the pointer is
 * not valid.
 */
DGEN_API int dgen_json_find(const char *text, size_t length, const char *pointer, dgen_json *value);

/*
 * Read the value as a number or truth value. An int64 is exact, and can be written 1e2 or 1.0;
 * a double is the nearest one. The locale does not matter. DGEN_ETYPE: the value has another
 * type or does not fit.
 */
DGEN_API int dgen_json_int64(const dgen_json *value, int64_t *number);
DGEN_API int dgen_json_double(const dgen_json *value, double *number);
DGEN_API int dgen_json_bool(const dgen_json *value, bool *truth);

/*
 * Writes the string without quotes and escapes, NUL-terminated, in at most `size` bytes. A text
 * that does not fit is cut between two characters. Returns the length of the whole text without
 * the NUL, like snprintf; buffer NULL with size 0 asks only for that length. DGEN_ETYPE: the
 * value is not a string, or contains \u0000.
 */
DGEN_API long dgen_json_string(const dgen_json *value, char *buffer, size_t size);

/*
 * The reverse, for messages that a program composes itself: writes the text as a JSON string
 * with quotes and escapes, NUL-terminated, in at most `size` bytes. A result that does not fit
 * is cut, and is then not valid JSON. Returns the length of the whole result without the NUL,
 * at most 6 times the length of the text plus 2; buffer NULL with size 0 asks only for that
 * length. DGEN_EJSON: the text is not valid UTF-8 or contains a NUL; the buffer gets "".
 */
DGEN_API long dgen_json_quote(const char *text, size_t length, char *buffer, size_t size);

/* ---- client --------------------------------------------------------------- */

typedef struct dgen_client dgen_client;

typedef struct dgen_client_options
{
	size_t size;
	const char *application_name; /* default: the program's name */
	int connect_timeout_ms;       /* default: that of the connection string, else 10 s */
	size_t under_way_bytes;       /* memory for operations in progress; default 64 MB */
} dgen_client_options;
#define DGEN_CLIENT_OPTIONS_INIT             \
	{                                        \
		sizeof(dgen_client_options), 0, 0, 0 \
	}

/*
 * Connects, and checks that the extension is installed and has a version that fits. conninfo is
 * libpq's connection string or URI, also with several hosts; "" takes everything from the
 * environment (PGHOST, ...). *client is set unless memory is exhausted, so that
 * dgen_client_error says what failed: close it in any case.
 *
 * A client that has lost its connection connects again at the next call.
 */
DGEN_API int dgen_client_open(dgen_client **client, const char *conninfo,
							  const dgen_client_options *options);

/*
 * Makes a client of a connection of the application. Messages that it sends are part of the
 * transaction that is open on the connection. The connection must be idle during each call, and
 * its client_encoding must be UTF8: otherwise this function, and those that talk to the server,
 * do nothing and return DGEN_ESTATE. So do functions that wait for a reply if a transaction is
 * open, because no worker could see the request.
 *
 * Lifetime: the connection remains the application's. It must outlive the client, which does
 * not close it.
 */
DGEN_API int dgen_client_wrap(dgen_client **client, PGconn *connection);

/*
 * Closes the client. It sends nothing: call dgen_client_finish first. A cast that was started
 * without a callback and has not been sent is lost silently.
 *
 * Before it returns, it runs the callbacks of all operations in progress (see "several at
 * once"). Their code is DGEN_ECONNECT if the operation was not sent, or if its request was sent
 * and continues (the error text says which), and DGEN_EUNKNOWN if that is not known. These
 * callbacks cannot start operations.
 *
 * If you call dgen_client_close inside a callback, the client is closed after that callback
 * returns. The dgen_client_step or dgen_client_finish that ran the callback then returns
 * DGEN_ESTATE, and the client must not be used any more.
 */
DGEN_API void dgen_client_close(dgen_client *client);

/*
 * Return the text of the last error, its SQLSTATE ("" if it did not come from the server), and
 * its hint; each is "" if there is none.
 * Lifetime: until the next call with the client.
 */
DGEN_API const char *dgen_client_error(const dgen_client *client);
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
 * Sends a message, and returns when it is committed; on a wrapped connection with an open
 * transaction, when it is sent. message NULL is JSON null. *id, unless NULL, gets the id of the
 * message; if the idempotency key was already used, the id of the earlier message.
 *
 * DGEN_ECONNECT, here and below, means that there was no connection and nothing was sent.
 * DGEN_EUNKNOWN means that the connection was lost after the message was sent, so it is not
 * known whether the message was committed. If the message has an idempotency key, send it again
 * with the same key until that succeeds; it is stored only once. dgen_client_cast and
 * dgen_client_request do this themselves, once, on a new connection. If a wrapped connection is
 * lost in an open transaction, nothing was committed, and the result is DGEN_ECONNECT.
 */
DGEN_API int dgen_client_cast(dgen_client *client, const char *type, const char *key,
							  const char *message, size_t length, const dgen_send_options *options,
							  int64_t *id);

/* One of the messages of dgen_client_cast_many. */
typedef struct dgen_message
{
	const char *key;
	const char *message;         /* NULL: JSON null */
	size_t length;               /* DGEN_STRLEN: up to the NUL */
	const char *idempotency_key; /* NULL: none */
} dgen_message;

/*
 * Sends all messages in array order and in one round trip, or none if there is an error. A
 * message whose idempotency key was already used for its actor is skipped, so an import that
 * was interrupted can run again.
 */
DGEN_API int dgen_client_cast_many(dgen_client *client, const char *type,
								   const dgen_message *messages, size_t count);

/*
 * Returns how many messages the last dgen_client_cast_many has sent, without those that were
 * skipped; 0 if it failed.
 */
DGEN_API size_t dgen_client_sent(const dgen_client *client);

/*
 * Sends like dgen_client_cast; the server keeps the reply until a client of the same role
 * collects it, or the type's retention ends. *request gets the id for dgen_client_await.
 */
DGEN_API int dgen_client_request(dgen_client *client, const char *type, const char *key,
								 const char *message, size_t length,
								 const dgen_send_options *options, int64_t *request);

/*
 * Waits for the reply to a request, and collects it. timeout_ms 0 checks once and returns; -1:
 * no limit. *reply and *reply_length, unless NULL, get the reply.
 *
 * DGEN_ETIMEOUT: there is no reply yet, await it again. DGEN_EFAILED: the handler failed, see
 * dgen_client_error and dgen_client_sqlstate. DGEN_ENOTFOUND: the request is not known, or its
 * reply was collected. DGEN_EUNKNOWN: the reply might have been collected and lost with the
 * connection. Await it again; the reply to a request that has an idempotency key can be
 * collected again.
 *
 * Lifetime: the reply lives until the next call with the client.
 */
DGEN_API int dgen_client_await(dgen_client *client, int64_t request, int timeout_ms,
							   const char **reply, size_t *reply_length);

/*
 * dgen_client_request and dgen_client_await in one; in SQL this is dgen.ask, not dgen.call.
 * timeout_ms 0 is the default of 5 s; -1: no limit. After DGEN_ETIMEOUT the request continues,
 * and after DGEN_EUNKNOWN it might, but its id is not known: to collect the reply later, use
 * the other two functions.
 *
 * Lifetime: the reply lives until the next call with the client.
 */
DGEN_API int dgen_client_call(dgen_client *client, const char *type, const char *key,
							  const char *message, size_t length, int timeout_ms,
							  const char **reply, size_t *reply_length);

/*
 * Reads the committed state. DGEN_ENOTFOUND: there is no such actor.
 * Lifetime: *state lives until the next call with the client.
 */
DGEN_API int dgen_client_state(dgen_client *client, const char *type, const char *key,
							   const char **state, size_t *length);

/* ---- client: several at once ------------------------------------------------
 *
 * Casts and calls can be started; their callback runs when they are done. One connection
 * carries any number of them, and the replies arrive in any order. Operations that are started
 * while the connection is busy are sent together, in one statement and one transaction, so this
 * is also the way to send many messages. An operation is in progress ("under way" in the names
 * below) from its start until its callback has run.
 *
 *     start_cast, start_call ──> waiting ──> sent ──> the cast is committed: callback
 *                                              └──> the request is: its reply: callback
 *
 * start_... only queues. Everything else happens in dgen_client_step, which the application's
 * event loop calls, or in dgen_client_finish: they connect, send, receive, and run the
 * callbacks. Messages of one client to one actor arrive in the order in which they were
 * started. A message that the server refuses fails alone: the messages that were sent with it
 * are sent again, in parts.
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
 * If the connection is lost, the client connects again, with an increasing delay. Waiting
 * operations keep waiting, and requests that are committed keep waiting for their replies until
 * their timeout. For operations that were just being sent, it is not known whether they
 * arrived. Those with an idempotency key are sent again, at most 5 times, and are stored only
 * once; the others end with DGEN_EUNKNOWN. An error that a retry cannot fix (a wrong password,
 * a missing extension or privilege) ends all operations in progress.
 *
 * While an operation is in progress, the functions above that talk to the server return
 * DGEN_EBUSY. The functions of this section return DGEN_ESTATE for a wrapped client.
 */

/*
 * Runs exactly once for each operation that was started. If code is 0, the operation succeeded:
 * reply is the reply to a call, and NULL for a cast. Otherwise code is an error, and
 * dgen_client_error, _sqlstate and _hint describe it:
 *
 *     DGEN_EFAILED    the handler failed, or the request was canceled
 *     DGEN_ETIMEOUT   no reply in time. A call that could not be sent in time is not sent any
 *                     more. A request that was sent continues. No callback gets its reply;
 *                     dgen.await_reply can still return it within the type's retention. With
 *                     SQLSTATE ZD010 the error says what the request waits for, see
 *                     dgen_client_start_call
 *     DGEN_EUNKNOWN   the connection was lost while the operation was being sent, see above
 *     DGEN_ECONNECT   the client was closed
 *     others          as dgen_client_cast and dgen_client_call return them
 *
 * The callback can start operations. In it, functions that wait or talk to the server return
 * DGEN_ESTATE; see dgen_client_close for that one.
 *
 * Lifetime: reply, and what the error functions return, live until the callback returns.
 * Thread: the one that calls dgen_client_step, dgen_client_finish or dgen_client_close.
 */
typedef void (*dgen_client_callback)(dgen_client *client, int code, const char *reply,
									 size_t length, void *user);

/*
 * Starts a cast. callback NULL: dgen_client_finish and dgen_client_step return the first error
 * of such casts. If the result is an error, the callback does not run: a message that cannot be
 * sent is refused immediately, as by dgen_client_cast. DGEN_EBUSY: operations in progress use
 * the under_way_bytes of dgen_client_options; call step or finish, and start it again.
 */
DGEN_API int dgen_client_start_cast(dgen_client *client, const char *type, const char *key,
									const char *message, size_t length,
									const dgen_send_options *options, dgen_client_callback callback,
									void *user);

/*
 * Starts a call, like dgen_client_start_cast; callback must not be NULL. timeout_ms counts from
 * now, for the whole operation; 0 is the default of 5 s; -1: no limit.
 *
 * When the timeout expires, the client asks the server what the request waits for, such as a
 * worker, and the callback gets that reason, as from dgen_client_call. The callback waits for
 * the reason at most 1 s; if the reply arrives in the meantime, it gets the reply. The client
 * asks about one call at a time, and at most every 100 ms. Other calls that time out then, and
 * calls without a connection, get DGEN_ETIMEOUT immediately, without a reason.
 */
DGEN_API int dgen_client_start_call(dgen_client *client, const char *type, const char *key,
									const char *message, size_t length,
									const dgen_send_options *options, int timeout_ms,
									dgen_client_callback callback, void *user);

/* Returns how many operations are in progress: started, and their callback has not run. */
DGEN_API size_t dgen_client_under_way(const dgen_client *client);

/*
 * For the application's event loop: call dgen_client_step when the descriptor is readable. Poll
 * it for reading only. The descriptor also becomes readable after start_... and when a timeout
 * expires, so a loop without timers needs none. dgen_client_timeout returns the time after
 * which step must be called at the latest (ms; -1: no limit). dgen_client_fd returns a negative
 * code if memory or descriptors are exhausted, or for a wrapped client.
 *
 * Lifetime: the descriptor remains the same from its first use to dgen_client_close.
 */
DGEN_API int dgen_client_fd(dgen_client *client);
DGEN_API int dgen_client_timeout(dgen_client *client);

/*
 * Does what can be done without waiting, and runs callbacks. Returns 1 while an operation is in
 * progress and 0 if none is. An error has ended all operations in progress, or is that of a
 * cast without a callback.
 */
DGEN_API int dgen_client_step(dgen_client *client);

/*
 * Steps until no operation is in progress, including operations that callbacks start.
 * timeout_ms -1: no limit. Returns 0, or an error as from dgen_client_step. DGEN_ETIMEOUT:
 * operations are still in progress, and continue at the next step or finish.
 */
DGEN_API int dgen_client_finish(dgen_client *client, int timeout_ms);

/* ---- worker ------------------------------------------------------------- */

typedef struct dgen_worker dgen_worker;
typedef struct dgen_turn dgen_turn;

/*
 * A callback: handles one message in a turn. message is valid JSON, NUL-terminated; user is the
 * pointer of the actor type. Returns 0 to commit the turn, or a negative code to fail the
 * attempt: what the turn did is undone, and dgen retries the message after the type's backoff,
 * until max_attempts make it a dead letter. A code above 0 fails the attempt, too.
 *
 * Lifetime: turn and message live until the callback returns.
 * Thread: the one that runs the worker.
 */
typedef int (*dgen_callback)(dgen_turn *turn, const char *message, size_t length, void *user);

typedef struct dgen_actor_type
{
	size_t size;
	const char *name;
	void *user; /* for the callbacks; remains the application's */

	/*
	 * The kind of a message decides which callback runs. If that callback is NULL, and no
	 * alternative is given below, the attempt fails with DGEN_ESTATE: the messages of an actor
	 * have an order, so a worker cannot leave some of them to other workers. A worker with
	 * handle_action alone takes no messages, and one without handle_locked takes no locked
	 * parts. A type without any callback is DGEN_EINVAL.
	 *
	 * init runs at the beginning of a new actor's first turn, with the same message; NULL means
	 * that there is nothing to initialize. An actor is new until a turn has changed its state.
	 */
	dgen_callback init;
	dgen_callback handle_cast;
	dgen_callback handle_call;  /* replies, now or later; NULL: handle_cast gets calls too */
	dgen_callback handle_reply; /* to a request of the actor; NULL: discarded */
	dgen_callback handle_timer; /* NULL: handle_cast gets it. Nothing sends timers yet */

	/*
	 * Policy of a type that does not exist yet; NULL or 0: dgen.create_actor_type's default. To
	 * change a type that exists, use dgen.alter_actor_type in SQL.
	 */
	const char *initial_state; /* a JSON object */
	int max_attempts;
	int backoff_ms;
	int max_backoff_ms;
	int turn_timeout_ms;

	/*
	 * Notifies the actor that one of its messages has become a dead letter, which is the
	 * message here. dgen_turn_in_reply_to, dgen_turn_reply_error and dgen_turn_reply_sqlstate
	 * tell its id and why it failed. The notification is a message of its own, behind those
	 * that already wait. If it becomes a dead letter itself, there is no notification for it.
	 *
	 * NULL: this worker does not ask for notifications, and discards those that arrive. Actors
	 * of the type get them from the first time that a worker with this callback attaches.
	 * dgen.alter_actor_type(..., handle_dead_letters => false) ends that, until the next such
	 * worker attaches.
	 */
	dgen_callback handle_dead_letter;

	/*
	 * Runs an action that dgen_turn_act has stored. NULL: turns of this type cannot store
	 * actions, and this worker leaves stored actions to other workers.
	 */
	dgen_callback handle_action;

	/*
	 * Runs a locked part: a message whose turn has called dgen_turn_lock. The other two members
	 * are policy as well: how long a locked part can take (0: 1 hour), and the lowest priority
	 * of the messages that the actor handles while it is locked (0: it handles none).
	 */
	dgen_callback handle_locked;
	int lock_timeout_ms;
	int locked_priority;
} dgen_actor_type;

typedef enum dgen_log_level
{
	DGEN_LOG_DEBUG,
	DGEN_LOG_INFO,
	DGEN_LOG_WARNING,
	DGEN_LOG_ERROR
} dgen_log_level;

/*
 * Gets one line of the log, with its hint. Errors of turns, a lost connection and a WARNING of
 * the server are warnings. One of the latter arrives at each attach for a type that has a
 * handler in the database, because in-database workers then handle its messages, too.
 *
 * Lifetime: text lives until the callback returns.
 * Thread: the one that runs the worker or the supervisor.
 */
typedef void (*dgen_log_callback)(dgen_log_level level, const char *text, void *user);

typedef struct dgen_worker_options
{
	size_t size;
	const char *name;     /* in dgen.workers, at most 63 bytes; default: program@host:pid */
	int max_actors;       /* in a batch; default: the server decides */
	int max_messages;     /* in a batch; default: the server decides */
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

/*
 * Makes a worker, which does not connect yet. conninfo as for dgen_client_open. *worker is set
 * unless memory is exhausted, so that dgen_worker_error says what failed: close it in any case.
 */
DGEN_API int dgen_worker_open(dgen_worker **worker, const char *conninfo,
							  const dgen_worker_options *options);

/*
 * Adds an actor type; the struct is copied. When the worker connects, it creates the type if
 * that does not exist. DGEN_ESTATE: the worker has already run.
 */
DGEN_API int dgen_worker_register(dgen_worker *worker, const dgen_actor_type *type);

/*
 * Handles messages until dgen_worker_stop, and then returns 0. When the connection is lost, it
 * connects again. It returns an error that a retry cannot fix: a wrong password, a missing
 * extension, another version, a missing privilege. Another one is DGEN_EPOOLED: the connection
 * goes through a connection pooler in transaction mode, such as pgbouncer, which gives the
 * worker's session to other clients. The worker notices that when it happens, and handles no
 * message wrongly or twice. Connect to PostgreSQL directly, or through a pooler in session
 * mode.
 */
DGEN_API int dgen_worker_run(dgen_worker *worker);

/*
 * Makes dgen_worker_run return. A worker that waits for messages stops immediately. A callback
 * that runs is not interrupted: what it did is committed with its batch, and no other callback
 * begins. The server then gets drain_ms to answer. If it does not, it is not known whether the
 * batch was committed; the log says so, and run returns. A stop before run makes run return
 * immediately. A stopped worker cannot run again.
 *
 * Thread: any, and a signal handler, as long as the worker is not closed.
 */
DGEN_API void dgen_worker_stop(dgen_worker *worker);

/*
 * For the application's own event loop, instead of dgen_worker_run: call dgen_worker_step when
 * the descriptor is readable or the timeout (ms; -1: no limit) has passed. Poll the descriptor
 * for reading only. dgen_worker_step blocks no longer than callbacks and their statements take.
 * It returns 1 if there is more to do, 0 after a stop, or an error as dgen_worker_run.
 *
 * Lifetime: the descriptor remains the same from dgen_worker_open to dgen_worker_close.
 */
DGEN_API int dgen_worker_fd(dgen_worker *worker);
DGEN_API int dgen_worker_timeout(dgen_worker *worker);
DGEN_API int dgen_worker_step(dgen_worker *worker);

/* Returns whether the worker is attached now, so that it gets messages. False for NULL. */
DGEN_API bool dgen_worker_is_attached(const dgen_worker *worker);

/*
 * Closes the worker. The server rolls back a batch that is not committed, and its messages come
 * again. If you call dgen_worker_close inside a callback of this worker, the session ends
 * immediately; the handle lives until dgen_worker_run or dgen_worker_step returns, which is
 * then 0. To let the batch commit first, call dgen_worker_stop, and close the worker after run.
 */
DGEN_API void dgen_worker_close(dgen_worker *worker);

/* The same as those of the client. */
DGEN_API const char *dgen_worker_error(const dgen_worker *worker);
DGEN_API const char *dgen_worker_sqlstate(const dgen_worker *worker);
DGEN_API const char *dgen_worker_hint(const dgen_worker *worker);

/* ---- supervisor -----------------------------------------------------------
 *
 * Runs workers in processes of their own. A callback that crashes then ends only its process,
 * and the supervisor replaces that process:
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
	int grace_ms;        /* from the request to stop to SIGKILL; default 60 s */
	int restart_min_ms;  /* before a process that died is replaced; default 100 ms, ... */
	int restart_max_ms;  /* ... doubled with jitter up to this; default 10 s */
	int max_deaths;      /* more than this number of deaths ...; default: no limit */
	int death_window_ms; /* ... within this time end the supervisor; default 60 s */
	int turn_timeout_ms; /* of a callback, then SIGKILL; -1: no limit; default: the type's + 10 s */
	dgen_log_callback log;
	void *log_user;
	int replace_ms; /* after SIGHUP, for a new process to attach its worker; default 60 s */
} dgen_supervisor_options;
#define DGEN_SUPERVISOR_OPTIONS_INIT                                  \
	{                                                                 \
		sizeof(dgen_supervisor_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
	}

/*
 * Runs `run` in the given number of processes, made by fork, and returns when all of them have
 * ended. `run` must open everything that it needs; descriptors that are open before the call
 * are shared by the processes. The supervisor starts one process, and the others when the
 * worker of the first one is attached. Linux only.
 *
 * Deaths. A process dies by a signal, by exit, or if `run` returns 0 or DGEN_ENOMEM without a
 * request to stop. The supervisor replaces it, after a delay that doubles from death to death
 * and starts again at restart_min_ms after a process has run for restart_max_ms. The log has
 * the number, process id and signal or status of the process and, if it died in a callback, the
 * actor and the message. Any other value that `run` returns is an error that a retry cannot
 * fix: the supervisor stops the other processes and returns that value.
 *
 * Callbacks that take too long. The supervisor kills a process whose callback runs longer than
 * turn_timeout_ms, and logs the actor and the message. The default is the turn_timeout_ms with
 * which the type was registered plus 10 s. For handle_locked it is always the lock_timeout_ms
 * with which the type was registered plus 10 s. Without such a time there is no limit;
 * turn_timeout_ms -1 removes both. In any case the server ends the session of a turn 5 s
 * after the type's turn_timeout. That does not end the callback, but if it returns after that,
 * its attempt has failed. The message of a process that was killed comes again, as after a
 * crash.
 *
 * Signals. No signal handler of the program sees these during the call:
 *   SIGTERM, SIGINT  stop the processes, see dgen_child_watch; a process that has not ended after
 *                    grace_ms gets SIGKILL. The second such signal kills all processes
 *                    immediately, and is then raised again for this process, with the
 *                    disposition that it had before the call.
 *   SIGHUP           replaces one process after the other: when the worker of the new process is
 *                    attached, the old process gets SIGTERM. If the new process dies before that,
 *                    or is killed because it has not attached after replace_ms, the old processes
 *                    stay, and the log says so.
 * The server rolls back whatever a killed process was doing, and its messages come again.
 *
 * The processes end with this one, however it ends: the kernel kills them. As process 1 of a
 * container it reaps orphans. If systemd (Type=notify) or a similar program has set
 * NOTIFY_SOCKET, the supervisor sends READY=1 when all workers are attached, RELOADING=1 (with
 * MONOTONIC_USEC) and STOPPING=1 as in sd_notify(3) and, if WATCHDOG_USEC is set, WATCHDOG=1
 * three times in that period. The socket can be abstract.
 *
 * Returns 0 after a stop; DGEN_ETIMEOUT if processes had to be killed for the stop;
 * DGEN_EFAILED after more than max_deaths; the value of `run`, see above; DGEN_EINVAL,
 * DGEN_ENOMEM, or DGEN_ESTATE without descriptors. The log has the text of the error.
 *
 * Thread: call it in a process that has only one thread, and before libpq has opened anything.
 */
DGEN_API int dgen_supervisor_run(const dgen_supervisor_options *options,
								 int (*run)(dgen_child *child, void *user), void *user);

/*
 * Returns the number of the process, from 1; a process that replaces another has the same
 * number. Call it in the child only.
 */
DGEN_API int dgen_child_number(const dgen_child *child);

/*
 * Call it in the child, before dgen_worker_run or the first dgen_worker_step: SIGTERM then
 * stops the worker like dgen_worker_stop, and the supervisor learns when the worker is
 * attached, and when each callback begins and ends. DGEN_ESTATE: the worker has already run, or
 * the child already has a worker.
 *
 * SIGTERM, SIGINT and SIGHUP are blocked in the child and in programs that its callbacks start,
 * so they interrupt no callback. When `run` returns, the process calls fflush(NULL) and _exit.
 */
DGEN_API int dgen_child_watch(dgen_child *child, dgen_worker *worker);

/* ---- turn ---------------------------------------------------------------
 *
 * Call these functions only inside a callback, with the turn that it got. The first error
 * sticks: later calls return it and do nothing, getters return `absent` or NULL, and a turn
 * with an error never commits, whatever the callback returns. So a callback can do all its work
 * and check for the error once, or never. NULL where a value is required, and a value that the
 * server cannot store, are such errors.
 *
 * Lifetime: text that these functions return lives until the callback returns, unless a comment
 * says otherwise.
 */

/* Returns the first error of the turn, or 0. */
DGEN_API int dgen_turn_error(const dgen_turn *turn);

/*
 * Return what the turn is about. For a NULL turn: "", 0 or NULL.
 *
 * The kind is "cast", "call" (a request), "reply", "timer", "dead_letter", "action" or
 * "locked". The message id of a call is the request to answer. The message id is the same in
 * every attempt, so it is a good idempotency key for effects outside of the database.
 */
DGEN_API const char *dgen_turn_actor_type(const dgen_turn *turn);
DGEN_API const char *dgen_turn_actor_key(const dgen_turn *turn);
DGEN_API const char *dgen_turn_kind(const dgen_turn *turn);
DGEN_API int64_t dgen_turn_message_id(const dgen_turn *turn);
DGEN_API int dgen_turn_attempt(const dgen_turn *turn);         /* from 1 */
DGEN_API int64_t dgen_turn_version(const dgen_turn *turn);     /* of the state; 0: new actor */
DGEN_API const char *dgen_turn_headers(const dgen_turn *turn); /* a JSON object; NULL: none */

/*
 * In handle_reply: the request, its correlation (NULL: none), and the error and SQLSTATE of a
 * request that failed (NULL: it succeeded). In handle_dead_letter: the message that became a
 * dead letter, its correlation, and why. In handle_action, and in handle_reply for an action,
 * the correlation is the name of the action.
 */
DGEN_API int64_t dgen_turn_in_reply_to(const dgen_turn *turn);
DGEN_API const char *dgen_turn_correlation(const dgen_turn *turn);
DGEN_API const char *dgen_turn_reply_error(const dgen_turn *turn);
DGEN_API const char *dgen_turn_reply_sqlstate(const dgen_turn *turn);

/*
 * Return a member of the message by JSON pointer, or `absent` if there is none. A member of
 * another type, including null, is the error DGEN_ETYPE of the turn.
 */
DGEN_API int64_t dgen_turn_arg_int64(dgen_turn *turn, const char *pointer, int64_t absent);
DGEN_API double dgen_turn_arg_double(dgen_turn *turn, const char *pointer, double absent);
DGEN_API bool dgen_turn_arg_bool(dgen_turn *turn, const char *pointer, bool absent);
DGEN_API const char *dgen_turn_arg_string(dgen_turn *turn, const char *pointer, const char *absent);

/*
 * Entries are the top-level members of the state. The worker sends only entries that were set
 * or deleted and are different from before, so a large state with small changes is cheap. The
 * name of an entry is any text in UTF-8, including "".
 *
 * dgen_turn_get returns the JSON of an entry, or NULL if it is absent; *length, unless NULL,
 * gets its length. The others return its value like dgen_turn_arg_int64.
 *
 * Lifetime: what dgen_turn_get returns lives until the entry is set or deleted, or the callback
 * returns.
 */
DGEN_API const char *dgen_turn_get(dgen_turn *turn, const char *entry, size_t *length);
DGEN_API int64_t dgen_turn_get_int64(dgen_turn *turn, const char *entry, int64_t absent);
DGEN_API double dgen_turn_get_double(dgen_turn *turn, const char *entry, double absent);
DGEN_API bool dgen_turn_get_bool(dgen_turn *turn, const char *entry, bool absent);
DGEN_API const char *dgen_turn_get_string(dgen_turn *turn, const char *entry, const char *absent);

/* Set or delete an entry. To delete an entry that is absent is not an error. */
DGEN_API int dgen_turn_set(dgen_turn *turn, const char *entry, const char *json, size_t length);
DGEN_API int dgen_turn_set_int64(dgen_turn *turn, const char *entry, int64_t number);
DGEN_API int dgen_turn_set_double(dgen_turn *turn, const char *entry, double number);
DGEN_API int dgen_turn_set_bool(dgen_turn *turn, const char *entry, bool truth);
DGEN_API int dgen_turn_set_string(dgen_turn *turn, const char *entry, const char *text);
DGEN_API int dgen_turn_delete(dgen_turn *turn, const char *entry);

/*
 * Iterates over the entries whose names begin with prefix ("": all), in the order of their
 * bytes. Begin with *entry NULL, or with any text to continue behind it; each call sets *entry
 * to the name of the next entry and returns its JSON, or NULL at the end. The callback can
 * change entries during the iteration: entries ahead that were set are found, and those that
 * were deleted are not.
 *
 * Lifetime: the name lives until the callback returns, the JSON as that of dgen_turn_get.
 */
DGEN_API const char *dgen_turn_scan(dgen_turn *turn, const char *prefix, const char **entry,
									size_t *length);

/*
 * Return the whole state as one JSON object, and replace it by one: entries that are not in the
 * object are deleted, and those that are equal remain.
 * Lifetime: what dgen_turn_state returns lives until the next change of the state.
 */
DGEN_API const char *dgen_turn_state(dgen_turn *turn, size_t *length);
DGEN_API int dgen_turn_set_state(dgen_turn *turn, const char *json, size_t length);

/*
 * Reply to the call that this turn handles, when the turn commits. json NULL is JSON null. In
 * handle_locked it is the reply to the message that locked the actor, and in handle_action it
 * goes to the actor's handle_reply; in all other turns it is discarded. A call whose turn does
 * not reply remains open, for dgen_turn_send_reply in a later turn. DGEN_ESTATE: a second reply
 * in the turn, or the turn has called dgen_turn_lock.
 */
DGEN_API int dgen_turn_reply(dgen_turn *turn, const char *json, size_t length);
DGEN_API int dgen_turn_reply_int64(dgen_turn *turn, int64_t number);
DGEN_API int dgen_turn_reply_double(dgen_turn *turn, double number);
DGEN_API int dgen_turn_reply_bool(dgen_turn *turn, bool truth);
DGEN_API int dgen_turn_reply_string(dgen_turn *turn, const char *text);

/*
 * Replies to a call that an earlier turn left open. request is the dgen_turn_message_id of that
 * turn; for the request of this turn, this is dgen_turn_reply. json NULL is JSON null. A request
 * that is not known or was already answered is skipped.
 */
DGEN_API int dgen_turn_send_reply(dgen_turn *turn, int64_t request, const char *json,
								  size_t length);

/*
 * Fails such a call instead: its caller gets the error. This turn commits nevertheless, and the
 * error with it. If request is that of this turn, the error is the turn's reply. error NULL:
 * "unspecified error"; sqlstate NULL, or not five digits and capital letters: ZD400. A request
 * that is not known or was already answered is skipped.
 */
DGEN_API int dgen_turn_fail_request(dgen_turn *turn, int64_t request, const char *error,
									const char *sqlstate);

/*
 * Sends to another actor, or to this one, when the turn commits. message NULL is JSON null;
 * options NULL: defaults.
 */
DGEN_API int dgen_turn_cast(dgen_turn *turn, const char *type, const char *key, const char *message,
							size_t length, const dgen_send_options *options);

/*
 * Sends a request in the same way. The reply is a message to this actor's handle_reply, with
 * the correlation (NULL: none).
 */
DGEN_API int dgen_turn_request(dgen_turn *turn, const char *type, const char *key,
							   const char *message, size_t length, const char *correlation,
							   const dgen_send_options *options);

/*
 * These functions end the turn without committing: everything that it did is undone. The
 * callback must return their result: return dgen_turn_fail(...). That is DGEN_EFAILED, or
 * DGEN_EINVAL if the delay of dgen_turn_retry is less than -1 or more than a century. If a
 * callback calls several of them, the first one counts, even after an error.
 *
 * dgen_turn_fail ends the message without further attempts: the caller of a call gets the
 * error, and a cast becomes a dead letter. error NULL: "unspecified error"; sqlstate NULL, or
 * not five digits and capital letters: ZD400. If the encoding of the database cannot hold the
 * text, its ASCII characters are kept, also for dgen_turn_raise.
 *
 * dgen_turn_raise fails the attempt, like RAISE EXCEPTION in SQL: dgen retries it after the
 * type's backoff, and after max_attempts the message becomes a dead letter. Until then
 * dgen.messages shows the error. error as above; sqlstate as above, but P0001.
 * dgen_turn_raise_result does the same with the message, SQLSTATE and hint of a statement that
 * failed on the turn's connection. A NULL result, which libpq returns if it has none, means the
 * error of the connection.
 *
 * dgen_turn_retry counts no attempt. delay_ms -1: the type's backoff.
 *
 * Lifetime: the result remains the application's.
 */
DGEN_API int dgen_turn_fail(dgen_turn *turn, const char *error, const char *sqlstate);
DGEN_API int dgen_turn_raise(dgen_turn *turn, const char *error, const char *sqlstate);
DGEN_API int dgen_turn_raise_result(dgen_turn *turn, const PGresult *result);
DGEN_API int dgen_turn_retry(dgen_turn *turn, int64_t delay_ms);

/*
 * Removes the actor's state, including the changes of this turn, when the turn commits. Replies
 * and messages of the turn are sent, and messages that wait start a new actor. A change of the
 * state after this call, in the same turn, is DGEN_ESTATE.
 */
DGEN_API int dgen_turn_destroy(dgen_turn *turn);

/*
 * Locks the actor when the turn commits, for work that takes long. Then handle_locked gets the
 * same message, in a worker of any process, outside of any transaction: this is the locked
 * part. When it returns 0, its changes of the state, its messages and its reply commit, and the
 * actor is unlocked. Only the entries that it has changed are written, so changes that turns
 * have made to other entries in the meantime remain. The actor's other messages wait, except
 * those of the type's locked_priority and above.
 *
 * A locked part runs at least once. If its worker dies, another worker runs it again
 * immediately, and the outcome of the first run is discarded. A failed attempt is retried after
 * the backoff; fail, retry, destroy and max_attempts work as in a turn.
 *
 * Nothing interrupts a locked part, not even dgen_worker_stop. After lock_timeout_ms another
 * worker can run it, and the late one can no longer commit; the same applies if the actor was
 * unlocked. The log says so, and its outcome is discarded. A locked part occupies only its own
 * worker. If a type has several workers, one of them takes no locked parts and stays free for
 * messages.
 *
 * dgen_turn_lock fails with DGEN_ESTATE inside handle_locked, in a turn that also replies or
 * destroys the actor, and if the type has no handle_locked. Inside handle_locked,
 * dgen_turn_connection fails with DGEN_ESTATE, too: use a connection of your own.
 */
DGEN_API int dgen_turn_lock(dgen_turn *turn);

/*
 * Returns the idempotency key of a locked part, for external systems: it is the same in every
 * attempt for this message, and different for every other message. It does not distinguish
 * attempts, so it is not a fencing token. NULL in other callbacks.
 */
DGEN_API const char *dgen_turn_token(const dgen_turn *turn);

/*
 * Returns the worker's connection, for the application's own tables; NULL on error. What is
 * written there commits with the turn: the connection is in the batch's transaction, behind a
 * savepoint of the turn.
 *
 * Run each statement to its end, with PQexec and PQexecParams. Do not commit or roll back the
 * transaction, and do not leave the connection in pipeline mode: the worker notices that, drops
 * the batch, and the turn's attempt fails.
 *
 * If a statement fails, the turn fails, unless the application rolls back to a savepoint of its
 * own. Return dgen_turn_raise_result, so that dgen records the error of that statement. If the
 * callback returns another negative code, dgen records only the error text of the last
 * statement, which can be a mere consequence of the first failure.
 *
 * dgen does not undo what a committed turn changes in the session: SET, RESET ALL, LISTEN and
 * temporary tables remain until the worker connects again. Use SET LOCAL. If client_encoding is
 * not UTF8 when the callback returns, the turn fails.
 *
 * Lifetime: use the connection only until the callback returns, and do not close it.
 */
DGEN_API PGconn *dgen_turn_connection(dgen_turn *turn);

/*
 * Runs the after-commit callback `action` when the turn is known to be committed. This is best
 * effort: if the process ends before, it does not run. If the connection is lost in the commit,
 * the worker asks in its next session whether the batch was committed. `release`, unless NULL,
 * always runs once: after the callback; without it, if the turn does not commit; or
 * immediately, if this function fails.
 *
 * Lifetime: data must live until `release` has run.
 * Thread: both run in the thread that runs the worker.
 */
DGEN_API int dgen_turn_after_commit(dgen_turn *turn, void (*action)(void *data),
									void (*release)(void *data), void *data);

/*
 * Stores an action: handle_action runs with this message after the turn has committed, to
 * charge a card, send a mail or call another service. The action commits with the turn, or not
 * at all. It runs at least once. A failed attempt is retried after the type's backoff, also if
 * its worker dies, and after max_attempts the action becomes a dead letter.
 * dgen_turn_message_id is the same in every attempt: give it to the other service as the
 * idempotency key.
 *
 * Actions have no order: an action does not wait for the actor's messages, they do not wait for
 * it, and several actions run at the same time. An action has no state: to set or delete
 * entries, to destroy the actor or to lock it is DGEN_ESTATE. Its reply goes to the actor's
 * handle_reply. In all other respects its turn is like any other, and its messages are sent
 * when it commits.
 *
 * action is the name, of 1 to 128 bytes, which dgen_turn_correlation returns in the turns of
 * the action and of its reply. message NULL is JSON null. Only delay_ms and headers of the
 * options can be set (NULL: defaults); others are DGEN_EINVAL. DGEN_ESTATE: the type has no
 * handle_action.
 */
DGEN_API int dgen_turn_act(dgen_turn *turn, const char *action, const char *message, size_t length,
						   const dgen_send_options *options);

/* ---- worker programs ------------------------------------------------------
 *
 * The program dgen runs the actor types of a shared object: "dgen worker FILE.so -j 4". It has
 * the options, signals, processes and log of a worker, so the object needs only this function,
 * which the library does not contain.
 *
 *     cc -shared -fPIC -o counter.so counter.c
 */

/*
 * Defined by the shared object, and called once in each process. Returns its actor types, an
 * array of *count elements, each with size = sizeof(dgen_actor_type).
 *
 * Lifetime: the array must live until the process ends.
 * Thread: with --threads, callbacks run in several threads at the same time, with the same
 * user.
 */
DGEN_API const dgen_actor_type *dgen_actor_types(size_t *count);

/* ---- testing callbacks without a database --------------------------------- */

typedef struct dgen_test dgen_test;

/*
 * Makes an actor of the type, with a state to start from. state NULL: a new actor, whose first
 * turn runs init and begins with the type's initial state. Type, key and state are copied.
 * *test is set unless memory is exhausted, so that dgen_test_error says what is wrong: close it
 * in any case.
 */
DGEN_API int dgen_test_open(dgen_test **test, const dgen_actor_type *type, const char *key,
							const char *state);

/*
 * Runs the callback for one message of the kind ("cast", "call", "reply", "timer" or "locked";
 * for others see below), with the same checks as in a worker. message NULL is JSON null.
 * Returns 0 if the turn would commit; the after-commit callbacks have run then, and the next
 * turn gets the new state. Otherwise returns the turn's error (of fail, raise and retry:
 * DGEN_EFAILED), and nothing has changed. dgen_turn_connection is DGEN_ESTATE, and
 * dgen_turn_attempt is 1.
 */
DGEN_API int dgen_test_run(dgen_test *test, const char *kind, const char *message);

/*
 * The same for the reply to a request with the correlation. error, unless NULL: the request
 * failed with this text, and the message is JSON null.
 */
DGEN_API int dgen_test_run_reply(dgen_test *test, const char *correlation, const char *message,
								 const char *error);

/* The same for a message that became a dead letter because of this error. */
DGEN_API int dgen_test_run_dead_letter(dgen_test *test, const char *message, const char *error,
									   const char *sqlstate);

/* The same for an action of that name. It has no state, and does not change that of the actor. */
DGEN_API int dgen_test_run_action(dgen_test *test, const char *action, const char *message);

/*
 * Return the state so far, the outcome of the last turn, and the text of the last error; "" if
 * there is none or memory is exhausted. State and outcome are JSON objects:
 *
 *     {"committed": true, "set": {...}, "deleted": [...], "destroyed": true, "reply": ...,
 *      "replies": [{"request": ..., "reply": ...}, {"request": ..., "error": ...,
 *      "sqlstate": ...}], "sends": [{"kind": "cast", "type": ...,
 *      "key": ..., "message": ...}], "locks": true, "end": "fail", "delay_ms": ..., "error": ...,
 *      "sqlstate": ...}
 *
 * committed, set, deleted and sends are always present, other members if they apply. end is
 * "error" (also of raise), "fail" or "retry". replies are those to calls of earlier turns, and
 * all requests that dgen_turn_fail_request failed. A send can have correlation, delay_ms,
 * priority, idempotency_key and headers; one of kind "action" has the type and key of the
 * actor. The order of the members and the white space can change.
 *
 * Lifetime: the text lives until the next call with the test.
 */
DGEN_API const char *dgen_test_state(dgen_test *test);
DGEN_API const char *dgen_test_outcome(dgen_test *test);
DGEN_API const char *dgen_test_error(dgen_test *test);

/* Frees the test. */
DGEN_API void dgen_test_close(dgen_test *test);

DGEN_END_DECLS

#endif /* DGEN_H */
