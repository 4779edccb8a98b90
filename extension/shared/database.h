/*
 * A database in shared memory: sessions that wait in it, what was announced, what is due. README.md of this
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

#define MISS_BITS 128     /* per bucket of types */
#define REPLY_BUCKETS 256 /* request ids, hashed */
#define MAX_PREPARED_ENDS \
	64 /* in a database; for more of them the sessions find out by themselves */

#define ALARM_UNKNOWN PG_INT64_MIN /* no session has checked what is due: it rings */
#define ALARM_NONE PG_INT64_MAX

/* A session whose attempt of a locked part is over, if that prepared transaction commits. */
typedef struct PreparedEnd
{
	uint64 transaction; /* hash of its identifier */
	int64 fence;        /* 0: the entry is free */
} PreparedEnd;

typedef struct Database
{
	Oid oid;      /* under Shared.lock; InvalidOid: free */
	int sessions; /* under Shared.lock; the entry can go when there are none */
	/* In-database workers (roster.c). In-database workers per owner of types with handlers: */
	volatile int desired;  /* -1: no orders */
	volatile int launched; /* what dgen.worker_count said; 0: nothing */
	volatile int returned; /* what workers said that came back after a crash; 0: nothing */
	volatile bool told;    /* the server log says why none can be started */
	volatile int
		leaving; /* statements for which workers are away now: DROP DATABASE and the like */
	volatile bool starter_wanted; /* it needs a starter, for which there was no process yet */
	pg_atomic_uint32 orders;      /* rises when workers should read types and extension again */

	/* Sessions that wait (baton.c). Slots, or NOBODY; under lock unless atomic. */
	LWLock lock;
	int waiting; /* head of the list of sleeping workers, newest first */
	int waiting_tail;
	int called;                    /* head of the list of slots that hold a baton */
	int replies;                   /* head of the list of slots that wait for replies */
	pg_atomic_uint32 workers;      /* attached sessions */
	int watch;                     /* the sleeping worker that looks after alarms and batons */
	TimestampTz watch_until;       /* it sleeps no longer than that */
	pg_atomic_uint64 waiting_mask; /* buckets that some session waits for; senders read it first */

	/* By bucket of type: rises with every commit that made work visible (announce.c). */
	pg_atomic_uint64 generation[BUCKETS];

	/* Locked parts (locked_look.c), by bucket. */
	pg_atomic_uint32 locked_asked[BUCKETS];    /* rises when there might be one to run */
	pg_atomic_uint32 locked_answered[BUCKETS]; /* asked, before the last check that found none */
	pg_atomic_uint64 kept; /* bits of buckets: a worker was kept for messages, and ran no part */

	/* Alarms (alarm.c, rate.c). */
	pg_atomic_uint64 next_due;         /* TimestampTz */
	pg_atomic_uint32 dues[BUCKETS];    /* rises when a commit made something due at some time */
	pg_atomic_uint64 retries;          /* buckets to be called at the alarm: dgen_wakeup_retry */
	pg_atomic_uint64 rate_due;         /* TimestampTz; a type has turns again; under rates_lock */
	pg_atomic_uint64 private_rate_due; /* the same for types that have no place in rates[] */
	pg_atomic_uint64 last_look;        /* TimestampTz of the last safety-net check */
	pg_atomic_uint64 last_maintenance; /* TimestampTz */
	pg_atomic_uint32 looks;            /* safety-net checks so far */
	pg_atomic_uint32 suspected;        /* actors that have become suspects so far */

	/* Locks that a session failed to get, hashed; the session that releases one wakes a worker (held_locks.c). */
	pg_atomic_uint32 missed[BUCKETS * MISS_BITS / 32];

	pg_atomic_uint32 reply_waiters[REPLY_BUCKETS]; /* sessions, by hash of the request id */

	pg_atomic_uint32 ncharges; /* places of charges[] that are READY */
	ChargeEntry charges[MAX_CHARGES];

	PreparedEnd prepared_ends[MAX_PREPARED_ENDS]; /* under lock */
} Database;

#endif /* DGEN_SHARED_DATABASE_H */
