/*
 * Of the programs that are a worker, which SIGTERM ends.
 */
#ifndef DGEN_TEST_UNTIL_TERM_H
#define DGEN_TEST_UNTIL_TERM_H

#include <signal.h>

#include "dgen.h"

#include "logging.h"

static dgen_worker *worker_until_term;

static inline void
stop_at_term(int signal)
{
	(void) signal;
	dgen_worker_stop(worker_until_term);
}

/* Returns what the program is to end with; if that is not 0 the standard error has why. */
static inline int
work_until_term(const char *conninfo, dgen_worker_options *options, const dgen_actor_type *types,
				size_t count)
{
	struct sigaction action = {.sa_handler = stop_at_term};
	dgen_worker *worker;
	int result;

	options->log = print_log;
	result = dgen_worker_open(&worker, conninfo, options);
	worker_until_term = worker;
	sigaction(SIGTERM, &action, NULL);
	for (size_t i = 0; result == 0 && i < count; i++)
		result = dgen_worker_register(worker, &types[i]);
	if (result == 0)
		result = dgen_worker_run(worker);
	if (result != 0)
		fprintf(stderr, "%s (%s) %s %s\n", dgen_worker_error(worker), dgen_strerror(result),
				dgen_worker_sqlstate(worker), dgen_worker_hint(worker));
	dgen_worker_close(worker);
	return result != 0;
}

#endif /* DGEN_TEST_UNTIL_TERM_H */
