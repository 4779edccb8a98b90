/*
 * Work that time, crashes and ended sessions make necessary. Workers do it, for all types or for
 * their own; each file says in which transaction.
 */
#ifndef DGEN_UPKEEP_UPKEEP_H
#define DGEN_UPKEEP_UPKEEP_H

#include "postgres.h"

struct Charge;
struct WorkerSession;

/* ---- due.c: messages, backoffs and locked parts that are due ---- */

/* For all types, a bounded number, in a transaction that ends immediately. True: some are left. */
extern bool dgen_move_due(void);

/*
 * For the session's types alone, at most `most` messages. True: there might be more to claim now,
 * also in this transaction.
 */
extern bool dgen_move_own_due(const struct WorkerSession *session, int most);

/* ---- charges.c, record_charge.c: attempts that ended with their process or session ---- */

/*
 * Records the attempts for the session's types. NULL: for all types, in a transaction that ends
 * immediately. If the transaction is rolled back, the attempts are put back, to be recorded again.
 */
extern void dgen_record_charges(const struct WorkerSession *session);

/*
 * Records one, in the current transaction. False: another session owns its actor; try again later.
 */
extern bool dgen_record_charge(const struct Charge *charge);

/* ---- crash.c: turns that have crashed the server ---- */

/*
 * In an in-database worker before its first turn, outside of a transaction: begins one if needed.
 */
extern void dgen_crash_conclude(void);

/* ---- maintain.c: removing what has expired ---- */

/*
 * Should this session do it now? One session does, once per interval in a database. The interval is
 * longer if the session is not idle.
 */
extern bool dgen_maintenance_due(bool idle);
/* Removes a bounded number of rows; needs a transaction. True if there might be more. */
extern bool dgen_maintain(void);

/* ---- upkeep.c: all of these, for all types, in dgen.wait ---- */

/*
 * Called between the transactions of the CALL. Each task has a transaction of its own; maintenance
 * is done only before the session sleeps.
 */
extern void dgen_wait_upkeep(bool sleeps);

#endif /* DGEN_UPKEEP_UPKEEP_H */
