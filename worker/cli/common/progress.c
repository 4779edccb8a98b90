/*
 * A bar on the terminal for what takes long: on the standard error, and only if that is a
 * terminal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/common/progress.h"

#define FIRST_MS 300 /* what is quicker needs no bar */
#define STEP_MS 100
#define BAR 24

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
cli_progress_begin(cli_progress *progress, bool quiet)
{
	progress->shown = !quiet && isatty(STDERR_FILENO);
	progress->drawn = false;
	progress->begun_ms = now_ms();
	progress->next_ms = progress->begun_ms + FIRST_MS;
}

static void
draw_bar(uint64_t bytes, uint64_t total)
{
	char bar[BAR + 1];
	int filled = bytes >= total ? BAR : (int) (bytes * BAR / total);

	memset(bar, ' ', BAR);
	memset(bar, '#', (size_t) filled);
	bar[BAR] = '\0';
	fprintf(stderr, "[%s] %3d%%  ", bar, bytes >= total ? 100 : (int) (bytes * 100 / total));
}

void
cli_progress_step(cli_progress *progress, uint64_t sent, uint64_t bytes, uint64_t total_bytes)
{
	int64_t now;

	if (!progress->shown)
		return;
	now = now_ms();
	if (now < progress->next_ms)
		return;
	progress->next_ms = now + STEP_MS;
	fputc('\r', stderr);
	if (total_bytes > 0)
		draw_bar(bytes, total_bytes);
	fprintf(stderr, "%" PRIu64 " messages, %" PRIu64 "/s\033[K", sent,
			sent * 1000 / (uint64_t) (now - progress->begun_ms));
	fflush(stderr);
	progress->drawn = true;
}

void
cli_progress_clear(cli_progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}
