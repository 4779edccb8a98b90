/*
 * Pending results, in order.
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

#include "base/memory.h"
#include "server/answers.h"

int
dgen__answers_add(dgen__answers *answers, unsigned char answer)
{
	if (answers->first > 0 && answers->first + answers->count == answers->size)
	{
		memmove(answers->list, answers->list + answers->first, answers->count);
		answers->first = 0;
	}
	if (answers->count == answers->size)
	{
		size_t size = answers->size == 0 ? 64 : answers->size * 2;
		unsigned char *list = dgen__realloc(answers->list, size);

		if (list == NULL)
			return DGEN_ENOMEM;
		answers->list = list;
		answers->size = size;
	}
	answers->list[answers->first + answers->count++] = answer;
	return 0;
}

unsigned char
dgen__answers_take(dgen__answers *answers)
{
	unsigned char answer = answers->list[answers->first++];

	if (--answers->count == 0)
		answers->first = 0;
	return answer;
}
