/*
 * Of await.c, for those who wait for replies outside of a transaction.
 */
#ifndef DGEN_ANSWER_H
#define DGEN_ANSWER_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* What became of a request. */
typedef struct Answer
{
	bool done;
	bool failed;
	bool given;   /* by whoever handled or cancelled the request, not by the look at it */
	int sqlstate; /* if failed */
	char *error;
	char *hint;
	Datum reply; /* jsonb, if not failed */
} Answer;

/* Looks once; takes the answer if there is one. */
extern void dgen_collect_answer(int64 id, Answer *answer);

/* check_answer.c: a reply that the client cannot be sent becomes an error that says why. */
extern void dgen_check_answer(Answer *answer);

/* The answer of a request that was not replied to, as an error. */
extern void dgen_raise_answer(const Answer *answer);
/* unreplicated: it is committed, but a synchronous standby has not got it. */
extern void dgen_raise_timeout(int64 id, bool unreplicated);

/* Arguments: an interval, NULL without a limit; an array of ids. */
extern TimestampTz dgen_deadline_argument(FunctionCallInfo fcinfo, int n);
extern int64 *dgen_requests_argument(FunctionCallInfo fcinfo, int *count);

/* Sorts them, and leaves each once; returns how many are left. */
extern int dgen_sort_ids(int64 *ids, int count);

#endif /* DGEN_ANSWER_H */
