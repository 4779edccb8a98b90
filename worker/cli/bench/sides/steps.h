/*
 * The steps of each side.
 */
#ifndef DGEN_CLI_BENCH_SIDES_STEPS_H
#define DGEN_CLI_BENCH_SIDES_STEPS_H

#include "dgen.h"

#include "cli/bench/base/side.h"

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

#endif /* DGEN_CLI_BENCH_SIDES_STEPS_H */
