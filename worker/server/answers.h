/*
 * Pending results.
 */
#ifndef DGEN_SERVER_ANSWERS_H
#define DGEN_SERVER_ANSWERS_H

#include "dgen.h"

/* What the pending results belong to, in order. */
typedef struct dgen__answers
{
	unsigned char *list;
	size_t first;
	size_t count;
	size_t size;
} dgen__answers;

extern int dgen__answers_add(dgen__answers *answers, unsigned char answer); /* 0 or DGEN_ENOMEM */
extern unsigned char dgen__answers_take(dgen__answers *answers);

#endif /* DGEN_SERVER_ANSWERS_H */
