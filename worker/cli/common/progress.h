/*
 * A bar on the terminal.
 */
#ifndef DGEN_CLI_COMMON_PROGRESS_H
#define DGEN_CLI_COMMON_PROGRESS_H

#include "dgen.h"

typedef struct cli_progress
{
	bool shown;
	bool drawn;
	int64_t begun_ms;
	int64_t next_ms;
} cli_progress;

extern void cli_progress_begin(cli_progress *progress, bool quiet);
extern void cli_progress_step(cli_progress *progress, uint64_t sent, uint64_t bytes,
							  uint64_t total_bytes);
/* Clears the line, so that something else can be written. */
extern void cli_progress_clear(cli_progress *progress);

#endif /* DGEN_CLI_COMMON_PROGRESS_H */
