/*
 * What a turn costs that changes one entry of a large state: bench_state [ENTRIES].
 * Microseconds, the least of some rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dgen.h"

#include "base/error.h"
#include "base/memory.h"
#include "json/json.h"
#include "turn/in_turn.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"

#define ROUNDS 20
#define TURNS 1000

static int entries = 10000;
static dgen__state *state;
static dgen__buffer text;

static double
now(void)
{
	struct timespec t;

	(void) timespec_get(&t, TIME_UTC);
	return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static void
make_text(void)
{
	for (int i = 0; i < entries; i++)
		dgen__buffer_printf(&text, "%s\"%06d\": 1", i == 0 ? "{" : ", ", i);
	dgen__buffer_puts(&text, "}");
}

static int
change_one(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t n = dgen_turn_get_int64(turn, message, 0);

	(void) length, (void) user;
	return dgen_turn_set_int64(turn, message, n + 1);
}

static int
change_none(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	return dgen_turn_error(turn);
}

static int
fail_after_change(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) change_one(turn, message, length, user);
	return DGEN_EFAILED;
}

static int
insert_one(dgen_turn *turn, const char *message, size_t length, void *user)
{
	char name[40];

	(void) length, (void) user;
	(void) snprintf(name, sizeof(name), "%s+", message);
	(void) dgen_turn_set_int64(turn, name, 1);
	return dgen_turn_delete(turn, name);
}

static void
run_turn(const dgen_actor_type *type, int i, dgen__outbox *outbox)
{
	char name[20];
	dgen__message message = {.id = 1, .kind = "cast", .attempt = 1, .message = name};
	dgen__turn_result result;

	message.length = (size_t) snprintf(name, sizeof(name), "%06d", i * 7919 % entries);
	dgen__turn_run(type, "k", 1, 1, state, outbox, &message, NULL, &result);
	dgen__error_free(&result.error);
}

/* A turn and what ends a batch of one: the diff and its confirmation. */
static void
run_batch(const dgen_actor_type *type, int i)
{
	dgen__outbox outbox = {0};
	dgen__buffer set = {0};
	dgen__buffer deleted = {0};

	run_turn(type, i, &outbox);
	(void) dgen__state_diff(state, &set, &deleted);
	dgen__state_confirm(state);
	dgen__outbox_finish(&outbox, true);
	dgen__buffer_free(&set);
	dgen__buffer_free(&deleted);
}

static void
measure(const char *what, dgen_callback callback)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "bench", .handle_cast = callback};
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++)
	{
		double start = now();

		for (int i = 0; i < TURNS; i++)
			run_batch(&type, i);
		start = (now() - start) / TURNS;
		best = start < best ? start : best;
	}
	printf("%-55s %8.2f\n", what, best);
}

static void
measure_reading(void)
{
	double best_parse = 1e18;
	double best_load = 1e18;

	for (int round = 0; round < ROUNDS; round++)
	{
		double start = now();
		double middle;

		dgen__state_free(state);
		state = NULL;
		if (dgen__state_parse(&state, text.data, text.length) != 0)
			exit(1);
		middle = now();
		if (dgen__state_load(state) != 0)
			exit(1);
		best_parse = middle - start < best_parse ? middle - start : best_parse;
		best_load = now() - middle < best_load ? now() - middle : best_load;
	}
	printf("%-55s %8.2f\n", "taking over the text", best_parse);
	printf("%-55s %8.2f\n", "first look into it", best_load);
}

int
main(int argc, char **argv)
{
	double start;

	entries = argc > 1 ? atoi(argv[1]) : entries;
	make_text();
	measure_reading();
	printf("# %d entries, %zu bytes of text, %zu in memory\n", entries, text.length,
		   dgen__state_bytes(state));
	measure("turn that changes nothing", change_none);
	measure("turn that changes one entry, its diff", change_one);
	measure("turn that changes one entry and fails", fail_after_change);
	measure("turn that inserts an entry and deletes it, its diff", insert_one);
	start = now();
	for (int i = 0; i < 100; i++)
	{
		size_t wrong;

		if (!dgen__json_storable(text.data, text.length, &wrong))
			return 1;
	}
	printf("%-55s %8.2f\n", "checking the whole text", (now() - start) / 100);
	dgen__state_free(state);
	dgen__buffer_free(&text);
	return 0;
}
