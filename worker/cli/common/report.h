/*
 * Errors, and what the program ends with.
 */
#ifndef DGEN_CLI_COMMON_REPORT_H
#define DGEN_CLI_COMMON_REPORT_H

#include "dgen.h"

/* What the program ends with; dgen --help and dgen(1) list it for people. */
typedef enum cli_exit
{
	CLI_OK,
	CLI_USAGE, /* wrong arguments or input, or the program's own trouble: a file, memory, output */
	CLI_CONNECTION,
	CLI_SERVER,
	CLI_NOT_FOUND, /* or not in time */
	CLI_HANDLER,
	CLI_BAD_LINES, /* the other lines were sent */
	CLI_WRONG      /* bench: messages were lost or doubled */
} cli_exit;

/*
 * Writes "dgen: LABEL: ..." to the standard error, or "dgen: ..." with a label of NULL; the
 * others do so with a label of theirs. What would control a terminal is escaped.
 */
extern void cli_say(const char *label, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void cli_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and where to read on. Returns CLI_USAGE. */
extern cli_exit cli_usage(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Each reports an error and returns what the program ends with. */
extern cli_exit cli_client_failed(dgen_client *client, int code);
extern cli_exit cli_worker_failed(dgen_worker *worker, int code);
extern cli_exit cli_query_failed(PGconn *connection, const PGresult *result);
extern cli_exit cli_no_memory(void);

/*
 * Could all be written so far? To be asked right after writing, for the reason to be known,
 * where there is a lot to write.
 */
extern bool cli_output_works(void);

/* Flushes the standard output. What could not be written is an error unless there is another. */
extern cli_exit cli_finish_output(cli_exit status);

#endif /* DGEN_CLI_COMMON_REPORT_H */
