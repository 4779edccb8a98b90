/*
 * The supervisor's log.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "supervise/supervisor.h"

void
dgen__supervisor_log(dgen__supervisor *s, dgen_log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dgen__log(s->options.log, s->options.log_user, level, format, arguments);
	va_end(arguments);
}
