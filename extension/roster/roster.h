/*
 * In-database workers: which are wanted, and which run. The entries of the roster are in shared memory
 * (shared/layout.h), under Shared.lock, which the functions take.
 */
#ifndef DGEN_ROSTER_ROSTER_H
#define DGEN_ROSTER_ROSTER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "version/version.h"

struct Database;

#define NO_ORDERS (-1) /* Database.desired: no number was set */

/* What a worker process is given, in bgw_extra. */
typedef struct WorkerOrders
{
	uint64 stamp; /* life of the shared memory in which it was registered */
	uint64 ticket;
	Oid database;
	Oid owner;
	int number;
	int entry;
} WorkerOrders;

/* What a starter is given. */
typedef struct StarterOrders
{
	Oid database;
	int count; /* 0: as many as are desired already */
} StarterOrders;

/* Owners of types with handlers, as a list of OIDs; needs a transaction. */
extern List *dgen_handler_owners(void);
extern bool dgen_has_workers(Oid owner);
extern bool dgen_lacks_workers(void); /* an owner has none, and could have; needs a transaction */

/* Wants and registers what is missing for `desired` workers of each owner. Returns how many have no place on the roster. */
extern int dgen_register_workers(List *owners);
extern int dgen_count_unregistered(void); /* in this database: no process was free */

/* Ends workers above the desired number, by force after the grace, and waits for that; returns how many ran. */
extern int dgen_end_surplus(struct Database *database, int grace_ms);
extern void dgen_dismiss_surplus(struct Database *database); /* without waiting */
extern int dgen_count_ready(struct Database *database, int *starting);

/* In the worker itself. */
extern bool dgen_report_for_duty(WorkerOrders *orders, int *failures);
extern void dgen_report_ready(void);
DGEN_NORETURN extern void dgen_go_off_duty(void); /* for good: it is not restarted */
extern bool dgen_still_wanted(const WorkerOrders *orders);

#endif /* DGEN_ROSTER_ROSTER_H */
