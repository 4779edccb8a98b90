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

/* The actor whose mailbox a reply goes to. */
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
	bool cancelled; /* by dgen.cancel, or with its actor or type; error and so on are set */
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

/* From the context of a turn; raises unless the turn's actor is owned by this transaction. */
extern void dgen_get_reply_to(HeapTupleHeader context, ReplyTo *reply_to);

/* Writes the request row of a message that is being sent. */
extern void dgen_open_request(const struct Send *send, int64 id, const ReplyTo *reply_to,
							  text *correlation, bool keep);
extern void dgen_request_row(const struct Send *send, int64 id, const ReplyTo *reply_to,
							 text *correlation, bool keep, Datum *values, bool *nulls);

/* False: there is none. The scan is one of its primary key. */
extern bool dgen_find_request(int64 id, Request *request);
extern bool dgen_find_request_with(struct DgenScan *scan, int64 id, Request *request);

/* ---- request.c: replies ---- */

/* What a request that is not pending has come to. */
extern void dgen_kept_reply(const Request *request, Reply *reply);
extern void dgen_cancelled_reply(Reply *reply);
extern Datum dgen_json_null(void);

/* The reply, or the error, as a message to the actor that has asked. */
extern void dgen_reply_to_actor(const ReplyTo *to, int64 id, text *correlation, const Reply *reply);

/* ---- action.c: what an action has come to ---- */

/* As a message to the actor of the action. */
extern void dgen_action_reply(const struct BatchActor *actor, const struct BatchMessage *action,
							  const Reply *reply);

/* ---- askers.c: several callers with the same idempotency key ---- */

/*
 * The message was not sent, because its idempotency key stands for message `id`: the caller gets
 * what that request gets. Raises DGEN_ERR_KEY_WITHOUT_REPLY if that was no request. reply_to is NULL
 * for a client.
 */
extern void dgen_ask_again(const struct Send *send, int64 id, const text *key,
						   const ReplyTo *reply_to, text *correlation);
/* Tells all callers but the first one. */
extern void dgen_tell_askers(int64 id, const Reply *reply);

#endif /* DGEN_SEND_REQUEST_H */
