/*
 * Bytes of WAL and of tables, and processor time.
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
#include "cli/bench/base/wait.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/sides/pool.h"
#include "cli/bench/sides/workers.h"

void
bench_meter_take(bench_run *run, bench_snapshot *snapshot)
{
	snapshot->clients.process = run->client_pool != NULL ? bench_pool_cpu(run->client_pool) : 0;
	snapshot->clients.server = bench_backends_cpu(run, &run->client_backends);
	snapshot->workers.process = run->worker_pool != NULL ? bench_pool_cpu(run->worker_pool)
								: run->workers != NULL   ? bench_workers_cpu(run)
														 : 0;
	snapshot->workers.server = bench_backends_cpu(run, &run->worker_backends);
	snapshot->wal = bench_number(run, bench_sql_wal, 0, NULL, -1);
	snapshot->at = bench_now();
}

static void
add_cpu(bench_cpu *cpu, const bench_cpu *from, const bench_cpu *to)
{
	cpu->process += to->process - from->process;
	if (cpu->server >= 0 && from->server >= 0 && to->server >= 0)
		cpu->server += to->server - from->server;
	else
		cpu->server = -1;
}

void
bench_result_add(bench_result *result, const bench_snapshot *from, const bench_snapshot *to)
{
	result->wal += to->wal - from->wal;
	add_cpu(&result->clients, &from->clients, &to->clients);
	add_cpu(&result->workers, &from->workers, &to->workers);
}

bool
bench_meter_sizes(bench_run *run, const bench_side *side, int64_t *table, int64_t *indexes)
{
	const char *pattern = side->texts->tables;
	PGresult *result = bench_query(run, bench_sql_sizes, 1, &pattern);

	if (result == NULL)
		return false;
	*table = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	*indexes = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	PQclear(result);
	return true;
}
