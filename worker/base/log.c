/*
 * A line of the log, for the application.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

void
dgen__log(dgen_log_callback log, void *user, dgen_log_level level, const char *format,
		  va_list arguments)
{
	char line[1024];

	if (log == NULL)
		return;
	vsnprintf(line, sizeof(line), format, arguments);
	for (char *c = line; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	log(level, line, user);
}
