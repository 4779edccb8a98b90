/*
 * The report for people: a line for each figure, a column for each side, and the
 * ratio of the actors to the baseline.
 */
#include <stdio.h>
#include <string.h>

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/process.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/report.h"

#define UNKNOWN (-1.0)

typedef double (*Figure)(const bench_result *result);

/* ---- figures ---- */

double
bench_cpu_ns(const bench_cpu *cpu)
{
	return cpu->server < 0 ? UNKNOWN : (double) (cpu->process + cpu->server);
}

static double
of_one(double value, int64_t messages)
{
	return value < 0 || messages == 0 ? UNKNOWN : value / (double) messages;
}

static double
lowest(const bench_result *result)
{
	double rate = result->rates[0];

	for (int i = 1; i < result->rounds; i++)
		rate = result->rates[i] < rate ? result->rates[i] : rate;
	return rate;
}

static double
highest(const bench_result *result)
{
	double rate = result->rates[0];

	for (int i = 1; i < result->rounds; i++)
		rate = result->rates[i] > rate ? result->rates[i] : rate;
	return rate;
}

static double
rate(const bench_result *result)
{
	return result->rate;
}

static double
latency_at(const bench_result *result, double share)
{
	return result->latency.count == 0 ? UNKNOWN
									  : (double) bench_histogram_at(&result->latency, share) / 1e6;
}

static double
p50(const bench_result *result)
{
	return latency_at(result, 0.5);
}

static double
p90(const bench_result *result)
{
	return latency_at(result, 0.9);
}

static double
p99(const bench_result *result)
{
	return latency_at(result, 0.99);
}

static double
p999(const bench_result *result)
{
	return latency_at(result, 0.999);
}

static double
most(const bench_result *result)
{
	return latency_at(result, 1);
}

static double
wal(const bench_result *result)
{
	return of_one((double) result->wal, result->messages);
}

static double
cpu_workers(const bench_result *result)
{
	if (!result->side->lane && result->side->worker == NULL)
		return UNKNOWN; /* it has none */
	return of_one(bench_cpu_ns(&result->workers) / 1e3, result->messages);
}

static double
cpu_clients(const bench_result *result)
{
	return of_one(bench_cpu_ns(&result->clients) / 1e3, result->sent);
}

static double
cpu_share(const bench_result *result)
{
	double clients = bench_cpu_ns(&result->clients);
	double workers = bench_cpu_ns(&result->workers);

	return clients <= 0 || workers < 0 ? UNKNOWN : 100 * workers / clients;
}

static double
backlog(const bench_result *result)
{
	return (double) result->backlog;
}

static double
tables(const bench_result *result)
{
	return (double) result->table_growth / 1e6;
}

static double
indexes(const bench_result *result)
{
	return (double) result->index_growth / 1e6;
}

/* ---- lines ---- */

static void
print_ratio(double value, double base)
{
	if (value > 0 && base > 0)
		printf(" %6.*fx", value / base < 10 ? 2 : 0, value / base);
	else
		printf(" %7s", "");
}

/* A line whose figures are all unknown, or are nothing for this workload, is left out. */
static void
print_line(const char *name, int decimals, Figure figure, const bench_result *results, int count)
{
	bool known = false;

	for (int i = 0; i < count; i++)
		known |= figure(&results[i]) >= 0;
	if (!known)
		return;
	printf("%-26s", name);
	for (int i = 0; i < count; i++)
	{
		double value = figure(&results[i]);

		if (value >= 0)
			printf(" %12.*f", decimals, value);
		else
			printf(" %12s", "-");
		if (i > 0)
			print_ratio(figure(&results[0]), value);
	}
	putchar('\n');
}

static void
print_head(const bench_run *run, const bench_result *results, int count)
{
	const bench_options *options = &run->options;

	printf("dgen bench %s, lane %s: ", run->workload->name, options->database ? "database" : "c");
	if (run->workload->kind == BENCH_DRAIN)
		printf("%ld actors x %ld messages, ", options->actors, options->messages);
	else if (run->workload->kind != BENCH_IDLE)
		printf("%ld actors, %ld client%s, ", options->actors, options->clients,
			   options->clients == 1 ? "" : "s");
	printf("%ld worker%s", results[0].side->lane ? options->workers : 0,
		   options->workers == 1 && results[0].side->lane ? "" : "s");
	if (options->rate > 0)
		printf(", at %ld/s", options->rate);
	if (options->idle_actors > 0)
		printf(", %ld idle actors", options->idle_actors);
	printf("%s\n%s\n", options->hold_snapshot ? ", a held snapshot" : "", run->server);
	printf("\n%-26s", "");
	for (int i = 0; i < count; i++)
		printf(i == 0 ? " %12s" : " %12s  dgen:it", results[i].side->name);
	putchar('\n');
}

static void
print_rates(const bench_run *run, const bench_result *results, int count)
{
	print_line("messages/s", 0, rate, results, count);
	if (run->workload->kind == BENCH_DRAIN && results[0].rounds > 1)
	{
		print_line("  lowest round", 0, lowest, results, count);
		print_line("  highest round", 0, highest, results, count);
	}
	if (run->workload->kind == BENCH_SUSTAINED)
		print_line("most messages waiting", 0, backlog, results, count);
	print_line("latency p50, ms", 3, p50, results, count);
	print_line("latency p90, ms", 3, p90, results, count);
	print_line("latency p99, ms", 3, p99, results, count);
	print_line("latency p99.9, ms", 3, p999, results, count);
	print_line("latency maximum, ms", 3, most, results, count);
}

static void
print_costs(const bench_run *run, const bench_result *results, int count)
{
	print_line("WAL, bytes/message", 0, wal, results, count);
	if (results[0].side->lane)
		print_line("CPU of workers, us/message", 2, cpu_workers, results, count);
	if (run->workload->kind != BENCH_DRAIN)
		print_line("CPU of clients, us/message", 2, cpu_clients, results, count);
	if (run->workload->kind == BENCH_SUSTAINED)
		print_line("workers/clients, CPU, %", 1, cpu_share, results, count);
	print_line("growth of tables, MB", 1, tables, results, count);
	print_line("growth of indexes, MB", 1, indexes, results, count);
}

static void
print_idle(const bench_run *run, const bench_result *result)
{
	printf("seconds                    %12.1f\n", result->seconds);
	printf("workers that ran something %12lld\n", (long long) result->looks);
	printf("snapshots seen             %12lld\n", (long long) result->snapshots);
	printf("WAL, bytes                 %12lld\n", (long long) result->wal);
	if (bench_cpu_ns(&result->workers) >= 0)
		printf("CPU of all workers, ms/s   %12.3f\n",
			   bench_cpu_ns(&result->workers) / 1e6 / result->seconds);
	else if (!run->local)
		puts("CPU time is not known: the server runs on another host.");
}

static void
print_notes(const bench_run *run, const bench_result *results)
{
	putchar('\n');
	if (results[0].latency.count > 0)
		printf("Latency: %s.\n", run->workload->latency);
	if (!run->local)
		puts("CPU time is not known: the server runs on another host.");
	printf("Nothing was lost or doubled: %lld actors looked at.\n",
		   (long long) results[0].check.actors);
}

void
bench_report(const bench_run *run, const bench_result *results, int count)
{
	print_head(run, results, count);
	if (run->workload->kind == BENCH_IDLE)
	{
		print_idle(run, results);
		return;
	}
	print_rates(run, results, count);
	print_costs(run, results, count);
	print_notes(run, results);
}
