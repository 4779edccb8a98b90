/*
 * dgen bench: a section per file, in the order in which a measurement passes through
 * them.
 *
 *     objects ──> load ──> side: actors, raw, hand-made ──> meter, histogram ──> check ──> report
 *
 * A side is one way to do the work of a workload: with actors, or as a baseline without
 * them. All sides go through the same threads, clocks and checks.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "cli/common/cli.h"

typedef struct bench_run bench_run;
typedef struct bench_thread bench_thread;

/* ---- bench_histogram.c: times, in buckets of less than 1 % ------------------------ */

#define BENCH_SUB_BITS 7 /* 128 buckets for each power of two */
#define BENCH_BUCKETS ((64 - BENCH_SUB_BITS + 1) << BENCH_SUB_BITS)

typedef struct bench_histogram
{
	uint64_t count;
	uint64_t most; /* exact */
	uint64_t total;
	uint64_t buckets[BENCH_BUCKETS];
} bench_histogram;

extern void bench_histogram_add(bench_histogram *histogram, uint64_t value);
extern void bench_histogram_merge(bench_histogram *histogram, const bench_histogram *other);
/* The value that this share of all (0 to 1) does not exceed, at most 1 % too high; 0 if empty. */
extern uint64_t bench_histogram_at(const bench_histogram *histogram, double share);

/* ---- bench_options.c: what was asked for --------------------------------------------- */

typedef struct bench_options
{
	bool database; /* the lane: workers in the database */
	const char *handler;
	long actors;
	long messages; /* for each actor and round */
	long clients;
	long workers;
	long rounds;
	long warm_up_ms;
	long time_ms;
	long seed;
	long rate; /* messages/s of all clients; 0: what they can */
	long idle_actors;
	bool hold_snapshot;
	bool baseline;
	bool progress;
	bool json;
} bench_options;

typedef enum bench_kind
{
	BENCH_DRAIN,
	BENCH_SEND,
	BENCH_CAST,
	BENCH_SUSTAINED,
	BENCH_CALL,
	BENCH_CHAIN,
	BENCH_IDLE
} bench_kind;

/* What one of a thread's steps came to. */
typedef enum bench_step
{
	BENCH_GO_ON,
	BENCH_EMPTY, /* there was nothing to do */
	BENCH_FAILED /* it was reported */
} bench_step;

/* What the server is told for a side; bench_sql.c has three of them. */
typedef struct bench_texts
{
	const char *const *prepare; /* pairs of name and text, the last NULL, for the threads */
	const char *load;           /* $1: actors, $2, $3: first and last message */
	const char *idle;           /* makes actors that do nothing; $1, $2: first and last */
	const char *states;         /* key and sum of each actor */
	const char *waiting;        /* key and sum of the messages of each actor that wait */
	const char *left;           /* the number of messages that were not handled */
	const char *tables;         /* LIKE pattern of those that grow, with their schema */
	const char *vacuum;         /* what is loaded */
} bench_texts;

extern const bench_texts bench_texts_actors;
extern const bench_texts bench_texts_raw;
extern const bench_texts bench_texts_hand;

/*
 * One way to do the work. Each function is one step of a thread, and says in
 * thread->messages how many messages it was for.
 */
typedef struct bench_side
{
	const char *name; /* NULL: there is none */
	const bench_texts *texts;
	bench_step (*client)(bench_thread *thread); /* NULL: no clients */
	void (*finish)(bench_thread *thread);       /* a client's last step; NULL: there is none */
	bench_step (*worker)(bench_thread *thread); /* NULL: none, or those of the lane */
	bool library;                               /* clients are those of libdgen */
	bool lane;                                  /* workers are those of the lane */
	bool whole;                                 /* all has to be handled in the end */
} bench_side;

typedef struct bench_workload
{
	bench_kind kind;
	const char *name;
	const char *latency; /* what the latency is of; NULL: it has none */
	bench_options defaults;
	bench_side actors[2]; /* lanes: C, database */
	bench_side raw;
	bench_side hand_made;
} bench_workload;

extern const bench_workload bench_workload_list[]; /* bench_workload.c; the last has no name */
extern const bench_workload *bench_workload_find(const char *name);

extern bool bench_options_read(bench_options *options, const bench_workload *workload,
							   const cli_arguments *arguments);

/* ---- bench_wait.c: waiting, which signals end ----------------------------------------- */

extern bool bench_catch_signals(void);
extern int bench_interrupted(void); /* the signal; 0: none */
/* Ends a wait of the main thread. Any thread. */
extern void bench_wake(void);
/* Until bench_wake, a signal, or the time has passed. */
extern void bench_wait(int64_t ns);
extern int64_t bench_now(void); /* ns, of a clock that is not set */

/* ---- bench_query.c: the connection that looks after the run ------------------------------- */

/*
 * Runs a statement, with count parameters in text form. NULL: it failed, which was
 * reported, or a signal came; *status, unless it is set already, is.
 */
extern PGresult *bench_query(bench_run *run, const char *sql, int count, const char *const *values);
/* The first column of the first row as a number; `otherwise` if there is none. */
extern int64_t bench_number(bench_run *run, const char *sql, int count, const char *const *values,
							int64_t otherwise);
extern bool bench_do(bench_run *run, const char *sql);
/* For what only makes the figures calmer: whether it can be done does not matter. */
extern void bench_try(bench_run *run, const char *sql);

extern bool bench_connect_control(bench_run *run);
/* Another connection that says what it is for; NULL: it was reported. */
extern PGconn *bench_connect(bench_run *run, const char *role);
/* A connection string that says it, to be freed. */
extern char *bench_conninfo(bench_run *run, const char *role);

/* ---- bench_objects.c: what is made for the run and goes with it ----------------------------- */

extern bool bench_objects_create(bench_run *run);
extern bool bench_objects_drop(bench_run *run);

/* ---- bench_meter.c: bytes and processor time --------------------------------------------------- */

/* Processor time in ns; -1: unknown, for processes of another host. */
typedef struct bench_cpu
{
	int64_t process; /* of this process' threads */
	int64_t server;  /* of their server processes */
} bench_cpu;

typedef struct bench_snapshot
{
	int64_t at;
	int64_t wal; /* position in bytes */
	bench_cpu clients;
	bench_cpu workers;
} bench_snapshot;

/* Processes of the server that one part of a run keeps busy. */
typedef struct bench_backends
{
	int *pids;
	int count;
} bench_backends;

/* Once per run: can the processes of the server be read here? */
extern void bench_backends_open(bench_run *run);
extern bool bench_backends_find(bench_run *run, bench_backends *backends, const char *role);
/* Their time in ns; -1: unknown. */
extern int64_t bench_backends_cpu(const bench_run *run, const bench_backends *backends);
extern void bench_meter_take(bench_run *run, bench_snapshot *snapshot);
extern bool bench_meter_sizes(bench_run *run, const bench_side *side, int64_t *table,
							  int64_t *indexes);

/* ---- bench_pool.c: threads that do steps --------------------------------------------------------- */

struct bench_thread
{
	bench_run *run;
	struct bench_pool *pool;
	pthread_t thread;
	int number;         /* from 0 on, within its pool */
	PGconn *connection; /* of a baseline, and of inline calls */
	dgen_client *client;
	uint64_t random;      /* state of its random numbers */
	int64_t begun;        /* the step under way, or when it should have; ns */
	int64_t messages;     /* of the step under way, but those that it has counted itself */
	atomic_long done;     /* messages of all steps */
	_Atomic(int64_t) cpu; /* ns, once the thread has ended; 0 before */
	bench_histogram latency;
	cli_exit status;
};

typedef struct bench_pool
{
	bench_run *run;
	const bench_side *side;
	bench_step (*step)(bench_thread *thread);
	bench_thread *threads;
	int count;
	int started;
	int64_t interval; /* ns between steps of a thread; 0: none */
	bool until_empty; /* a thread ends once there is nothing to do */
	atomic_int running;
	atomic_bool stop;
} bench_pool;

/* role: "client" or "worker". */
extern bool bench_pool_open(bench_pool *pool, bench_run *run, const bench_side *side,
							const char *role, int count);
extern bool bench_pool_start(bench_pool *pool);
extern int64_t bench_pool_done(const bench_pool *pool); /* messages */
extern int64_t bench_pool_cpu(const bench_pool *pool);  /* ns */
extern void bench_pool_join(bench_pool *pool);          /* after asking its threads to stop */
extern void bench_pool_close(bench_pool *pool);

/* What an actor's state has to come to, once this message is handled. Any thread. */
extern void bench_expect(bench_run *run, long actor, int64_t number);

#define BENCH_KEY_SIZE 24
extern void bench_key(char *key, long actor);

/* A message of a client: a number for an actor, both chosen at random. */
typedef struct bench_message
{
	long actor;
	int64_t number;
	char key[BENCH_KEY_SIZE];
	char text[BENCH_KEY_SIZE]; /* the number */
} bench_message;

extern void bench_choose(bench_thread *thread, bench_message *message);
/* So many messages are done, each of which took so long (ns). */
extern void bench_count(bench_thread *thread, int64_t messages, int64_t latency);
/* It was sent. Returns BENCH_GO_ON. */
extern bench_step bench_sent(bench_thread *thread, const bench_message *message);

/* ---- bench_workers.c: the workers of the lane ------------------------------------------------------ */

typedef struct bench_workers bench_workers;
typedef struct bench_job bench_job;

/* A callback of the worker was run, for a message that was sent then (0: unknown). */
extern int bench_job_turn(bench_job *job, dgen_turn *turn, int64_t sent_at);

extern bool bench_workers_start(bench_run *run);
extern int64_t bench_workers_handled(bench_run *run); /* messages whose turns are committed */
extern int64_t bench_workers_cpu(bench_run *run);
extern void bench_workers_latency(bench_run *run, bench_histogram *histogram);
/* Until so many are handled in all; *ended gets the time. False: failed or interrupted. */
extern bool bench_workers_wait(bench_run *run, int64_t handled, int64_t *ended);
extern void bench_workers_stop(bench_run *run);

/* ---- bench_actors.c, bench_raw.c, bench_hand.c, bench_cast.c: steps of the sides ------------------------------------ */

/* Callbacks; the user pointer is the worker's. */
extern int bench_count_message(dgen_turn *turn, const char *message, size_t length, void *user);
extern int bench_pass_on(dgen_turn *turn, const char *message, size_t length, void *user);

extern bench_step bench_actors_send(bench_thread *thread);
extern bench_step bench_actors_call(bench_thread *thread);
extern bench_step bench_actors_inline(bench_thread *thread);
extern bench_step bench_actors_chain(bench_thread *thread);

extern bench_step bench_raw_drain(bench_thread *thread);
extern bench_step bench_raw_send(bench_thread *thread);
extern bench_step bench_raw_call(bench_thread *thread);
extern bench_step bench_raw_chain(bench_thread *thread);

extern bench_step bench_hand_drain(bench_thread *thread);
extern bench_step bench_hand_send(bench_thread *thread);
extern bench_step bench_hand_call(bench_thread *thread);
extern bench_step bench_hand_chain(bench_thread *thread);

/* bench_cast.c; a row is a message of both baselines. */
extern bench_step bench_actors_cast(bench_thread *thread);
extern void bench_finish_casts(bench_thread *thread);
extern bench_step bench_send_rows(bench_thread *thread);

/* Runs a prepared statement; NULL: it failed, which was reported. */
extern PGresult *bench_execute(bench_thread *thread, const char *name, int count,
							   const char *const *values);

/* ---- bench_result.c, bench_check.c ----------------------------------------------------------------------- */

typedef struct bench_check
{
	int64_t actors;  /* looked at */
	int64_t idle;    /* those of them that had nothing to do */
	int64_t lost;    /* actors whose state lacks something */
	int64_t doubled; /* actors whose state has too much */
	int64_t left;    /* messages that nobody handled, dead letters included */
} bench_check;

#define BENCH_MOST_ROUNDS 100

typedef struct bench_result
{
	const bench_side *side;
	int64_t messages; /* handled, or where nobody handles them sent */
	int64_t sent;     /* by clients */
	double seconds;
	double rate; /* messages/s; of several rounds the median */
	int rounds;
	double rates[BENCH_MOST_ROUNDS];
	bench_histogram latency; /* ns */
	int64_t wal;             /* bytes */
	bench_cpu clients;
	bench_cpu workers;
	int64_t table_growth; /* bytes; of all rounds, warm-up included */
	int64_t index_growth;
	int64_t backlog; /* most messages that waited, sustained only */
	int64_t looks;   /* idle only: workers that were seen to have run something, each second */
	int64_t snapshots;
	bench_check check;
} bench_result;

extern bool bench_check_states(bench_run *run, const bench_side *side, bench_check *check);

/* ---- bench_around.c: what is around a measurement --------------------------------------------------------- */

/* Actors that do nothing, and a session that keeps a snapshot open. */
extern bool bench_around_begin(bench_run *run);
extern void bench_around_end(bench_run *run);

/* ---- bench_amount.c, bench_timed.c, bench_idle.c: measuring a side ------------------------------------------ */

extern bool bench_measure_amount(bench_run *run, const bench_side *side, bench_result *result);
extern bool bench_measure_timed(bench_run *run, const bench_side *side, bench_result *result);
extern bool bench_measure_idle(bench_run *run, bench_result *result);

/* What was used between two snapshots is added. */
extern void bench_result_add(bench_result *result, const bench_snapshot *from,
							 const bench_snapshot *to);

/* ---- bench_progress.c: what happens, on the standard error ----------------------------------------------- */

extern void bench_progress(bench_run *run, const char *what, int64_t messages, int64_t begun);
extern void bench_progress_end(bench_run *run);

/* ---- bench_report.c: for people; bench_json.c: for programs ------------------------------------------------- */

/* CPU time of both sides of the connection; -1: unknown. */
extern double bench_cpu_ns(const bench_cpu *cpu);

extern void bench_report(const bench_run *run, const bench_result *results, int count);
extern void bench_report_json(const bench_run *run, const bench_result *results, int count);

/* ---- bench_sql.c: every SQL text of dgen bench ------------------------------------------------------------------------ */

extern const char *const bench_sql_session;
extern const char *const bench_sql_hold_snapshot;
extern const char *const bench_sql_lock;
extern const char *const bench_sql_lock_holder;
extern const char *const bench_sql_needs;
extern const char *const bench_sql_leftovers;
extern const char *const bench_sql_foreign_schema;
extern const char *const bench_sql_drop_types;
extern const char *const bench_sql_drop_schema;
extern const char *const bench_sql_create;
extern const char *const bench_sql_create_plpgsql;
extern const char *const bench_sql_create_sql;
extern const char *const bench_sql_create_chain;
extern const char *const bench_sql_create_type;
extern const char *const bench_sql_pause;
extern const char *const bench_sql_resume;
extern const char *const bench_sql_checkpoint;
extern const char *const bench_sql_start_workers;
extern const char *const bench_sql_stop_workers;
extern const char *const bench_sql_turns;
extern const char *const bench_sql_attached;
extern const char *const bench_sql_server;
extern const char *const bench_sql_wal;
extern const char *const bench_sql_backends;
extern const char *const bench_sql_own_backend;
extern const char *const bench_sql_sizes;
extern const char *const bench_sql_activity;
extern const char *const bench_sql_batch;

/* ---- bench.c: the run ---------------------------------------------------------------------------------------------------- */

#define BENCH_TYPE "dgen_bench.actor"
#define BENCH_NAME "dgen bench"

struct bench_run
{
	const bench_workload *workload;
	bench_options options;
	const bench_side *side; /* measured now */
	char *conninfo;
	PGconn *control;
	PGconn *holder;      /* of a snapshot */
	bool created;        /* objects are there */
	bool cleaning;       /* signals cancel nothing any more */
	bool local;          /* processes of the server can be read */
	char server[1024];   /* its version and settings, in words */
	char settings[1024]; /* the same as a JSON object */
	bool warm;           /* the side's actors exist */
	long ranges;         /* that a raw drain is divided into */
	atomic_long next_range;
	int64_t progress_at;        /* of the next line; 0: none was written */
	long actors;                /* of all chains, or as in options */
	_Atomic(int64_t) *expected; /* the sum of each actor */
	atomic_bool measuring;      /* latencies count */
	atomic_int first_status;    /* of the first error */
	bench_workers *workers;
	bench_pool *client_pool;
	bench_pool *worker_pool;
	bench_backends client_backends;
	bench_backends worker_backends;
};

/* Reports nothing; the first error of a run is what the program ends with. */
extern void bench_fail(bench_run *run, cli_exit status);

#endif /* BENCH_H */
