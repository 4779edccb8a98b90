/*
 * How a session attaches to dgen's shared memory and leaves it at its end; and orders for in-database
 * workers. layout.h describes the content.
 */
#ifndef DGEN_SHARED_SHARED_H
#define DGEN_SHARED_SHARED_H

#include "postgres.h"

struct Database;
struct Shared;

#define NOBODY (-1) /* no slot */

#define ANY_TYPE 0 /* type ids begin at 1 */

#define BUCKETS 64 /* hashes of actor types; one bit each in a mask */

static inline int
bucket_of(int32 type_id)
{
	return (uint32) type_id % BUCKETS;
}

/* NULL until dgen_shared_map() has succeeded. */
extern struct Shared *dgen_shared;
/* The entry of MyDatabaseId; NULL until dgen_shared_attach() has succeeded. */
extern struct Database *dgen_database;

/*
 * Runs what all rooms must do at the end of the session, which still has its slot (init/session_end.c).
 * Set when the library is loaded.
 */
extern void (*dgen_end_session)(void);

/* ---- shared.c: attaching to shared memory, and leaving it at the end of a session ---- */

extern void dgen_shared_init(void); /* _PG_init: hooks, when preloaded */

/* Both never raise. False: the session has no shared memory, and polls. */
extern bool dgen_shared_map(void);    /* the memory alone; needs no database */
extern bool dgen_shared_attach(void); /* and the entry of this database */

/* The caller holds Shared.lock, exclusively if create. NULL: no entry, or no room for one. */
extern struct Database *dgen_database_entry(Oid oid, bool create);

extern void dgen_rates_free_database(Oid oid); /* acquires rates_lock */

/* ---- shared.c: orders for in-database workers ---- */

extern void dgen_poke_slot(int index);                     /* pokes that one alone */
extern void dgen_order_workers(struct Database *database); /* to read types and extension again */
extern void dgen_poke_workers(void);                       /* of all databases */
extern void dgen_poke_launcher(void);

/* ---- prepared_ends.c: attempts of locked parts that a prepared transaction ends ---- */

/* PREPARE TRANSACTION begins: a hash of the transaction's identifier. */
extern void dgen_preparing(uint64 transaction);
/* COMMIT PREPARED of that transaction will end the session that holds the fence. Never raises. */
extern void dgen_prepared_ends_holder(int64 fence);
/* Takes one fence of the transaction; 0: none is left. */
extern int64 dgen_prepared_end_take(uint64 transaction);

#endif /* DGEN_SHARED_SHARED_H */
