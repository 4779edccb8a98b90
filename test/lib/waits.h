/*
 * Looks inside a worker: has it told the server to wait for work?
 */
#ifndef WAITS_H
#define WAITS_H

#include "dgen.h"

#include "server/answers.h"
#include "work/session.h"
#include "work/worker.h"

static inline bool
check_waits(const dgen_worker *worker)
{
	const dgen__answers *answers = &worker->answers;

	for (size_t i = 0; i < answers->count; i++)
		if (answers->list[answers->first + i] == DGEN__ANSWER_WAIT)
			return true;
	return false;
}

#endif /* WAITS_H */
