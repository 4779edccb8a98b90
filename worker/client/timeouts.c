/*
 * Operations with a deadline: a binary heap, so that thousands of calls cost their client
 * a few comparisons each.
 */
#include "base/memory.h"
#include "client/operation.h"
#include "server/loop.h"

int
dgen__timeouts_reserve(dgen__timeouts *timeouts, size_t count)
{
	void *grown;

	if (count <= timeouts->size)
		return 0;
	grown = dgen__grow(timeouts->heap, &timeouts->size, count, sizeof(dgen__operation *));
	if (grown == NULL)
		return DGEN_ENOMEM;
	timeouts->heap = grown;
	return 0;
}

static void
put_in_heap(dgen__timeouts *timeouts, size_t index, dgen__operation *operation)
{
	timeouts->heap[index] = operation;
	operation->timeout = index;
}

static void
rise(dgen__timeouts *timeouts, size_t index)
{
	dgen__operation *operation = timeouts->heap[index];

	while (index > 0 && operation->deadline < timeouts->heap[(index - 1) / 2]->deadline)
	{
		put_in_heap(timeouts, index, timeouts->heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put_in_heap(timeouts, index, operation);
}

static void
sink(dgen__timeouts *timeouts, size_t index)
{
	dgen__operation *operation = timeouts->heap[index];

	for (;;)
	{
		size_t child = 2 * index + 1;

		if (child >= timeouts->count)
			break;
		if (child + 1 < timeouts->count &&
			timeouts->heap[child + 1]->deadline < timeouts->heap[child]->deadline)
			child++;
		if (operation->deadline <= timeouts->heap[child]->deadline)
			break;
		put_in_heap(timeouts, index, timeouts->heap[child]);
		index = child;
	}
	put_in_heap(timeouts, index, operation);
}

void
dgen__timeouts_add(dgen__timeouts *timeouts, dgen__operation *operation)
{
	if (operation->deadline == DGEN__NEVER)
		return;
	put_in_heap(timeouts, timeouts->count++, operation);
	rise(timeouts, timeouts->count - 1);
}

void
dgen__timeouts_remove(dgen__timeouts *timeouts, dgen__operation *operation)
{
	size_t index = operation->timeout;
	dgen__operation *last;

	if (operation->deadline == DGEN__NEVER)
		return;
	operation->deadline = DGEN__NEVER;
	last = timeouts->heap[--timeouts->count];
	if (last == operation)
		return;
	put_in_heap(timeouts, index, last);
	rise(timeouts, index);
	sink(timeouts, last->timeout);
}

dgen__operation *
dgen__timeouts_first(const dgen__timeouts *timeouts)
{
	return timeouts->count == 0 ? NULL : timeouts->heap[0];
}
