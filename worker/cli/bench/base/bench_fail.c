/*
 * The first error of a run, which decides the exit status.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/common/report.h"

void
bench_fail(bench_run *run, cli_exit status)
{
	int none = CLI_OK;

	(void) atomic_compare_exchange_strong(&run->first_status, &none, (int) status);
}
