/*
 * The result of a request, for sessions that wait for it in a transaction (await.c) or outside of one
 * (ask.c).
 */
#ifndef DGEN_REPLY_ANSWER_H
#define DGEN_REPLY_ANSWER_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* The outcome of a request. */
typedef struct Answer
{
	bool done;
	bool failed;
	bool given;   /* from the handler or a cancel; else from dgen_collect_answer */
	int sqlstate; /* if failed */
	char *error;
	char *hint;
	Datum reply; /* jsonb, if not failed */
} Answer;

/* ---- await.c ---- */

/* Checks once for the answer, in a transaction, and takes it if there is one. */
extern void dgen_collect_answer(int64 id, Answer *answer);

/* Raises the error of a request that got no reply. */
extern void dgen_raise_answer(const Answer *answer);
/*
 * Raises DGEN_ERR_REPLY_TIMEOUT. unreplicated: the request is committed, but a synchronous standby does
 * not have it.
 */
extern void dgen_raise_timeout(int64 id, bool unreplicated);

/* Read arguments of functions in SQL: an interval, NULL for no limit; an array of ids. */
extern TimestampTz dgen_deadline_argument(FunctionCallInfo fcinfo, int n);
extern int64 *dgen_requests_argument(FunctionCallInfo fcinfo, int *count);

/* Sorts the ids and removes duplicates. Returns how many are left. */
extern int dgen_sort_ids(int64 *ids, int count);

/* ---- check_answer.c ---- */

/* Replaces a reply that cannot be sent to the client with an error that says why. */
extern void dgen_check_answer(Answer *answer);

#endif /* DGEN_REPLY_ANSWER_H */
