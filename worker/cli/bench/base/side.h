/*
 * * dgen bench: a section per file, in the order in which a measurement passes through
 * them.
 *
 *     objects ──> load ──> side: actors, raw, hand-made ──> meter, histogram ──> check ──> report
 *
 * A side is one way to do the work of a workload: with actors, or as a baseline without
 * them. All sides go through the same threads, clocks and checks.
 */
#ifndef DGEN_CLI_BENCH_BASE_SIDE_H
#define DGEN_CLI_BENCH_BASE_SIDE_H

#include "dgen.h"

typedef struct bench_run bench_run;
typedef struct bench_thread bench_thread;

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

/* The statements of a side; bench_sql.c has three of them. */
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
	bool must_drain;                            /* all messages must be handled in the end */
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

#endif /* DGEN_CLI_BENCH_BASE_SIDE_H */
