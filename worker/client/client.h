/*
 * A client, and its operations, of which several can be in progress:
 *
 *     start ──> waiting ──send_many──> sent ──a cast: committed──> callback
 *                  │                    │ └────a call: its id────> open ──await_any──> callback
 *                  └───────────────────>┴──── timeout, lost connection: callback
 *
 * If an open call times out, the server can be asked first why (pipeline_explain.c).
 *
 * One that ends while the server is still to say something about it stays where it is,
 * over, until that has come.
 */
#ifndef DGEN_CLIENT_CLIENT_H
#define DGEN_CLIENT_CLIENT_H

#include "dgen.h"

#include "base/error.h"
#include "base/memory.h"
#include "client/operation.h"
#include "server/answers.h"
#include "server/array.h"
#include "server/loop.h"
#include "server/sql.h"

typedef enum dgen__link
{
	DGEN__LINK_IDLE, /* the connection, if there is one, is not in pipeline mode */
	DGEN__LINK_RESTING,
	DGEN__LINK_CONNECTING,
	DGEN__LINK_CHECKING, /* connected; waits for the extension's version */
	DGEN__LINK_RUNNING
} dgen__link;

typedef struct dgen__async
{
	dgen__loop loop;
	dgen__link link;
	int64_t deadline; /* of the link's state; DGEN__NEVER: none */
	int attempts;     /* to connect or await, since that worked */
	uint64_t random;
	bool running;  /* in a step, whose callbacks can only start operations */
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
	dgen__error failure; /* to be returned by step: no callback got it */

	dgen__answers answers;
	bool sending; /* dgen.send_many is in progress */
	size_t
		suspects;   /* of those that wait the first ones: one of them fails the statement for all */
	size_t most;    /* if so: messages of the next statement */
	bool awaiting;  /* dgen.await_any is */
	PGresult *rows; /* of send_many, until its transaction is committed */
	dgen__error error; /* of the section whose sync is pending */
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

/* greeting.c */
extern int dgen__client_check_extension(dgen_client *client);
extern bool dgen__client_is_alive(PGconn *connection);
extern int dgen__client_greet(dgen_client *client, const PGresult *version); /* a new connection */

/* async.c: what the application calls */
extern int dgen__async_refuse(dgen_client *client); /* while an operation is in progress; else 0 */
extern void dgen__async_close(dgen_client *client);
extern void dgen__async_close_later(dgen_client *client);

#endif /* DGEN_CLIENT_CLIENT_H */
