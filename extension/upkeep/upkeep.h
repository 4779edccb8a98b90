/*
 * What time, crashes and sessions that ended make necessary.
 */
#ifndef DGEN_UPKEEP_UPKEEP_H
#define DGEN_UPKEEP_UPKEEP_H

#include "postgres.h"

struct Charge;
struct WorkerSession;

/* ---- crash.c: turns that take the server along -------------------------- */

extern void dgen_crash_conclude(void); /* before the first turn; makes a transaction */

/* ---- maintain.c: what time makes superfluous ---------------------------- */

/* Is it this session's turn? Asks once per interval and database. */
extern bool dgen_maintenance_due(bool idle);
/* Removes a bounded number of rows; in a transaction. True if there may be more. */
extern bool dgen_maintain(void);
/* In dgen.wait, for all types: what is due, charges and, before it sleeps, maintenance. Each in a transaction of its own. */
extern void dgen_wait_upkeep(bool sleeps);

/* ---- due.c: what is due ------------------------------------------------- */

/* For all types, a bounded number, in a transaction that ends at once. True if some are left. */
extern bool dgen_move_due(void);

/*
 * For the session's types alone, most messages at most. True: there may be more to claim now, also in this
 * transaction.
 */
extern bool dgen_move_own_due(const struct WorkerSession *session, int most);

/* ---- record_charge.c: records the attempt of a turn that took its process or session alon ---- */

/* The attempt of a turn whose process or session was ended. False: somebody has its actor; a later claim may. */
extern bool dgen_record_charge(const struct Charge *charge);

/* ---- charges.c: such attempts, until they are counted for good ---------- */

/*
 * Records those for the session's types; NULL: for all types, in a transaction that ends at once. What
 * was recorded in a transaction that is rolled back is to be recorded again.
 */
extern void dgen_record_charges(const struct WorkerSession *session);

#endif /* DGEN_UPKEEP_UPKEEP_H */
