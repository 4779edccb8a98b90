/*
 * Waiting outside of a transaction: procedures, replies, a standby.
 */
#ifndef DGEN_SLEEP_PROCEDURE_H
#define DGEN_SLEEP_PROCEDURE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* The wait of a session for replies; the memory is the caller's, until the end of the wait. */
typedef struct ReplyWait
{
	const int64 *ids;
	int count;
	Oid extension;           /* whose requests they are: its dgen.request */
	struct ReplyWait *outer; /* in whose commit this one began; NULL: none */
} ReplyWait;

/* In a transaction of its own, between those of the CALL, which may write; nothing on a standby. */
extern bool dgen_procedure_run(bool (*work)(void));

/* ---- reply_wait.c: sessions that wait for replies; wake/call_askers.c calls them ---- */

/*
 * Waits until one of the replies may be there. False: the deadline passed or, with
 * for_input, the client has sent more.
 */
extern void dgen_reply_wait_begin(ReplyWait *wait, const int64 *request_ids,
								  int count); /* register, then look, then wait */
extern bool dgen_reply_wait(TimestampTz deadline, bool for_input);
extern void dgen_reply_wait_end(void);
extern bool dgen_reply_wait_is_of_former(void); /* in a transaction */
extern void dgen_reply_wait_leave(void);        /* of all; the session ends */

/* ---- procedure.c: procedures that wait ---------------------------------- */

/*
 * For procedures that wait without a snapshot (dgen.wait, dgen.ask): commit the
 * transaction that runs the CALL, wait outside of any, begin one to return in.
 * Raises, naming the procedure, when called inside a transaction block or function.
 */
extern void dgen_procedure_check(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_commit(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_commit_again(void); /* after dgen_procedure_begin, to go on waiting */
extern void dgen_procedure_begin(void);
/* Whoever ends the current transaction does not wait until that is on disk. */
extern void dgen_procedure_commit_lazily(void);
/* What was committed so far. False: at the deadline a synchronous standby does not have it yet. */
extern bool dgen_procedure_flush(TimestampTz deadline);
extern void dgen_process_interrupts(void); /* in the wait between the two, or in a transaction */

/* One sleep on the latch; also ends when the client has gone. 0: for ever. Processes no interrupts. */
extern void dgen_sleep(TimestampTz until);
/* The same, and for_input, until there is something to be read from the client: true then. */
extern bool dgen_sleep_for(TimestampTz until, bool for_input);
/* Has the client sent more than the statement that runs? readable: the socket has something. */
extern bool dgen_has_input(bool readable);

/* ---- sync_wait.c: commits that do not wait for ever for a synchronous standby ---- */

/* Around what commits. End: true if the wait was given up at the deadline. */
extern void dgen_sync_wait_begin(TimestampTz deadline);
extern bool dgen_sync_wait_end(void);

#endif /* DGEN_SLEEP_PROCEDURE_H */
