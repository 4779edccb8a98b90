/*
 * Processes of the server, by /proc, if they are on this host: which they are, and their time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench/base/process.h"
#include "cli/bench/base/query.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/common/report.h"

static bool
read_file(int pid, const char *name, char *text, size_t size)
{
	char path[64];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	length = fread(text, 1, size - 1, file);
	text[length] = '\0';
	fclose(file);
	return length > 0;
}

/* The nth field (from 1 on) of /proc/PID/stat; the second can contain anything but ")". */
static long long
stat_field(const char *text, int n)
{
	const char *at = strrchr(text, ')');

	for (int field = 2; at != NULL && field < n; field++)
		at = strchr(at + 1, ' ');
	return at != NULL ? strtoll(at + 1, NULL, 10) : -1;
}

/* In ns, from the scheduler; kernels without that count ticks. -1: no such process. */
static int64_t
process_cpu(int pid)
{
	char text[1024];
	long long ns;

	if (read_file(pid, "schedstat", text, sizeof(text)) && sscanf(text, "%lld", &ns) == 1)
		return ns;
	if (!read_file(pid, "stat", text, sizeof(text)))
		return -1;
	return (stat_field(text, 14) + stat_field(text, 15)) * (1000000000 / sysconf(_SC_CLK_TCK));
}

/* When it was started, in seconds of the epoch; -1: unknown. */
static long long
process_start(int pid)
{
	char text[1024];
	char line[256];
	long long booted = -1;
	FILE *file = fopen("/proc/stat", "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		(void) sscanf(line, "btime %lld", &booted);
	if (file != NULL)
		fclose(file);
	if (booted < 0 || !read_file(pid, "stat", text, sizeof(text)))
		return -1;
	return booted + stat_field(text, 22) / sysconf(_SC_CLK_TCK);
}

bool
bench_backends_find(bench_run *run, bench_backends *backends, const char *role)
{
	char name[64];
	const char *value = name;
	PGresult *result;

	free(backends->pids);
	backends->pids = NULL;
	backends->count = 0;
	if (role == NULL)
		return true;
	snprintf(name, sizeof(name), "%s", role);
	result = bench_query(run, bench_sql_backends, 1, &value);
	if (result == NULL)
		return false;
	backends->pids = calloc((size_t) PQntuples(result) + 1, sizeof(int));
	for (int i = 0; i < PQntuples(result) && backends->pids != NULL; i++)
		backends->pids[backends->count++] = atoi(PQgetvalue(result, i, 0));
	PQclear(result);
	if (backends->pids == NULL)
		bench_fail(run, cli_no_memory());
	return backends->pids != NULL;
}

/*
 * The number of a process means something only where it runs: here, if the process of
 * that number is as old as the server says. (A second or two: both clocks are coarse.)
 */
void
bench_backends_open(bench_run *run)
{
	PGresult *result = bench_query(run, bench_sql_own_backend, 0, NULL);
	long long started;

	run->local = false;
	if (result != NULL && PQntuples(result) > 0)
	{
		started = process_start(atoi(PQgetvalue(result, 0, 0)));
		run->local =
			started >= 0 && llabs(started - strtoll(PQgetvalue(result, 0, 1), NULL, 10)) <= 2;
	}
	PQclear(result);
}

int64_t
bench_backends_cpu(const bench_run *run, const bench_backends *backends)
{
	int64_t total = 0;

	for (int i = 0; i < backends->count && run->local; i++)
	{
		int64_t cpu = process_cpu(backends->pids[i]);

		if (cpu < 0)
			return -1;
		total += cpu;
	}
	return run->local ? total : -1;
}
