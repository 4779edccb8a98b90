/*
 * Answering requests.
 */
#ifndef DGEN_REPLY_REPLY_H
#define DGEN_REPLY_REPLY_H

#include "postgres.h"

#include "table/table.h"
#include "table/writer.h"

struct ActorType;
struct Reply;

/* What the answers of a batch share. Starts zeroed but for for_caller. */
typedef struct Answers
{
	bool for_caller; /* raises unless the role that calls may work for the type of the request */
	bool open;
	DgenScan scan;
	DgenWriter writer;
} Answers;

/* ---- reply.c: requests and their replies -------------------------------- */

/* Those to be looked at with care: all but the open ones of the calling role itself. */
extern void dgen_find_answered(const int64 *ids, int count, bool *answered);

/* Answers an open request: true if it was open. */
extern bool dgen_answers_add(Answers *answers, int64 request_id, const struct Reply *reply);
extern void dgen_answers_end(Answers *answers);
extern bool dgen_answer(int64 request_id,
						const struct Reply *reply); /* one alone, not for a caller */

/* ---- call_reply.c: dgen.send_reply to the dgen.call that runs ----------- */

/* A call begins to run, and has run: whether a reply was given, and which. In the memory context of the beginning. */
extern void dgen_expect_reply(int64 id, const struct ActorType *type);
extern bool dgen_expect_no_more(struct Reply *reply);

extern bool dgen_is_expected(int64 id);
/* False if it has a reply already. Raises unless the role that calls may work for the type. */
extern bool dgen_give_expected(const struct Reply *reply);

/* ---- explain.c: why there is no reply yet ------------------------------- */

/* A sentence; NULL: none. The transaction is about to fail. */
extern char *dgen_explain_pending(int64 request);

#endif /* DGEN_REPLY_REPLY_H */
