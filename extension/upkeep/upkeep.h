/*
 * What time, crashes and sessions that ended make necessary. Workers do it, for all types or for
 * their own; each file says in which transaction.
 */
#ifndef DGEN_UPKEEP_UPKEEP_H
#define DGEN_UPKEEP_UPKEEP_H

#include "postgres.h"

struct Charge;
struct WorkerSession;

/* ---- due.c: messages, backoffs and locked parts that are due ---- */

/* For all types, a bounded number, in a transaction that ends at once. True if some are left. */
extern bool dgen_move_due(void);

/*
 * For the session's types alone, at most `most` messages. True: there might be more to claim now, also
 * in this transaction.
 */
extern bool dgen_move_own_due(const struct WorkerSession *session, int most);

/* ---- charges.c, record_charge.c: attempts that ended with their process or session ---- */

/*
 * Records those for the session's types; NULL: for all types, in a transaction that ends at once. If
 * the transaction is rolled back, they are put back, to be recorded again.
 */
extern void dgen_record_charges(const struct WorkerSession *session);

/* Records one, in the current transaction. False: another session owns its actor; a later claim might own it. */
extern bool dgen_record_charge(const struct Charge *charge);

/* ---- crash.c: turns that have crashed the server ---- */

/* In an in-database worker, outside of a transaction, before its first turn: begins one if needed. */
extern void dgen_crash_conclude(void);

/* ---- maintain.c: removing what has expired ---- */

/* Is it this session's turn? Once per interval in a database; the interval is longer unless it is idle. */
extern bool dgen_maintenance_due(bool idle);
/* Removes a bounded number of rows; needs a transaction. True if there might be more. */
extern bool dgen_maintain(void);

/* ---- upkeep.c: all of that, for all types, in dgen.wait ---- */

/* Between the transactions of the CALL: each in a transaction of its own; maintenance before it sleeps. */
extern void dgen_wait_upkeep(bool sleeps);

#endif /* DGEN_UPKEEP_UPKEEP_H */
