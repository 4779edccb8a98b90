/*
 * In-database workers: which are wanted and which run (roster.c), and the processes for them
 * (register.c). The entries are in shared memory, under Shared.lock, which the functions take.
 */
#ifndef DGEN_SHARED_ROSTER_H
#define DGEN_SHARED_ROSTER_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "version/version.h"

struct Database;

/* Entries for workers beyond those for which the server has processes. */
#define WANTED_WORKERS 1024

/* An in-database worker: wanted, registered, running or about to be restarted. */
typedef struct WorkerEntry
{
	uint64 ticket; /* 0: free; tells lives of the entry apart */
	Oid database;
	Oid owner;
	int number;      /* 1 .. Database.desired */
	int pid;         /* 0: not running now */
	int procno;      /* while pid is not 0 */
	bool registered; /* with the postmaster; else there was no process for it yet */
	bool ready;      /* has connected */
	bool returned;   /* registered before the server crashed */
	int failures;    /* failed attempts to connect, in a row */
} WorkerEntry;

#define NO_ORDERS (-1) /* Database.desired: nobody said how many */

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

/* ---- roster.c: which workers are wanted, and which run ---- */

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

/* ---- register.c: processes for them ---- */

extern bool dgen_register_starter(Oid database, int count); /* false: no process is free */
extern void dgen_want_starter(struct Database *database);   /* as soon as one is */
extern void dgen_register_all(void);       /* what is wanted, as far as there are processes */
extern void dgen_complete_workers(void);   /* the same, now and then */
extern TimestampTz dgen_complete_at(void); /* when to do so again; 0: nothing is missing */

#endif /* DGEN_SHARED_ROSTER_H */
