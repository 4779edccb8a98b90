/*
 * Runs a fuzz target with random inputs: PROGRAM [RUNS [SEED]]. An input that fails is
 * made again by RUNS 1 and the seed that is printed. Prints TAP.
 */
#include <signal.h>

#include "fuzz.h"

#define MAX_INPUT 2000

static uint64_t state;
static unsigned long current; /* seed */

/* splitmix64 */
static uint64_t
next_random(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t
below(size_t bound)
{
	return (size_t) (next_random() % bound);
}

static size_t
count_words(void)
{
	size_t count = 0;

	while (fuzz_words[count] != NULL)
		count++;
	return count;
}

/* Words, now and then a byte. Without words, bytes. */
static size_t
make_input(uint8_t *data)
{
	size_t nwords = count_words();
	size_t wanted = 1 + below(below(8) == 0 ? MAX_INPUT - 20 : 60);
	size_t size = 0;

	while (size < wanted)
	{
		const char *word = nwords > 0 ? fuzz_words[below(nwords)] : "";

		if (nwords == 0 || below(50) == 0)
			data[size++] = (uint8_t) next_random();
		else
		{
			memcpy(data + size, word, strlen(word));
			size += strlen(word);
		}
	}
	return size;
}

static void
tell_seed(int signal)
{
	(void) signal;
	fprintf(stderr, "seed %lu\n", current);
	_Exit(1);
}

int
main(int argc, char **argv)
{
	uint8_t data[MAX_INPUT];
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

	(void) signal(SIGABRT, tell_seed);
	(void) signal(SIGSEGV, tell_seed);
	printf("1..1\n");
	for (unsigned long i = 0; i < runs; i++)
	{
		uint8_t *exact;
		size_t size;

		state = seed + i;
		size = make_input(data);
		exact = malloc(size); /* a tool that watches memory then sees what lies beyond */
		memcpy(exact, data, size);
		current = seed + i;
		(void) LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	printf("ok 1 - %lu random inputs from seed %lu\n", runs, seed);
	return 0;
}
