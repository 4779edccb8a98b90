/*
 * When to retry.
 */
#include <ctype.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/connection.h"
#include "server/loop.h"

/* Of clients and workers that lost the same server, so that they do not come back together. */
uint64_t
dgen__random_begin(const void *handle)
{
	return ((uint64_t) dgen__now_ms() * UINT64_C(0x9e3779b97f4a7c15) ^
			(uint64_t) (uintptr_t) handle ^ ((uint64_t) getpid() << 32)) |
		   1;
}

/* Doubled by each attempt; at least half of it. xorshift. */
int
dgen__backoff_ms(uint64_t *random, int attempts, int min_ms, int max_ms)
{
	int64_t ms = min_ms;

	for (int i = 1; i < attempts && ms < max_ms; i++)
		ms *= 2;
	if (ms > max_ms)
		ms = max_ms;
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (int) (ms / 2 + (int64_t) (*random % (uint64_t) (ms / 2 + 1)));
}
