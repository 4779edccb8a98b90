/*
 * A counter worker in C, for bench/drain_c: N threads with a worker each drain what
 * waits; prints the rate over all of them.
 *
 *   drain_c WORKERS ACTORS MESSAGES [TYPE]
 *
 * Connects by the environment.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker.h"

#define MOST_WORKERS 64

static dgen_worker *workers[MOST_WORKERS];
static int nworkers;
static atomic_long left;

static void
stop_all(void *data)
{
	(void) data;
	for (int i = 0; i < nworkers; i++)
		dgen_worker_stop(workers[i]);
}

/* Counted once committed. */
static void
count_down(void *data)
{
	if (atomic_fetch_sub(&left, 1) == 1)
		stop_all(data);
}

static int
count(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	(void) user;
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	return dgen_turn_after_commit(turn, count_down, NULL, NULL);
}

static void *
run(void *data)
{
	dgen_worker *worker = data;

	if (dgen_worker_run(worker) != 0)
	{
		fprintf(stderr, "%s\n", dgen_worker_error(worker));
		stop_all(NULL);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[MOST_WORKERS];
	double start;
	long messages;

	nworkers = argc > 3 ? atoi(argv[1]) : 0;
	if (nworkers < 1 || nworkers > MOST_WORKERS)
	{
		fprintf(stderr, "usage: drain_c WORKERS ACTORS MESSAGES [TYPE]\n");
		return 2;
	}
	messages = atol(argv[3]);
	atomic_store(&left, messages);
	for (int i = 0; i < nworkers; i++)
		if (bench_open(&workers[i], argc > 4 ? argv[4] : "bench_c", count) != 0)
			return 1;
	start = bench_time(CLOCK_MONOTONIC);
	for (int i = 0; i < nworkers; i++)
		pthread_create(&threads[i], NULL, run, workers[i]);
	for (int i = 0; i < nworkers; i++)
		pthread_join(threads[i], NULL);
	if (atomic_load(&left) <= 0)
		printf("workers %d  actors %s  messages %ld  messages/s %.0f\n", nworkers, argv[2],
			   messages, (double) messages / (bench_time(CLOCK_MONOTONIC) - start));
	for (int i = 0; i < nworkers; i++)
		dgen_worker_close(workers[i]);
	return atomic_load(&left) > 0;
}
