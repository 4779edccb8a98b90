/*
 * The commands of the program dgen. main.c has their list.
 */
#ifndef DGEN_CLI_COMMANDS_COMMANDS_H
#define DGEN_CLI_COMMANDS_COMMANDS_H

#include "dgen.h"

#include "cli/common/options.h"
#include "cli/common/report.h"

typedef struct cli_command
{
	const char *name;
	const char *synopsis; /* of its arguments */
	const char *purpose;  /* one line */
	const char *text;     /* lines for its own help */
	int least;            /* number of arguments */
	int most;             /* -1: any */
	uint64_t options;     /* besides connection options and general ones */
	cli_exit (*run)(const cli_arguments *arguments);
} cli_command;

extern const cli_command cli_command_list[]; /* the last has no name */
extern const cli_command *cli_command_find(const char *name);

/* cast.c, call.c, list.c, dead.c, run_worker.c, bench.c, top.c; arguments->list[0] is the command's name. */
extern cli_exit cli_cast(const cli_arguments *arguments);
extern cli_exit cli_call(const cli_arguments *arguments);
extern cli_exit cli_state(const cli_arguments *arguments);
extern cli_exit cli_actors(const cli_arguments *arguments);
extern cli_exit cli_messages(const cli_arguments *arguments);
extern cli_exit cli_types(const cli_arguments *arguments);
extern cli_exit cli_workers(const cli_arguments *arguments);
extern cli_exit cli_explain(const cli_arguments *arguments);
extern cli_exit cli_dead(const cli_arguments *arguments);
extern cli_exit cli_dead_letters(const cli_arguments *arguments);
extern cli_exit cli_worker(const cli_arguments *arguments);
extern cli_exit cli_bench(const cli_arguments *arguments);
extern cli_exit cli_top(const cli_arguments *arguments);

extern void cli_help(void);
extern void cli_help_command(const cli_command *command);

#endif /* DGEN_CLI_COMMANDS_COMMANDS_H */
