/*
 * Rows for people: aligned columns as psql has them, as wide as the terminal.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/common/report.h"
#include "cli/common/show.h"

#define COLUMNS 16      /* no query has more */
#define NARROWEST 8     /* columns that a text keeps, however narrow the terminal */
#define SEPARATOR " | " /* and a space at the beginning of each line */
#define SEPARATOR_WIDTH 3

int
cli_terminal_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return columns != NULL && atoi(columns) > 0 ? atoi(columns) : 80;
}

/* ---- widths ---- */

static void
measure(const PGresult *result, int rows, int *widths)
{
	for (int column = 0; column < PQnfields(result); column++)
	{
		widths[column] = cli_width(PQfname(result, column));
		for (int row = 0; row < rows; row++)
		{
			int width = cli_width(PQgetvalue(result, row, column));

			if (width > widths[column])
				widths[column] = width;
		}
	}
}

static int
narrowest(const PGresult *result, int column)
{
	int width = cli_width(PQfname(result, column));

	return width > NARROWEST ? width : NARROWEST;
}

/* Numbers and times that are cut would be wrong. */
static bool
may_be_cut(const PGresult *result, int column)
{
	switch (PQftype(result, column))
	{
		case 25:   /* text */
		case 3802: /* jsonb */
			return true;
		default:
			return false;
	}
}

/* The widest column that can give way becomes narrower until all fit, or none can. */
static void
fit(const PGresult *result, int width, int *widths)
{
	int total = 1 - SEPARATOR_WIDTH;

	for (int i = 0; i < PQnfields(result); i++)
		total += widths[i] + SEPARATOR_WIDTH;
	while (total > width)
	{
		int widest = -1;

		for (int i = 0; i < PQnfields(result); i++)
			if (may_be_cut(result, i) && widths[i] > narrowest(result, i) &&
				(widest < 0 || widths[i] > widths[widest]))
				widest = i;
		if (widest < 0)
			return;
		widths[widest]--;
		total--;
	}
}

/* ---- lines ---- */

static void
pad(int count, char with)
{
	for (int i = 0; i < count; i++)
		putchar(with);
}

static bool
is_number(const PGresult *result, int column)
{
	switch (PQftype(result, column))
	{
		case 20: /* bigint */
		case 23: /* integer */
			return true;
		default:
			return false;
	}
}

static void
print_header(const PGresult *result, const int *widths)
{
	const int last = PQnfields(result) - 1;

	for (int i = 0; i <= last; i++)
	{
		const char *name = PQfname(result, i);
		const int room = widths[i] - cli_width(name);

		fputs(i == 0 ? " " : SEPARATOR, stdout);
		pad(room / 2, ' ');
		fputs(name, stdout);
		pad(i < last ? room - room / 2 : 0, ' ');
	}
	putchar('\n');
	for (int i = 0; i <= last; i++)
	{
		pad(i == 0 ? 0 : 1, '+');
		pad(widths[i] + 2, '-');
	}
	putchar('\n');
}

static void
print_cell(const PGresult *result, int row, int column, int width)
{
	const char *text = PQgetvalue(result, row, column);
	const bool last = column == PQnfields(result) - 1;

	fputs(column == 0 ? " " : SEPARATOR, stdout);
	if (is_number(result, column))
	{
		pad(width - cli_width(text), ' ');
		fputs(text, stdout);
		return;
	}
	width -= cli_print_cut(text, width);
	pad(last ? 0 : width, ' ');
}

void
cli_print_table(const PGresult *result, int most, int width)
{
	int widths[COLUMNS];
	int rows = PQntuples(result) < most ? PQntuples(result) : most;

	measure(result, rows, widths);
	if (width > 0)
		fit(result, width, widths);
	print_header(result, widths);
	for (int row = 0; row < rows && cli_output_works(); row++)
	{
		for (int column = 0; column < PQnfields(result); column++)
			print_cell(result, row, column, widths[column]);
		putchar('\n');
	}
	printf("(%d row%s)\n", rows, rows == 1 ? "" : "s");
}

void
cli_print_record(const PGresult *result, int row)
{
	int width = 0;

	for (int i = 0; i < PQnfields(result); i++)
		if (cli_width(PQfname(result, i)) > width)
			width = cli_width(PQfname(result, i));
	for (int i = 0; i < PQnfields(result); i++)
	{
		printf("%-*s" SEPARATOR, width, PQfname(result, i));
		(void) cli_print_cut(PQgetvalue(result, row, i), INT_MAX);
		putchar('\n');
	}
}
