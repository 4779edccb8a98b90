/*
 * Threads that do steps.
 */
#ifndef DGEN_CLI_BENCH_SIDES_POOL_H
#define DGEN_CLI_BENCH_SIDES_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "dgen.h"

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/side.h"
#include "cli/common/report.h"

struct bench_thread
{
	bench_run *run;
	struct bench_pool *pool;
	pthread_t thread;
	int number;         /* from 0 on, within its pool */
	PGconn *connection; /* of a baseline, and of inline calls */
	dgen_client *client;
	uint64_t random;      /* state of its random numbers */
	int64_t begun;        /* the step in progress, or when it should have; ns */
	int64_t messages;     /* of the step in progress, without those that it has counted itself */
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

/* Runs a prepared statement; NULL: it failed, which was reported. */
extern PGresult *bench_execute(bench_thread *thread, const char *name, int count,
							   const char *const *values);

#endif /* DGEN_CLI_BENCH_SIDES_POOL_H */
