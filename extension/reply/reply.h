/*
 * Answers requests: their rows (reply.c), the reply to a dgen.call (call_reply.c), and why there is no
 * reply yet (explain.c). Needs a transaction.
 */
#ifndef DGEN_REPLY_REPLY_H
#define DGEN_REPLY_REPLY_H

#include "postgres.h"

#include "table/scan.h"
#include "write/writer.h"

struct ActorType;
struct Reply;

/* ---- reply.c: rows of requests ---- */

/* State that the answers of a batch share. Starts zeroed except for for_caller. */
typedef struct Answers
{
	bool for_caller; /* raises unless the calling role has the privilege to work for the type */
	bool open;
	DgenScan scan;
	DgenWriter writer;
} Answers;

/* Answers a request, and wakes sessions that wait for the reply. True if the request was open. */
extern bool dgen_answers_add(Answers *answers, int64 request_id, const struct Reply *reply);
extern void dgen_answers_end(Answers *answers);

/* Answers one request. Checks no privilege. */
extern bool dgen_answer(int64 request_id, const struct Reply *reply);

/* Finds the requests that must be checked one by one: all except open ones of the calling role itself. */
extern void dgen_find_answered(const int64 *ids, int count, bool *answered);

/* ---- call_reply.c: dgen.send_reply to the dgen.call that runs ---- */

/*
 * A call begins to run. After it has run: was a reply given, and which? The reply is in the memory
 * context of the beginning.
 */
extern void dgen_expect_reply(int64 id, const struct ActorType *type);
extern bool dgen_expect_no_more(struct Reply *reply);

/* Is `id` the call that runs? */
extern bool dgen_is_expected(int64 id);
/* False: the call has a reply already. Raises 42501 without the privilege to work for the type. */
extern bool dgen_give_expected(const struct Reply *reply);

/* ---- explain.c: why there is no reply yet ---- */

/* Returns a sentence for the error of a caller that no longer waits; NULL: none. */
extern char *dgen_explain_pending(int64 request);

#endif /* DGEN_REPLY_REPLY_H */
