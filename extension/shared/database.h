/*
 * A database in shared memory: sessions that wait, what was announced, what is due. README.md of this
 * room explains each field.
 */
#ifndef DGEN_SHARED_DATABASE_H
#define DGEN_SHARED_DATABASE_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "shared/charge.h"
#include "shared/shared.h"

#define MISS_BITS 128        /* per bucket of types */
#define REPLY_BUCKETS 256    /* request ids, hashed */
#define MAX_PREPARED_ENDS 64 /* per database; sessions of others find out by themselves */

#define ALARM_UNKNOWN PG_INT64_MIN /* no session has checked what is due: the alarm rings */
#define ALARM_NONE PG_INT64_MAX

/* A session whose attempt of a locked part is over if that prepared transaction commits. */
typedef struct PreparedEnd
{
	uint64 transaction; /* hash of its identifier */
	int64 fence;        /* 0: the entry is free */
} PreparedEnd;

typedef struct Database
{
	Oid oid;      /* under Shared.lock; InvalidOid: free */
	int sessions; /* under Shared.lock; at 0 the entry can be freed */
	/* In-database workers (roster.c). Numbers of workers are per owner of types with handlers. */
	volatile int desired;  /* number; -1: not set */
	volatile int launched; /* number that dgen.worker_count set; 0: none */
	volatile int returned; /* highest number that restarted after a crash; 0: none */
	volatile bool told;    /* the server log already says why none can be started */
	volatile int
		leaving; /* statements in progress that need workers away: DROP DATABASE and the like */
	volatile bool starter_wanted; /* a starter is wanted, and no process was free yet */
	pg_atomic_uint32 orders;      /* rises when workers should read types and extension again */

	/* Sessions that wait (baton.c). The ints are slots, or NOBODY; under lock unless atomic. */
	LWLock lock;
	int waiting; /* head of the list of sleeping workers, newest first */
	int waiting_tail;
	int called;                    /* head of the list of slots that hold a baton */
	int replies;                   /* head of the list of slots that wait for replies */
	pg_atomic_uint32 workers;      /* attached sessions */
	int watch;                     /* the sleeping worker that handles alarms and late batons */
	TimestampTz watch_until;       /* it sleeps at most until then */
	pg_atomic_uint64 waiting_mask; /* buckets for which a worker sleeps; senders read it first */

	/* By bucket of type: rises with every commit that made work visible (announce.c). */
	pg_atomic_uint64 generation[BUCKETS];

	/* Locked parts (locked_look.c), by bucket. */
	pg_atomic_uint32 locked_asked[BUCKETS];    /* rises when there might be a part to run */
	pg_atomic_uint32 locked_answered[BUCKETS]; /* its value before the last check that found none */
	pg_atomic_uint64 kept; /* buckets for whose messages a worker was reserved: it ran no part */

	/* Alarms (alarm.c, rate.c). */
	pg_atomic_uint64 next_due;         /* TimestampTz */
	pg_atomic_uint32 dues[BUCKETS];    /* rises when a commit made something due at some time */
	pg_atomic_uint64 retries;          /* buckets to wake at the alarm: dgen_wakeup_retry */
	pg_atomic_uint64 rate_due;         /* TimestampTz; a type has turns again; under rates_lock */
	pg_atomic_uint64 private_rate_due; /* the same for types without a place in rates[] */
	pg_atomic_uint64 last_look;        /* TimestampTz of the last safety-net check */
	pg_atomic_uint64 last_maintenance; /* TimestampTz */
	pg_atomic_uint32 looks;            /* safety-net checks so far */
	pg_atomic_uint32 suspected;        /* actors that have become suspects so far */

	/* Locks that a session failed to get, hashed; the session that releases one wakes a worker (held_locks.c). */
	pg_atomic_uint32 missed[BUCKETS * MISS_BITS / 32];

	pg_atomic_uint32 reply_waiters[REPLY_BUCKETS]; /* waiting sessions, by hash of the id */

	pg_atomic_uint32 ncharges; /* places of charges[] that are READY */
	ChargeEntry charges[MAX_CHARGES];

	PreparedEnd prepared_ends[MAX_PREPARED_ENDS]; /* under lock */
} Database;

#endif /* DGEN_SHARED_DATABASE_H */
