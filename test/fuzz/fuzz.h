/*
 * A fuzz target is libFuzzer's function. Linked with standalone.c instead of libFuzzer it
 * becomes a seeded random test that any compiler builds.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgen.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "json/json.h"
#include "turn/state.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What standalone.c makes its inputs of, beside random bytes. Ends with NULL. */
extern const char *const fuzz_words[];

/* abort is what a fuzzer notices. */
#define REQUIRE(condition)                                                          \
	do                                                                              \
	{                                                                               \
		if (!(condition))                                                           \
		{                                                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                           \
	} while (0)

#endif /* FUZZ_H */
