/*
 * The program dgen: a section per file, in the order in which a command passes through
 * them. It uses what dgen.h offers to everybody, and libpq.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* ---- options.c: the command line ------------------------------------------------ */

typedef enum cli_option
{
	CLI_HOST,
	CLI_PORT,
	CLI_USER,
	CLI_DATABASE,
	CLI_NO_PASSWORD,
	CLI_PASSWORD,
	CLI_HELP,
	CLI_VERSION,
	CLI_JSON,
	CLI_LIMIT,
	CLI_TIMEOUT,
	CLI_DELAY,
	CLI_PRIORITY,
	CLI_IDEMPOTENCY_KEY,
	CLI_HEADERS,
	CLI_FILE,
	CLI_KEY_FROM,
	CLI_IDEMPOTENCY_KEY_FROM,
	CLI_QUIET,
	CLI_JOBS,
	CLI_NAME,
	CLI_DRAIN,
	CLI_VERBOSE,
	CLI_LANE,
	CLI_HANDLER_NAME,
	CLI_ACTORS,
	CLI_MESSAGES,
	CLI_CLIENTS,
	CLI_WORKERS,
	CLI_TIME,
	CLI_WARM_UP,
	CLI_ROUNDS,
	CLI_SEED,
	CLI_RATE,
	CLI_IDLE_ACTORS,
	CLI_HOLD_SNAPSHOT,
	CLI_NO_BASELINE,
	CLI_PROGRESS,
	CLI_INTERVAL,
	CLI_THREADS,
	CLI_GRACE,
	CLI_TURN_TIMEOUT,
	CLI_REPLACE_TIMEOUT,
	CLI_MAX_DEATHS,
	CLI_OPTIONS
} cli_option;

#define CLI_BIT(option) (UINT64_C(1) << (option))
#define CLI_CONNECTION_OPTIONS                                                           \
	(CLI_BIT(CLI_HOST) | CLI_BIT(CLI_PORT) | CLI_BIT(CLI_USER) | CLI_BIT(CLI_DATABASE) | \
	 CLI_BIT(CLI_NO_PASSWORD) | CLI_BIT(CLI_PASSWORD))
#define CLI_GENERAL_OPTIONS (CLI_BIT(CLI_HELP) | CLI_BIT(CLI_VERSION))

typedef struct cli_option_info
{
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* NULL: a flag */
	const char *help;
} cli_option_info;

extern const cli_option_info cli_option_list[CLI_OPTIONS];

/* All text is the command line's own. */
typedef struct cli_arguments
{
	const char *option[CLI_OPTIONS]; /* NULL: not given; a flag that was given: "" */
	const char **list;               /* what is not an option, the command's name first */
	int count;
	bool bad; /* what was wrong has been reported */
} cli_arguments;

/* list has room for as many as argv has. */
extern void cli_arguments_read(cli_arguments *arguments, int argc, char **argv);

/* The option as a number; *value stays as it is if it was not given. False: it was reported. */
extern bool cli_integer(const cli_arguments *arguments, cli_option option, long least, long most,
						long *value);
/* The same for "500ms", "5s" or "5", "10min", "2h", "1d", in milliseconds. */
extern bool cli_duration(const cli_arguments *arguments, cli_option option, long most_ms,
						 long *value_ms);

/* ---- main.c: the commands --------------------------------------------------------- */

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

/* ---- help.c: what --help and --version print ----------------------------------------- */

extern void cli_help(void);
extern void cli_help_command(const cli_command *command);

/* ---- report.c: errors, and what the program ends with --------------------------------- */

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

/* ---- connect.c: connection options ------------------------------------------------------ */

/* Connection options as one connection string, to be freed. NULL: the error was reported. */
extern char *cli_conninfo(const cli_arguments *arguments);

/* NULL: the error was reported, and *status is set. */
extern dgen_client *cli_open_client(const cli_arguments *arguments, cli_exit *status);
extern PGconn *cli_open_connection(const cli_arguments *arguments, cli_exit *status);

/* ---- queries.c: every SQL text of the program --------------------------------------------- */

/*
 * What a listing shows. Parameters: actor type and key (NULL: all of them), and the most
 * rows (NULL: no limit).
 */
typedef struct cli_query
{
	const char *table; /* columns for people */
	const char *json;  /* one JSON object per row */
} cli_query;

extern const cli_query cli_query_actors;
extern const cli_query cli_query_actor; /* a single one */
extern const cli_query cli_query_messages;
extern const cli_query cli_query_mailbox; /* of a single actor */
extern const cli_query cli_query_dead_letters;
extern const cli_query cli_query_types;
extern const cli_query cli_query_workers;

extern const char *const cli_sql_type_exists; /* $1: type */
extern const char *const cli_sql_explain;     /* $1, $2: type, key */
extern const char *const cli_sql_explain_json;
extern const char *const cli_sql_redrive; /* $1: message id */
extern const char *const cli_sql_discard;

/*
 * dgen top. Parameters: turns of each worker at the look before, as a JSON object, and
 * when that was, in seconds of the epoch; both NULL for the turns themselves.
 */
extern const char *const cli_sql_top_session;
extern const char *const cli_sql_top_turns;
extern const char *const cli_sql_top_head;
extern const char *const cli_sql_top_types;
extern const char *const cli_sql_top_workers;
extern const char *const cli_sql_top_stuck;
extern const char *const cli_sql_top_json;

/* ---- table.c: rows for people -------------------------------------------------------------- */

/* At most `most` rows; width is that of the terminal in columns, 0: no limit. */
extern void cli_print_table(const PGresult *result, int most, int width);
extern void cli_print_record(const PGresult *result, int row);

/* The width of the standard output; 0 if it is no terminal. */
extern int cli_terminal_width(void);

/* ---- text.c: what a terminal shows of a text -------------------------------------------------- */

/*
 * The next character of text as it is to be shown: itself, or an escape for what is
 * invalid or would control the terminal. Returns the bytes that it takes of text; it is
 * NUL-terminated in shown and takes *width columns.
 */
#define CLI_SHOWN_SIZE 12
extern size_t cli_show_character(const char *text, char *shown, int *width);
extern int cli_width(const char *text);

/* Writes text, cut with an ellipsis if it takes more columns than `most`. Returns its columns. */
extern int cli_print_cut(const char *text, int most);

/*
 * All of text as it is to be shown; a line break is followed by two spaces, so that no text can
 * begin a line. To be freed by the caller; NULL: out of memory.
 */
extern char *cli_visible(const char *text);

/* Writes that with a newline. False: out of memory. */
extern bool cli_print_lines(const char *text);

/* Writes a JSON value with a newline: the same value, what would control a terminal as \uXXXX. */
extern void cli_print_json(const char *json);

/* ---- lines.c: lines of input --------------------------------------------------------------------- */

typedef struct cli_lines
{
	int fd;
	char *data;
	size_t size;
	size_t begin;    /* of what was not handed out */
	size_t searched; /* no line ends before */
	size_t end;
	uint64_t number; /* of the line handed out last; the first is 1 */
	uint64_t read;   /* bytes */
	uint64_t total;  /* bytes; 0: unknown */
	bool ended;      /* nothing comes after what is here */
	bool too_long;   /* the line handed out last was, and its text is not there */
	bool skipping;   /* until the end of a line that is too long */
	int error;       /* errno of what ended it */
} cli_lines;

#define CLI_LINE_MOST ((size_t) 0x0fffffff) /* bytes: what jsonb can hold at most */

extern bool cli_lines_open(cli_lines *lines, const char *path); /* NULL: standard input */
extern void cli_lines_close(cli_lines *lines);

/* A line that is here already; it lives until fill. False: fill first. */
extern bool cli_lines_next(cli_lines *lines, const char **line, size_t *length);
/* Waits for more. False: there is none, or a signal came, or memory is out. */
extern bool cli_lines_fill(cli_lines *lines);

/* ---- progress.c: a bar on the terminal ----------------------------------------------------------- */

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

#endif /* CLI_H */
