/*
 * In-database workers: which are wanted, and which run. The entries of the roster are in shared memory
 * (shared/layout.h). The functions acquire Shared.lock, which protects them.
 */
#ifndef DGEN_ROSTER_ROSTER_H
#define DGEN_ROSTER_ROSTER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "version/version.h"

struct Database;

#define NO_ORDERS (-1) /* Database.desired: no number was set */

/* What a worker process receives in bgw_extra. */
typedef struct WorkerOrders
{
	uint64 stamp; /* Shared.stamp when it was registered */
	uint64 ticket;
	Oid database;
	Oid owner;
	int number;
	int entry;
} WorkerOrders;

/* What a starter receives. */
typedef struct StarterOrders
{
	Oid database;
	int count; /* 0: the desired number that is already set */
} StarterOrders;

/* Returns the OIDs of the owners of types with handlers. Needs a transaction. */
extern List *dgen_handler_owners(void);
extern bool dgen_has_all_workers(Oid owner); /* as many as are desired; never raises */
extern bool dgen_lacks_workers(void); /* an owner has too few, but could; needs a transaction */

/* Adds and registers the workers that each owner lacks of `desired`. Returns how many have no entry on the roster. */
extern int dgen_register_workers(List *owners);
extern int dgen_count_unregistered(void); /* of this database, for lack of a process */

/* Ends workers above the desired number, by force after grace_ms, and waits for their end. Returns how many ran. */
extern int dgen_end_surplus(struct Database *database, int grace_ms);
extern void dgen_dismiss_surplus(struct Database *database); /* the same, without waiting */
extern int dgen_count_ready(struct Database *database, int *starting);

/* For the worker itself. */
extern bool dgen_report_for_duty(WorkerOrders *orders, int *failures);
extern void dgen_report_ready(void);
DGEN_NORETURN extern void dgen_go_off_duty(void); /* permanently: it is not restarted */
extern void dgen_end_if_unwanted(const WorkerOrders *orders);

/*
 * May the worker, which has nothing to do, end permanently? Not if orders came after orders_seen: their
 * sender has found the worker here, and started no other one.
 */
extern bool dgen_may_end(uint32 orders_seen);

#endif /* DGEN_ROSTER_ROSTER_H */
