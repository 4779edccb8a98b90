/*
 * The options of dgen bench, over the defaults of a workload.
 */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench/base/side.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/workloads.h"
#include "cli/common/options.h"
#include "cli/common/report.h"

#define MOST_THREADS 1000
#define SENDING (1U << BENCH_SEND | 1U << BENCH_CAST) /* and nothing else */
#define MOST_ACTORS 100000000
#define MOST_MS (24L * 60 * 60 * 1000)

static bool
read_lane(bench_options *options, const cli_arguments *arguments)
{
	const char *lane = arguments->option[CLI_LANE];

	options->database = lane != NULL && strcmp(lane, "database") == 0;
	if (lane != NULL && !options->database && strcmp(lane, "c") != 0)
	{
		cli_error("--lane must be c or database, not \"%s\"", lane);
		return false;
	}
	if (arguments->option[CLI_HANDLER_NAME] == NULL)
		return true;
	options->handler = arguments->option[CLI_HANDLER_NAME];
	if (!options->database)
		cli_error("--handler is for --lane database");
	return options->database;
}

/* What a workload has no use for would be believed to have been measured. */
static bool
check_used(const bench_workload *workload, const cli_arguments *arguments)
{
	static const struct
	{
		cli_option option;
		unsigned kinds;
	} list[] = {
		{CLI_MESSAGES, 1U << BENCH_DRAIN},
		{CLI_ROUNDS, 1U << BENCH_DRAIN},
		{CLI_ACTORS, ~(1U << BENCH_IDLE)},
		{CLI_CLIENTS, ~(1U << BENCH_IDLE | 1U << BENCH_DRAIN)},
		{CLI_JOBS, ~SENDING},
		{CLI_WORKERS, ~SENDING},
		{CLI_SEED, SENDING | 1U << BENCH_SUSTAINED | 1U << BENCH_CALL},
		{CLI_RATE, 1U << BENCH_SEND | 1U << BENCH_SUSTAINED | 1U << BENCH_CALL},
		{CLI_IDLE_ACTORS, ~(1U << BENCH_IDLE | SENDING)},
		{CLI_HANDLER_NAME, ~(1U << BENCH_IDLE | SENDING | 1U << BENCH_CHAIN)},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (arguments->option[list[i].option] != NULL &&
			(list[i].kinds & 1U << workload->kind) == 0)
		{
			(void) cli_usage("bench", "%s has no use for --%s", workload->name,
							 cli_option_list[list[i].option].name);
			return false;
		}
	return true;
}

bool
bench_options_read(bench_options *options, const bench_workload *workload,
				   const cli_arguments *arguments)
{
	*options = workload->defaults;
	options->baseline = arguments->option[CLI_NO_BASELINE] == NULL;
	options->hold_snapshot = arguments->option[CLI_HOLD_SNAPSHOT] != NULL;
	options->json = arguments->option[CLI_JSON] != NULL;
	options->progress = arguments->option[CLI_PROGRESS] != NULL ||
						(isatty(STDERR_FILENO) && arguments->option[CLI_QUIET] == NULL);
	return read_lane(options, arguments) && check_used(workload, arguments) &&
		   cli_integer(arguments, CLI_ACTORS, 1, MOST_ACTORS, &options->actors) &&
		   cli_integer(arguments, CLI_MESSAGES, 1, MOST_ACTORS, &options->messages) &&
		   cli_integer(arguments, CLI_CLIENTS, 1, MOST_THREADS, &options->clients) &&
		   cli_integer(arguments, CLI_JOBS, 1, MOST_THREADS, &options->workers) &&
		   cli_integer(arguments, CLI_WORKERS, 1, MOST_THREADS, &options->workers) &&
		   cli_integer(arguments, CLI_ROUNDS, 1, BENCH_MOST_ROUNDS, &options->rounds) &&
		   cli_integer(arguments, CLI_RATE, 1, MOST_ACTORS, &options->rate) &&
		   cli_integer(arguments, CLI_IDLE_ACTORS, 0, MOST_ACTORS, &options->idle_actors) &&
		   cli_integer(arguments, CLI_SEED, 0, LONG_MAX, &options->seed) &&
		   cli_duration(arguments, CLI_WARM_UP, MOST_MS, &options->warm_up_ms) &&
		   cli_duration(arguments, CLI_TIME, MOST_MS, &options->time_ms);
}
