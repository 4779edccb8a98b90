/*
 * Requests: their rows in dgen.request, their callers, and the reply that an actor gets as a
 * message (request.c, askers.c, action.c). Needs a transaction.
 */
#ifndef DGEN_SEND_REQUEST_H
#define DGEN_SEND_REQUEST_H

#include "postgres.h"

#include "access/htup.h"
#include "storage/itemptr.h"

struct BatchActor;
struct BatchMessage;
struct DgenScan;
struct Send;

/* request.status */
#define REQUEST_PENDING 'p'
#define REQUEST_REPLIED 'r'
#define REQUEST_FAILED 'f'
#define REQUEST_CANCELLED 'c'

/* The actor that gets the reply as a message. */
typedef struct ReplyTo
{
	int32 type_id;
	text *key;
} ReplyTo;

/* How a request has ended. */
typedef struct Reply
{
	Datum reply; /* jsonb; ignored if error is set */
	const char *error;
	const char *sqlstate;
	const char *hint;
	bool cancelled; /* by dgen.cancel, or with its actor or type; error is set */
} Reply;

/* A row of dgen.request. */
typedef struct Request
{
	ItemPointerData tid;
	bool own; /* written by the current transaction */
	char status;
	Datum values[17];
	bool nulls[17];
} Request;

/* ---- request.c: rows of requests ---- */

/* Reads *reply_to from the context of a turn. Raises unless this transaction owns the turn's actor. */
extern void dgen_get_reply_to(HeapTupleHeader context, ReplyTo *reply_to);

/* Writes the request row of a message that is sent. */
extern void dgen_open_request(const struct Send *send, int64 id, const ReplyTo *reply_to,
							  text *correlation, bool keep);
extern void dgen_request_row(const struct Send *send, int64 id, const ReplyTo *reply_to,
							 text *correlation, bool keep, Datum *values, bool *nulls);

/* False: there is no such request. The scan is of the primary key. */
extern bool dgen_find_request(int64 id, Request *request);
extern bool dgen_find_request_with(struct DgenScan *scan, int64 id, Request *request);

/* ---- request.c: replies ---- */

/* Returns in *reply how a request that is not pending has ended. */
extern void dgen_kept_reply(const Request *request, Reply *reply);
extern void dgen_cancelled_reply(Reply *reply);
extern Datum dgen_json_null(void);

/* Sends the reply, or the error, as a message to the actor that asked. */
extern void dgen_reply_to_actor(const ReplyTo *to, int64 id, text *correlation, const Reply *reply);

/* ---- action.c: the result of an action ---- */

/* Sends the result as a message to the actor of the action. */
extern void dgen_action_reply(const struct BatchActor *actor, const struct BatchMessage *action,
							  const Reply *reply);

/* ---- askers.c: several callers with the same idempotency key ---- */

/*
 * The message was not sent, because message `id` has its idempotency key. The caller gets the reply to
 * that request. Raises DGEN_ERR_KEY_WITHOUT_REPLY if that message was not a request. reply_to is NULL for
 * a client.
 */
extern void dgen_ask_again(const struct Send *send, int64 id, const text *key,
						   const ReplyTo *reply_to, text *correlation);
/* Sends the reply to all callers except the first one. */
extern void dgen_tell_askers(int64 id, const Reply *reply);

#endif /* DGEN_SEND_REQUEST_H */
