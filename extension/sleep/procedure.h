/*
 * Waiting outside of a transaction: procedures that do (procedure.c), the wait for replies
 * (reply_wait.c), and commits that do not wait indefinitely for a synchronous standby (sync_wait.c).
 */
#ifndef DGEN_SLEEP_PROCEDURE_H
#define DGEN_SLEEP_PROCEDURE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* ---- procedure.c: procedures that wait without a snapshot (dgen.wait, dgen.ask) ---- */

/*
 * Commit the transaction that runs the CALL, wait outside of any, begin one to return in. Check and
 * commit raise, naming the procedure, inside a transaction block or a function.
 */
extern void dgen_procedure_check(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_commit(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_begin(void);
extern void dgen_procedure_commit_again(void); /* after dgen_procedure_begin, to go on waiting */

/* Between commit and begin: the work in a transaction of its own, which can write; nothing on a standby. */
extern bool dgen_procedure_run(bool (*work)(void));

/* Between commit and begin, or in a transaction: raises if the statement is canceled. */
extern void dgen_process_interrupts(void);

/* The end of the current transaction does not wait until its commit is on disk. */
extern void dgen_procedure_commit_lazily(void);
/* Waits until all that was committed so far is. False: at the deadline a synchronous standby lacks it. */
extern bool dgen_procedure_flush(TimestampTz deadline);

/* ---- procedure.c: sleeping; they process no interrupts ---- */

/* One sleep on the latch; also ends when the client has gone. 0: no limit. */
extern void dgen_sleep(TimestampTz until);
/* The same and, with for_input, until there is something to be read from the client: true then. */
extern bool dgen_sleep_for(TimestampTz until, bool for_input);
/* Has the client sent more than the statement that runs? readable: the socket has something. */
extern bool dgen_has_input(bool readable);

/* ---- reply_wait.c: the session waits for replies; wake/call_askers.c calls it ---- */

/* The memory is the caller's, to the end of the wait. */
typedef struct ReplyWait
{
	const int64 *ids;
	int count;
	Oid extension;           /* whose requests they are: its dgen.request */
	struct ReplyWait *outer; /* in whose commit this one began; NULL: none */
} ReplyWait;

/* Register first, in a transaction, then look for replies, then wait. */
extern void dgen_reply_wait_begin(ReplyWait *wait, const int64 *request_ids, int count);
/*
 * Waits until one of the replies may be there. False: the deadline has passed or, with for_input,
 * the client has sent more.
 */
extern bool dgen_reply_wait(TimestampTz deadline, bool for_input);
extern void dgen_reply_wait_end(void);

/* Are the requests of an extension that was dropped? Needs a transaction. */
extern bool dgen_reply_wait_is_of_former(void);

/* The session ends, and all its waits. Never raises. */
extern void dgen_reply_wait_leave(void);

/* ---- sync_wait.c: commits that do not wait indefinitely for a synchronous standby ---- */

/* Around what commits. End: true if the wait was given up at the deadline. */
extern void dgen_sync_wait_begin(TimestampTz deadline);
extern bool dgen_sync_wait_end(void);

#endif /* DGEN_SLEEP_PROCEDURE_H */
