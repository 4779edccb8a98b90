/*
 * The report for programs: one JSON object on one line. Times are in the unit that the
 * name ends with; an unknown value is null.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/bench/base/histogram.h"
#include "cli/bench/base/process.h"
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/measure/measure.h"
#include "cli/bench/report.h"

static const char *separator = "";

static void
name(const char *text)
{
	printf("%s\"%s\": ", separator, text);
	separator = ", ";
}

static void
begin(const char *text)
{
	if (text != NULL)
		name(text);
	putchar('{');
	separator = "";
}

static void
end(void)
{
	putchar('}');
	separator = ", ";
}

static void
number(const char *text, int64_t value)
{
	name(text);
	printf("%" PRId64, value);
}

static void
real(const char *text, double value, bool known)
{
	name(text);
	if (known)
		printf("%.6g", value);
	else
		fputs("null", stdout);
}

static void
string(const char *text, const char *value)
{
	name(text);
	printf("\"%s\"", value);
}

/* ---- parts ---- */

static void
put_options(const bench_options *options)
{
	begin("options");
	number("actors", options->actors);
	number("messages", options->messages);
	number("clients", options->clients);
	number("workers", options->workers);
	number("rounds", options->rounds);
	real("warm_up_s", (double) options->warm_up_ms / 1e3, true);
	real("time_s", (double) options->time_ms / 1e3, true);
	number("seed", options->seed);
	number("rate", options->rate);
	number("idle_actors", options->idle_actors);
	name("hold_snapshot");
	fputs(options->hold_snapshot ? "true" : "false", stdout);
	end();
}

static void
put_latency(const bench_histogram *latency)
{
	static const struct
	{
		const char *name;
		double share;
	} list[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

	if (latency->count == 0)
	{
		name("latency_us");
		fputs("null", stdout);
		return;
	}
	begin("latency_us");
	number("count", (int64_t) latency->count);
	real("mean", (double) latency->total / (double) latency->count / 1e3, true);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		real(list[i].name, (double) bench_histogram_at(latency, list[i].share) / 1e3, true);
	end();
}

/* Of one message each. */
static void
put_cpu(const char *text, const bench_cpu *cpu, int64_t messages)
{
	const double count = messages > 0 ? (double) messages : 1;

	begin(text);
	real("process", (double) cpu->process / 1e3 / count, messages > 0);
	real("server", (double) cpu->server / 1e3 / count, messages > 0 && cpu->server >= 0);
	end();
}

static void
put_check(const bench_check *check)
{
	begin("check");
	number("actors", check->actors);
	number("idle_actors", check->idle);
	number("lost", check->lost);
	number("doubled", check->doubled);
	number("left", check->left);
	end();
}

static void
put_rounds(const bench_result *result)
{
	name("rounds_per_s");
	for (int i = 0; i < result->rounds; i++)
		printf("%s%.6g", i == 0 ? "[" : ", ", result->rates[i]);
	fputs(result->rounds == 0 ? "[]" : "]", stdout);
}

static void
put_result(const char *text, const bench_result *result, bench_kind kind)
{
	begin(text);
	number("messages", result->messages);
	number("sent", result->sent);
	real("seconds", result->seconds, true);
	real("messages_per_s", result->rate, kind != BENCH_IDLE);
	put_rounds(result);
	put_latency(&result->latency);
	number("wal_bytes", result->wal);
	real("wal_bytes_per_message",
		 result->messages > 0 ? (double) result->wal / (double) result->messages : 0,
		 result->messages > 0);
	put_cpu("cpu_clients_us_per_message", &result->clients, result->sent);
	put_cpu("cpu_workers_us_per_message", &result->workers, result->messages);
	real("cpu_workers_ms", bench_cpu_ns(&result->workers) / 1e6, result->workers.server >= 0);
	real("cpu_clients_ms", bench_cpu_ns(&result->clients) / 1e6, result->clients.server >= 0);
	number("table_growth_bytes", result->table_growth);
	number("index_growth_bytes", result->index_growth);
	number("most_waiting", result->backlog);
	number("idle_looks", result->looks);
	number("idle_snapshots", result->snapshots);
	put_check(&result->check);
	end();
}

static void
put_ratios(const bench_result *results, int count)
{
	begin("ratios");
	for (int i = 1; i < count; i++)
		real(i == 1 ? "raw" : "hand_made",
			 results[i].rate > 0 ? results[0].rate / results[i].rate : 0, results[i].rate > 0);
	end();
}

void
bench_report_json(const bench_run *run, const bench_result *results, int count)
{
	static const char *const names[] = {"dgen", "raw", "hand_made"};

	separator = "";
	begin(NULL);
	string("workload", run->workload->name);
	string("lane", run->options.database ? "database" : "c");
	string("version", dgen_version());
	string("server_version", PQparameterStatus(run->control, "server_version"));
	name("settings");
	fputs(run->settings, stdout);
	put_options(&run->options);
	for (int i = 0; i < count; i++)
		put_result(names[i], &results[i], run->workload->kind);
	put_ratios(results, count);
	end();
	putchar('\n');
}
