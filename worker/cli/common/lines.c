/*
 * Lines of input. They are handed out as they arrive, without waiting for more: who types
 * or follows a log sees each line sent immediately, and a file comes in large pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/common/lines.h"
#include "cli/common/report.h"

#define FIRST_SIZE ((size_t) 256 * 1024)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* ---- opening and closing ---- */

bool
cli_lines_open(cli_lines *lines, const char *path)
{
	struct stat status;

	memset(lines, 0, sizeof(*lines));
	lines->fd = STDIN_FILENO;
	if (path != NULL)
		lines->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (lines->fd < 0 || fstat(lines->fd, &status) != 0)
	{
		cli_error("could not open \"%s\": %s", path != NULL ? path : "standard input",
				  strerror(errno));
		return false;
	}
	if (S_ISREG(status.st_mode))
		lines->total = (uint64_t) status.st_size;
	lines->data = malloc(FIRST_SIZE);
	lines->size = FIRST_SIZE;
	if (lines->data == NULL)
		(void) cli_no_memory();
	return lines->data != NULL;
}

void
cli_lines_close(cli_lines *lines)
{
	if (lines->fd > STDIN_FILENO)
		close(lines->fd);
	free(lines->data);
}

/* ---- handing out ---- */

/* The end of what is here is the end of a line, too, when nothing follows. */
static bool
find_line(cli_lines *lines, size_t *length, size_t *next)
{
	const char *begin = lines->data + lines->begin;
	const char *end = memchr(lines->data + lines->searched, '\n', lines->end - lines->searched);

	if (end == NULL && (!lines->ended || lines->begin == lines->end))
	{
		lines->searched = lines->end;
		return false;
	}
	*length = end != NULL ? (size_t) (end - begin) : lines->end - lines->begin;
	*next = lines->begin + *length + (end != NULL);
	return true;
}

bool
cli_lines_next(cli_lines *lines, const char **line, size_t *length)
{
	size_t next;

	if (!find_line(lines, length, &next))
		return false;
	*line = lines->data + lines->begin;
	lines->begin = lines->searched = next;
	lines->number++;
	lines->too_long = lines->skipping;
	lines->skipping = false;
	if (lines->number == 1 && *length >= 3 && memcmp(*line, BYTE_ORDER_MARK, 3) == 0)
	{
		*line += 3;
		*length -= 3;
	}
	return true;
}

/* ---- reading ---- */

/* Room for more, behind the beginning of a line. */
static bool
make_room(cli_lines *lines)
{
	size_t kept = lines->end - lines->begin;
	char *larger;

	if (lines->begin > 0)
		memmove(lines->data, lines->data + lines->begin, kept);
	lines->begin = 0;
	lines->end = lines->searched = kept;
	if (kept < lines->size)
		return true;
	if (kept > CLI_LINE_MOST)
	{
		/* Something must stay, so that a line that ends with the input is seen. */
		lines->end = lines->searched = 1;
		lines->skipping = true;
		return true;
	}
	larger = realloc(lines->data, lines->size * 2);
	if (larger == NULL)
		return false;
	lines->data = larger;
	lines->size *= 2;
	return true;
}

bool
cli_lines_fill(cli_lines *lines)
{
	ssize_t count;

	if (lines->ended)
		return false;
	if (!make_room(lines))
	{
		lines->error = ENOMEM;
		return false;
	}
	count = read(lines->fd, lines->data + lines->end, lines->size - lines->end);
	if (count < 0)
	{
		lines->error = errno;
		return false;
	}
	lines->ended = count == 0;
	lines->end += (size_t) count;
	lines->read += (uint64_t) count;
	return true;
}
