/*
 * Progress, on the standard error: one line that is overwritten on a terminal, or
 * a line each second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/bench/base/progress.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/wait.h"

#define STEP_NS INT64_C(1000000000)

void
bench_progress(bench_run *run, const char *what, int64_t messages, int64_t begun)
{
	const int64_t now = bench_now();
	const bool terminal = isatty(STDERR_FILENO);

	if (run->progress_at <= begun) /* the first of this part */
		run->progress_at = begun + STEP_NS;
	if (!run->options.progress || now < run->progress_at)
		return;
	run->progress_at = now + STEP_NS;
	fprintf(stderr, "%s%s: %s: %.0f s, %" PRId64 " messages, %.0f/s%s", terminal ? "\r" : "",
			run->side->name, what, (double) (now - begun) / 1e9, messages,
			(double) messages * 1e9 / (double) (now - begun), terminal ? "\033[K" : "\n");
	fflush(stderr);
}

void
bench_progress_end(bench_run *run)
{
	if (run->options.progress && run->progress_at > 0 && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	run->progress_at = 0;
}
