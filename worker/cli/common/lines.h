/*
 * Lines of input.
 */
#ifndef DGEN_CLI_COMMON_LINES_H
#define DGEN_CLI_COMMON_LINES_H

#include "dgen.h"

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

#endif /* DGEN_CLI_COMMON_LINES_H */
