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
 * A procedure commits the transaction of its CALL, waits outside of any, and begins another one to return
 * in. Check and commit raise an error with the procedure's name inside a transaction block or a function.
 */
extern void dgen_procedure_check(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_commit(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_begin(void);
extern void dgen_procedure_commit_again(void); /* after dgen_procedure_begin, to continue waiting */

/* Between commit and begin: runs `work` in a transaction that can write. Does nothing on a standby. */
extern bool dgen_procedure_run(bool (*work)(void));

/* Between commit and begin, or in a transaction: raises if the statement is canceled. */
extern void dgen_process_interrupts(void);

/* The commit of the current transaction will not wait until it is flushed. */
extern void dgen_procedure_commit_lazily(void);
/* Waits until all earlier commits are flushed. False: at the deadline a synchronous standby lacks them. */
extern bool dgen_procedure_flush(TimestampTz deadline);

/* ---- sleeping; the functions process no interrupts ---- */

/* Sleeps on the latch once; also ends when the client has disconnected. 0: no limit. */
extern void dgen_sleep(TimestampTz until);
/* The same; with for_input also ends, and returns true, when there is input from the client. */
extern bool dgen_sleep_for(TimestampTz until, bool for_input);
/* Has the client sent more than the statement that runs? readable: the socket has input. */
extern bool dgen_has_input(bool readable);

#endif /* DGEN_SLEEP_PROCEDURE_H */
