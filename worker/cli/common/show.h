/*
 * What is shown on a terminal.
 */
#ifndef DGEN_CLI_COMMON_SHOW_H
#define DGEN_CLI_COMMON_SHOW_H

#include "dgen.h"

/* At most `most` rows; width is that of the terminal in columns, 0: no limit. */
extern void cli_print_table(const PGresult *result, int most, int width);
extern void cli_print_record(const PGresult *result, int row);

/* The width of the standard output; 0 if it is no terminal. */
extern int cli_terminal_width(void);

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

#endif /* DGEN_CLI_COMMON_SHOW_H */
