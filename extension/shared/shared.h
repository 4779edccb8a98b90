/*
 * What sessions know of each other: the layout of dgen's shared memory.
 *
 *     Shared ── Database[] ── waiting ──> Slot <─> Slot <─> Slot     asleep, newest first
 *        │          │                                        └ watch
 *        │          ├──────── called ───> Slot <─> Slot               hold an untaken baton
 *        │          └──────── replies ──> Slot <─> Slot               wait for a reply
 *        └── WorkerEntry[]                                            in-database workers
 *
 * Everything that is linked or counted is protected by the lock of its database,
 * except where a field says otherwise. There are indexes instead of pointers: the
 * segment has another address in every backend.
 */
#ifndef DGEN_SHARED_H
#define DGEN_SHARED_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/itemptr.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "dgen_ext.h"

#define SHARED_NAME "dgen 9" /* name and layout version of the control struct */

#define NOBODY (-1)      /* no slot */
#define MAX_DATABASES 64 /* with dgen in use at the same time; others poll */
#define BUCKETS 64       /* actor types, hashed; one bit each in a mask */
#define MISS_BITS 128    /* per bucket of types */
#define SLOT_TYPES 32    /* types a slot names; a session with more may serve any other, too */
#define SLOT_REQUESTS 16 /* replies a slot waits for by id; with more any reply wakes it */
#define REPLY_BUCKETS 256
#define MAX_CHARGES 64
#define MAX_PREPARED_ENDS 64
#define WANTED_WORKERS \
	1024 /* in-database workers beyond those for which the server has processes */
#define HINT_SETS \
	64 /* actor types with hints at the same time, in all databases; others are swept */
#define HINT_SLOTS 4096 /* mailboxes in one of them; with more of them the type is swept */
#define MEMO_BUCKETS 8192
#define MEMO_WAYS 4 /* mailboxes of a bucket of which something is remembered */
#define RATES 1024  /* types with max_rate at the same time, in all databases */
#define ANY_TYPE 0  /* type ids begin at 1 */

#define BATON_TIME (20 * INT64CONST(1000))    /* us in which a called session must claim */
#define BACKUP_TIME (5 * INT64CONST(1000000)) /* us between looks whether the watch is alive */

#define ALARM_UNKNOWN PG_INT64_MIN /* nobody has looked for what is due: it rings */
#define ALARM_NONE PG_INT64_MAX

typedef enum SlotState
{
	SLOT_NONE, /* not a worker */
	SLOT_BUSY, /* attached, and not asleep in dgen.wait */
	SLOT_WAITING,
	SLOT_CALLED /* woken, has not claimed yet: holds a baton */
} SlotState;

/* What somebody is called for, or a slot takes. */
typedef enum Lane
{
	LANE_ANY,  /* messages of a type; or actions, whose types are others */
	LANE_PARTS /* its locked parts */
} Lane;

typedef struct Link
{
	int prev;
	int next;
} Link;

/* One per backend, by its number among the PGPROCs. */
typedef struct Slot
{
	int pid; /* 0: free */
	Oid database;

	/* Who it works for; written by its own session under the lock. */
	int64 worker_id; /* 0: not attached */
	Oid extension;   /* which it has attached to; see WorkerSession */
	char name[NAMEDATALEN];
	char client[NAMEDATALEN]; /* address; empty: none */
	bool in_database;
	bool all_types; /* types[] is not complete */
	int ntypes;
	int32 types[SLOT_TYPES];
	uint64 buckets;  /* of all its types */
	uint32 no_parts; /* bit n: it leaves the locked parts of types[n] to others */
	uint64 takes;    /* a hash of all that it takes */

	/* Waiting for work. */
	SlotState state; /* its own session reads it without the lock */
	Link link;       /* in waiting or called */
	TimestampTz called_at;
	int32 called_for; /* ANY_TYPE: an alarm or a look */
	Lane called_lane;
	volatile bool poked; /* it should look at its orders; set without the lock, before its latch */

	/* Waiting for replies. */
	bool awaits_reply;
	bool any_request; /* more than fit in requests[] */
	int nrequests;
	int64 requests[SLOT_REQUESTS];
	Link reply_link;
	volatile bool replied;

	/* For dgen.workers; written by its own session and read without a lock. */
	volatile bool busy;
	volatile TimestampTz since; /* when busy, or not busy, began */
	volatile int64 turns;

	int64
		part; /* fence of the locked part that it runs; under the lock; 0: none, -1: looks for one */
} Slot;

typedef enum ChargeState
{
	CHARGE_FREE,
	CHARGE_WRITING,
	CHARGE_READY,
	CHARGE_READING
} ChargeState;

typedef struct ChargeEntry
{
	pg_atomic_uint32 state;
	Charge charge;
} ChargeEntry;

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

/*
 * Mailboxes of one actor type that are known to have messages (hints.c). Where there are
 * too many of them, or some of which nobody told, a sweep over the index finds them.
 */
typedef struct HintSet
{
	Oid database; /* under Shared.lock and lock, so is type_id; InvalidOid: free */
	int32 type_id;

	LWLock lock;            /* of what follows, up to mailboxes[] */
	uint32 asked;           /* rises when a sweep is asked for */
	uint32 swept;           /* asked, when the last sweep that came to its end began */
	TimestampTz rest_until; /* the sweep does not go on before; 0: at once */
	int count;
	int cursor;                   /* slot that is looked at next */
	uint64 used[HINT_SLOTS / 64]; /* which slots are taken */
	int64 mailboxes[HINT_SLOTS];  /* also of slots that are free now: who comes back to one */
	uint16 owners[HINT_SLOTS];    /* session that took it last, slot + 1; 0: not known */

	/*
	 * Whoever sweeps says so here, and holds no lock while it walks; it says when it is over
	 * also after an error, and at the end of its session.
	 */
	bool swept_now; /* under lock, so are the next two */
	uint32 slices;  /* slices so far */
	ConditionVariable slice_over;
	bool
		sweeping; /* a sweep is between its beginning and its end; of the sweeper, as what follows */
	TimestampTz slice_at; /* when its last slice was begun */
	bool wrapped;         /* it has passed the end of the ring */
	uint32 answers;       /* asked, when it began */
	int64 start;          /* mailbox at which it began */
	SweepPlace position;  /* where it goes on, or the next one begins */
} HintSet;

/* What is remembered of a mailbox (memo.c). Its owner writes it, and sweeps raise the floor. */
typedef struct Memo
{
	int64 mailbox;
	Oid database;
	Oid table; /* dgen.message: another one after the extension was created anew */
	int32 type_id;
	uint32 until; /* safety-net look at which the floor is forgotten */
	int64 floor;  /* no message of priority 0 up to this seq is there; 0: not known */
	Suspicion suspicion;
	ItemPointerData
		actor; /* where the last one to write it put the actor's row; invalid: not known */
} Memo;

/*
 * Mailboxes of the same hash. The one that was not used for the longest time makes room. Who
 * looks for one of them reads two lines of the processor's cache, this one and the memo's.
 */
typedef struct MemoBucket
{
	slock_t mutex;
	uint32 uses;
	uint32 used[MEMO_WAYS]; /* uses, when it was used last; 0: free */
	uint32 tags[MEMO_WAYS]; /* of hashes */
	union
	{
		Memo memo;
		char line[64];
	} places[MEMO_WAYS];
} MemoBucket;

/* The turns that a type with max_rate may have at this time (rate.c). */
typedef struct Rate
{
	Oid database; /* InvalidOid: free */
	int32 type_id;
	double per_second; /* as the last one to use it knew */
	double turns;
	double returned; /* so many were given back so far */
	TimestampTz filled_at;
	TimestampTz wake_at; /* somebody wanted more of them; ALARM_NONE: nobody */
} Rate;

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
	int failures;    /* vain attempts to connect in a row */
} WorkerEntry;

typedef struct Shared
{
	uint64 stamp; /* differs between lives of the shared memory */
	uint64 last_ticket;
	volatile int launcher; /* its slot; NOBODY: none runs */
	volatile bool launcher_poked;
	volatile bool incomplete;     /* workers or starters are wanted that are not registered */
	pg_atomic_uint64 complete_at; /* TimestampTz; they are not tried again before */
	LWLock lock;                  /* databases[].oid and .sessions, entries[], whose hints[] are */
	int nslots;
	int nentries;
	Size slots_offset;
	Size entries_offset;
	int next_victim; /* hint set that is taken from its type when all are in use */
	HintSet hints[HINT_SETS];
	MemoBucket memos[MEMO_BUCKETS];
	LWLock rates_lock; /* rates[] */
	Rate rates[RATES];
	Database databases[MAX_DATABASES];
} Shared;

/* NULL until dgen_shared_attach() succeeded. */
extern Shared *dgen_shared;
extern Database *dgen_database; /* the entry of MyDatabaseId */
extern Slot *dgen_slot;         /* this session's; NULL until dgen_slot_take() */

static inline Slot *
slot_at(int index)
{
	return (Slot *) ((char *) dgen_shared + dgen_shared->slots_offset) + index;
}

static inline WorkerEntry *
worker_entry_at(int index)
{
	return (WorkerEntry *) ((char *) dgen_shared + dgen_shared->entries_offset) + index;
}

static inline int
bucket_of(int32 type_id)
{
	return (uint32) type_id % BUCKETS;
}

/* ---- shared.c ---- */

extern void dgen_shared_init(void);
extern bool dgen_shared_map(void);    /* the segment alone; needs no database */
extern bool dgen_shared_attach(void); /* and this database's entry; never raises */
extern bool dgen_slot_take(void);     /* and this session's slot */
extern bool dgen_worker_lives(int64 worker_id); /* attached to this extension, in this database */
extern bool dgen_is_worker_here(const Slot *slot); /* attached, in this database */
extern Database *dgen_database_entry(Oid oid, bool create); /* Shared.lock is held */
/*
 * What all rooms have to do at the end of the session, which has its slot until then
 * (init/session_end.c). Set when the library is loaded.
 */
extern void (*dgen_end_session)(void);
extern uint32 dgen_wait_event(void); /* what pg_stat_activity shows of a sleeper */
extern void dgen_poke_slot(int index);
/* At PREPARE TRANSACTION: its number; its COMMIT PREPARED ends the session that holds the fence. */
extern void dgen_preparing(uint64 transaction);
extern void dgen_prepared_ends_holder(int64 fence);
/* One fence of it; 0: there is none any more. */
extern int64 dgen_prepared_end_take(uint64 transaction);
/* How many wait for replies to requests of its bucket. */
extern pg_atomic_uint32 *dgen_reply_waiters_of(int64 request_id);
extern void dgen_order_workers(Database *database); /* they look at their orders again */
extern void dgen_poke_launcher(void);
extern void dgen_poke_workers(void); /* in-database workers of all databases */

/* ---- wait.c, baton.c: who sleeps, and who is woken ---- */

extern void dgen_wait_enter(void); /* the session is a worker now; busy at first */
extern void dgen_wait_leave(void); /* it is one no more: hands its baton on */
extern bool dgen_wait_taken(void); /* it claims: its baton, if it has one, is taken */

extern void dgen_call_for(int32 type_id); /* wakes one waiter, unless a fresh baton is out */
extern void dgen_call_for_part(
	int32 type_id);                        /* the same, one that runs locked parts of the type */
extern bool dgen_call_self(int32 type_id); /* this session claims soon; false if it would not */
extern void dgen_call_others(
	void); /* to what this session takes, as it goes on with something else */
extern void dgen_call_all(
	int bucket); /* wakes one for every type in the bucket; -1: for every type */
extern void dgen_alert_watch(TimestampTz until); /* it must not sleep longer than that */

typedef enum WaitResult
{
	WAIT_TIMED_OUT,
	WAIT_READY,      /* claim now */
	WAIT_POKED,      /* in-database worker: look at your orders */
	WAIT_INTERRUPTED /* process interrupts and call again */
} WaitResult;

/* Outside of a transaction. deadline 0: none. */
extern WaitResult dgen_wait_for_work(TimestampTz deadline);
extern void dgen_wait_found_work(void); /* who polls looks often again */

/* ---- serving.c: what a slot takes ---- */

typedef enum Takes
{
	TAKES_NOT,
	TAKES_PERHAPS, /* it does not name all of its types */
	TAKES_SURELY
} Takes;

extern Takes dgen_slot_takes(const Slot *slot, int32 type_id, Lane lane);
/* Neither names all of its types, and they take the same. */
extern bool dgen_slots_alike(const Slot *a, const Slot *b);
extern bool dgen_slot_names(const Slot *slot, int32 type_id);
extern bool dgen_slot_names_part(const Slot *slot,
								 int n); /* does it run locked parts of types[n]? */
extern void dgen_slot_set_types(Slot *slot, const WorkerSession *session);

typedef struct Covered
{
	int count;
	int32 types[2 * SLOT_TYPES];
} Covered;

/* What a waiter has been called for in a round; zeroed at first. */
typedef struct Cover
{
	Covered any;
	Covered parts;
	int nkinds;
	uint64 kinds[2 * SLOT_TYPES]; /* Slot.takes of those that do not name all */
} Cover;

/* Does the slot take anything in the bucket (-1: any) for which nobody was called yet? Adds it. */
extern bool dgen_cover_extend(Cover *cover, const Slot *slot, int bucket);

/* ---- announce.c ---- */

extern void dgen_announce_buckets(uint64 buckets);
extern void dgen_announce_all(void);         /* work of any type, in some mailboxes */
extern void dgen_wakeup_part(int32 type_id); /* a locked part of the type; never raises */
extern void dgen_generations_forget(void);   /* the next wait returns at once */
extern bool dgen_generations_changed(void);  /* since the last claim began */
extern bool dgen_is_claiming(void);          /* the transaction has begun with a claim */
/* Of wakeup.c: the transaction of a claim, or a part of it, is undone; it has ended. */
extern void dgen_claim_undone(void);
extern void dgen_claim_over(void);

/* ---- crash_notes.c: what was concluded from ---- */

/* The next crash of this database, from number n on, from which nothing was concluded yet; -1: none. */
extern int dgen_crash_find_fresh(int n, Charge *turn, int *times);
extern void dgen_crash_concluded(int n);

/* ---- hints.c: mailboxes that are known to have messages ---- */

extern void dgen_hints_init(HintSet *set, int tranche);
extern void dgen_sweep_leave(void);            /* the session ends */
extern void dgen_hints_free_database(Oid oid); /* Shared.lock is held */
extern void dgen_hints_ask_all(void);          /* every type of this database is to be swept */

/* ---- rate.c: turns a second ---- */

extern TimestampTz dgen_rate_due(void);
/* Types that have turns again, and when the next of the others has. The lock of the database is held. */
extern int dgen_rates_ring(TimestampTz now, int32 *types, int most, TimestampTz *next);
extern bool dgen_private_rates_ring(TimestampTz now); /* any of them may */
extern void dgen_rates_free_database(Oid oid);

/* ---- alarm.c ---- */

/* Charges of the session's types, NULL: of all. */
extern int dgen_take_charges(const WorkerSession *session, Charge *charges, int max);
extern TimestampTz dgen_next_due(void);
extern void dgen_alarm_merge(TimestampTz when);
/* The alarm is `when` at the latest, and calls a worker of the type. */
extern void dgen_alarm_retry(int32 type_id, TimestampTz when);
extern bool dgen_look_overdue(TimestampTz now, int64 grace);
/* A commit made something due at some time; the sum of what was told for the session's types. */
extern void dgen_tell_dues(uint64 buckets);
extern uint64 dgen_dues_told(const WorkerSession *session);
extern void dgen_look_begins(TimestampTz now);
extern TimestampTz dgen_next_look(TimestampTz now);

/* ---- procedure.c ---- */

/* In a transaction of its own, between those of the CALL, which may write; nothing on a standby. */
extern bool dgen_procedure_run(bool (*work)(void));

/* One sleep on the latch; also ends when the client has gone. 0: for ever. Processes no interrupts. */
extern void dgen_sleep(TimestampTz until);
/* The same, and for_input, until there is something to be read from the client: true then. */
extern bool dgen_sleep_for(TimestampTz until, bool for_input);
/* Has the client sent more than the statement that runs? readable: the socket has something. */
extern bool dgen_has_input(bool readable);

/* ---- reply_wait.c ---- */

extern void dgen_call_reply(int64 request_id);
extern void dgen_call_all_replies(void);

#endif /* DGEN_SHARED_H */
