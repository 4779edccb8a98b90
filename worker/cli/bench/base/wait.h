/*
 * Waiting, which signals end.
 */
#ifndef DGEN_CLI_BENCH_BASE_WAIT_H
#define DGEN_CLI_BENCH_BASE_WAIT_H

#include "dgen.h"

extern bool bench_catch_signals(void);
extern int bench_interrupted(void); /* the signal; 0: none */
/* Ends a wait of the main thread. Any thread. */
extern void bench_wake(void);
/* Until bench_wake, a signal, or the time has passed. */
extern void bench_wait(int64_t ns);
extern int64_t bench_now(void); /* ns, of a clock that is not set */

#endif /* DGEN_CLI_BENCH_BASE_WAIT_H */
