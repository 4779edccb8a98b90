/* memory.c: growing texts, and allocations that fail on demand. */
#include "tap.h"

static void
buffer_grows(void)
{
	dgen__buffer b = {0};

	for (int i = 0; i < 1000; i++)
		dgen__buffer_printf(&b, "%d,", i % 10);
	CHECK(!b.failed && b.length == 2000 && b.data[2000] == '\0');
	CHECK(b.failed || memcmp(b.data + 1996, "8,9,", 5) == 0);
	dgen__buffer_free(&b);
	CHECK(b.data == NULL && b.length == 0);
}

static void
empty_text_makes_data(void)
{
	dgen__buffer b = {0};

	dgen__buffer_add(&b, "", 0);
	CHECK_TEXT(b.data, "");
	dgen__buffer_free(&b);
}

static void
clear_keeps_memory(void)
{
	dgen__buffer b = {0};
	char *data;

	dgen__buffer_puts(&b, "some text");
	data = b.data;
	dgen__buffer_clear(&b);
	CHECK(b.data == data && b.length == 0);
	dgen__buffer_puts(&b, "other");
	CHECK_TEXT(b.data, "other");
	dgen__buffer_free(&b);
}

static void
failed_allocation_sticks(void)
{
	dgen__buffer b = {0};

	dgen__memory_fail_after(0, false);
	dgen__buffer_puts(&b, "lost");
	CHECK(b.failed);
	dgen__buffer_puts(&b, "lost too");
	CHECK(b.failed && b.length == 0);
	dgen__buffer_free(&b);
	dgen__memory_fail_after(-1, false);
}

static void
fail_after_counts(void)
{
	void *memory[3];

	dgen__memory_fail_after(1, false);
	for (int i = 0; i < 3; i++)
		memory[i] = dgen__malloc(1);
	CHECK(memory[0] != NULL && memory[1] == NULL && memory[2] != NULL);
	CHECK(dgen__memory_failed());
	for (int i = 0; i < 3; i++)
		dgen__free(memory[i]);
	dgen__memory_fail_after(-1, false);
}

static void
size_zero_is_memory(void)
{
	void *memory = dgen__malloc(0);

	CHECK(memory != NULL);
	dgen__free(memory);
	memory = dgen__calloc(0, 0);
	CHECK(memory != NULL);
	dgen__free(memory);
}

static void
grow_refuses_what_overflows(void)
{
	size_t size = 8;

	CHECK(dgen__grow(NULL, &size, SIZE_MAX / 8 + 1, 16) == NULL);
	CHECK(size == 8);
}

static const tap_test tests[] = {
	TEST(buffer_grows),
	TEST(empty_text_makes_data),
	TEST(clear_keeps_memory),
	TEST(failed_allocation_sticks),
	TEST(fail_after_counts),
	TEST(size_zero_is_memory),
	TEST(grow_refuses_what_overflows),
};

TAP_MAIN(tests)
