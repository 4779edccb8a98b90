/*
 * The result of a request, for sessions that wait for it: in a transaction (await.c), or outside of
 * one (ask.c).
 */
#ifndef DGEN_REPLY_ANSWER_H
#define DGEN_REPLY_ANSWER_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* What became of a request. */
typedef struct Answer
{
	bool done;
	bool failed;
	bool given;   /* the handler or a cancel gave it; else dgen_collect_answer did */
	int sqlstate; /* if failed */
	char *error;
	char *hint;
	Datum reply; /* jsonb, if not failed */
} Answer;

/* ---- await.c ---- */

/* Checks once, in a transaction; takes the answer if there is one. */
extern void dgen_collect_answer(int64 id, Answer *answer);

/* Raises the answer of a request that was not replied to. */
extern void dgen_raise_answer(const Answer *answer);
/* unreplicated: the request is committed, but a synchronous standby does not have it. */
extern void dgen_raise_timeout(int64 id, bool unreplicated);

/* Arguments of functions in SQL: an interval, NULL for no limit; an array of ids. */
extern TimestampTz dgen_deadline_argument(FunctionCallInfo fcinfo, int n);
extern int64 *dgen_requests_argument(FunctionCallInfo fcinfo, int *count);

/* Sorts them, and leaves each once; returns how many are left. */
extern int dgen_sort_ids(int64 *ids, int count);

/* ---- check_answer.c ---- */

/* A reply that the client cannot be sent becomes an error that says why. */
extern void dgen_check_answer(Answer *answer);

#endif /* DGEN_REPLY_ANSWER_H */
