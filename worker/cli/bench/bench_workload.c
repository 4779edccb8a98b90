/*
 * The workloads: which step does the work on which side.
 */
#include <string.h>

#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"
#include "cli/bench/sides/steps.h"
#include "cli/bench/workloads.h"

#define DURATIONS .rounds = 3, .warm_up_ms = 2000, .time_ms = 10000, .seed = 1

#define ACTORS .name = "dgen", .texts = &bench_texts_actors, .must_drain = true
#define RAW .name = "raw", .texts = &bench_texts_raw, .must_drain = true
#define HAND .name = "hand-made", .texts = &bench_texts_hand

const bench_workload bench_workload_list[] = {
	{
		.kind = BENCH_DRAIN,
		.name = "drain",
		.defaults = {.actors = 20000, .messages = 10, .workers = 2, DURATIONS},
		.actors = {{ACTORS, .lane = true}, {ACTORS, .lane = true}},
		.raw = {RAW, .worker = bench_raw_drain},
		.hand_made = {HAND, .worker = bench_hand_drain},
	},
	{
		.kind = BENCH_SEND,
		.name = "send",
		.latency = "of a transaction that sends",
		.defaults = {.actors = 10000, .clients = 1, DURATIONS},
		.actors = {{ACTORS, .client = bench_actors_send, .library = true},
				   {ACTORS, .client = bench_actors_send, .library = true}},
		.raw = {RAW, .client = bench_raw_send},
		.hand_made = {HAND, .client = bench_hand_send},
	},
	{
		.kind = BENCH_CAST,
		.name = "cast",
		.latency = "from starting a cast to its callback, of the others of a transaction",
		.defaults = {.actors = 10000, .clients = 1, DURATIONS},
		.actors = {{ACTORS, .client = bench_actors_cast, .finish = bench_finish_casts,
					.library = true},
				   {ACTORS, .client = bench_actors_cast, .finish = bench_finish_casts,
					.library = true}},
		.raw = {RAW, .client = bench_send_rows},
		.hand_made = {HAND, .client = bench_send_rows},
	},
	{
		.kind = BENCH_SUSTAINED,
		.name = "sustained",
		.latency = "from sending a message to its turn",
		.defaults = {.actors = 10000, .clients = 4, .workers = 2, DURATIONS},
		.actors = {{ACTORS, .client = bench_actors_send, .library = true, .lane = true},
				   {ACTORS, .client = bench_actors_send, .library = true, .lane = true}},
		.raw = {RAW, .client = bench_raw_send, .worker = bench_raw_drain},
		.hand_made = {HAND, .client = bench_hand_send, .worker = bench_hand_drain},
	},
	{
		.kind = BENCH_CALL,
		.name = "call",
		.latency = "of a call, as the client sees it",
		.defaults = {.actors = 10000, .clients = 1, .workers = 2, DURATIONS},
		.actors = {{ACTORS, .client = bench_actors_call, .library = true, .lane = true},
				   {ACTORS, .client = bench_actors_inline}},
		.raw = {RAW, .client = bench_raw_call},
		.hand_made = {HAND, .client = bench_hand_call},
	},
	{
		.kind = BENCH_CHAIN,
		.name = "chain",
		.latency = "of a hop: of a whole chain, divided by its actors",
		.defaults = {.actors = 100, .clients = 1, .workers = 2, DURATIONS},
		.actors = {{ACTORS, .client = bench_actors_chain, .library = true, .lane = true},
				   {ACTORS, .client = bench_actors_chain, .library = true, .lane = true}},
		.raw = {RAW, .client = bench_raw_chain},
		.hand_made = {HAND, .client = bench_hand_chain},
	},
	{
		.kind = BENCH_IDLE,
		.name = "idle",
		.defaults = {.actors = 1, .workers = 16, .rounds = 1, .warm_up_ms = 2000, .time_ms = 20000},
		.actors = {{ACTORS, .lane = true}, {ACTORS, .lane = true}},
	},
	{.name = NULL},
};

const bench_workload *
bench_workload_find(const char *name)
{
	for (const bench_workload *workload = bench_workload_list; workload->name != NULL; workload++)
		if (strcmp(workload->name, name) == 0)
			return workload;
	return NULL;
}
