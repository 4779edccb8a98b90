/*
 * Answering requests: their rows (reply.c), the reply to a dgen.call (call_reply.c), and why there is
 * none yet (explain.c). Needs a transaction.
 */
#ifndef DGEN_REPLY_REPLY_H
#define DGEN_REPLY_REPLY_H

#include "postgres.h"

#include "table/scan.h"
#include "write/writer.h"

struct ActorType;
struct Reply;

/* ---- reply.c: rows of requests ---- */

/* What the answers of a batch share. Starts zeroed but for for_caller. */
typedef struct Answers
{
	bool for_caller; /* raises unless the calling role has the privilege to work for the type */
	bool open;
	DgenScan scan;
	DgenWriter writer;
} Answers;

/* Answers a request, and wakes sessions that wait for it. True if the request was open. */
extern bool dgen_answers_add(Answers *answers, int64 request_id, const struct Reply *reply);
extern void dgen_answers_end(Answers *answers);

/* One alone, not for a caller. */
extern bool dgen_answer(int64 request_id, const struct Reply *reply);

/* Which requests must be looked at one by one: all but the open ones of the calling role itself. */
extern void dgen_find_answered(const int64 *ids, int count, bool *answered);

/* ---- call_reply.c: dgen.send_reply to the dgen.call that runs ---- */

/* A call begins to run; it has run: was a reply given, and which? In the memory context of the beginning. */
extern void dgen_expect_reply(int64 id, const struct ActorType *type);
extern bool dgen_expect_no_more(struct Reply *reply);

/* Is that the call that runs? */
extern bool dgen_is_expected(int64 id);
/* False if it has a reply already. Raises 42501 without the privilege to work for the type. */
extern bool dgen_give_expected(const struct Reply *reply);

/* ---- explain.c: why there is no reply yet ---- */

/* For the error of a caller that waits no longer: a sentence; NULL: none. */
extern char *dgen_explain_pending(int64 request);

#endif /* DGEN_REPLY_REPLY_H */
