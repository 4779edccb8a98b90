/*
 * Procedures that wait outside of a transaction, without a snapshot (dgen.wait, dgen.ask), and how a
 * session sleeps.
 */
#ifndef DGEN_SLEEP_PROCEDURE_H
#define DGEN_SLEEP_PROCEDURE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* ---- procedures ---- */

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

/* ---- sleeping; they process no interrupts ---- */

/* One sleep on the latch; also ends when the client has gone. 0: no limit. */
extern void dgen_sleep(TimestampTz until);
/* The same and, with for_input, until there is something to be read from the client: true then. */
extern bool dgen_sleep_for(TimestampTz until, bool for_input);
/* Has the client sent more than the statement that runs? readable: the socket has something. */
extern bool dgen_has_input(bool readable);

#endif /* DGEN_SLEEP_PROCEDURE_H */
