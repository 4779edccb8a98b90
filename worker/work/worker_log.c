/*
 * What all files of a worker need: its log, and whether it must stop.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "work/worker.h"

void
dgen__worker_log(dgen_worker *worker, dgen_log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dgen__log(worker->options.log, worker->options.log_user, level, format, arguments);
	va_end(arguments);
}

bool
dgen__worker_stopping(const dgen_worker *worker)
{
	return atomic_load(&worker->loop.stopped);
}
