/*
 * A database in shared memory.
 */
#ifndef DGEN_SHARED_DATABASE_H
#define DGEN_SHARED_DATABASE_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "shared/charge.h"
#include "shared/slot.h"

#define MISS_BITS 128 /* per bucket of types */

#define REPLY_BUCKETS 256

#define MAX_PREPARED_ENDS 64

#define ALARM_UNKNOWN PG_INT64_MIN /* nobody has looked for what is due: it rings */
#define ALARM_NONE PG_INT64_MAX

/* A session whose attempt is over, if that prepared transaction commits. */
typedef struct PreparedEnd
{
	uint64 transaction; /* hash of its identifier */
	int64 fence;        /* 0: the entry is free */
} PreparedEnd;

typedef struct Database
{
	Oid oid;               /* under Shared.lock; InvalidOid: free */
	int sessions;          /* under Shared.lock; the entry can go when there are none */
	volatile int desired;  /* in-database workers per owner of types with handlers; -1: no orders */
	volatile int launched; /* desired as dgen.worker_count told; 0: it did not */
	volatile int
		returned;       /* desired as workers told that came back after a crash; 0: they did not */
	volatile bool told; /* the log says why none can be started */
	volatile int
		leaving; /* statements for which workers are away now: DROP DATABASE and the like */
	volatile bool starter_wanted; /* it needs a starter, for which there was no process yet */
	pg_atomic_uint32 orders; /* rises when the workers should look at types and extension again */

	LWLock lock;
	int waiting; /* head of the list; newest first */
	int waiting_tail;
	int called;
	int replies;
	pg_atomic_uint32 workers;      /* attached sessions */
	int watch;                     /* the waiting slot that looks after alarms and batons */
	TimestampTz watch_until;       /* it sleeps no longer than that */
	pg_atomic_uint64 waiting_mask; /* buckets that somebody waits for; senders read it first */

	/* By bucket of type: rises with every commit that made work visible. */
	pg_atomic_uint64 generation[BUCKETS];

	/* By bucket: rises when there may be a locked part to be run; the last one that a look found nothing after. */
	pg_atomic_uint32 locked_asked[BUCKETS];
	pg_atomic_uint32 locked_answered[BUCKETS];
	pg_atomic_uint64
		kept; /* buckets of types whose parts somebody did not run, being kept for messages */

	pg_atomic_uint64 next_due; /* TimestampTz */
	pg_atomic_uint32
		dues[BUCKETS];         /* by bucket: rises when a commit made something due at some time */
	pg_atomic_uint64 retries;  /* buckets of types to be called at the alarm: dgen_wakeup_retry */
	pg_atomic_uint64 rate_due; /* TimestampTz; a type has turns again; written under rates_lock */
	pg_atomic_uint64 private_rate_due; /* the same of types that have no place in rates[] */
	pg_atomic_uint64 last_look;        /* TimestampTz of the last safety-net look */
	pg_atomic_uint64 last_maintenance; /* TimestampTz */
	pg_atomic_uint32 looks;            /* safety-net looks so far */
	pg_atomic_uint32 suspected;        /* actors that have become suspects so far */

	/* Locks that somebody tried in vain, hashed; whoever lets one go wakes a worker. */
	pg_atomic_uint32 missed[BUCKETS * MISS_BITS / 32];

	pg_atomic_uint32 reply_waiters[REPLY_BUCKETS]; /* by hash of the request id */

	pg_atomic_uint32 ncharges;
	ChargeEntry charges[MAX_CHARGES];

	PreparedEnd prepared_ends[MAX_PREPARED_ENDS]; /* under lock */
} Database;

#endif /* DGEN_SHARED_DATABASE_H */
