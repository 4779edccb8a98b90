/*
 * A batch with an unknown outcome: its COMMIT was sent, and the answer never came. Its messages
 * need no outcome: they are handled again if the batch did not commit. Its after-commit callbacks
 * do. They are kept until the server says, in another session, whether the batch has left its
 * receipt (dgen.receipt, dgen.settle).
 */
#include <string.h>

#include "server/loop.h"
#include "turn/outbox.h"
#include "work/batch.h"
#include "work/worker.h"

/* The server keeps receipts for longer than a day. */
#define TOO_OLD_MS (INT64_C(24) * 3600 * 1000)

bool
dgen__doubt_exists(const dgen_worker *worker)
{
	return worker->doubt.actions.nactions > 0;
}

void
dgen__doubt_begin(dgen_worker *worker)
{
	dgen__doubt *doubt = &worker->doubt;

	if (worker->batch.outbox.nactions == 0)
		return;
	dgen__outbox_keep_actions(&worker->batch.outbox, &doubt->actions);
	memcpy(doubt->worker, worker->id, sizeof(doubt->worker));
	doubt->batch = worker->receipts;
	doubt->since = dgen__now_ms();
}

bool
dgen__doubt_is_old(const dgen_worker *worker)
{
	return dgen__now_ms() - worker->doubt.since > TOO_OLD_MS;
}

void
dgen__doubt_end(dgen_worker *worker, bool committed)
{
	dgen__worker_log(worker, DGEN_LOG_INFO,
					 committed ? "the batch whose outcome was unknown is committed"
							   : "the batch whose outcome was unknown is not committed");
	dgen__outbox_finish(&worker->doubt.actions, committed);
}

void
dgen__doubt_give_up(dgen_worker *worker, const char *why)
{
	if (!dgen__doubt_exists(worker))
		return;
	dgen__worker_log(worker, DGEN_LOG_WARNING,
					 "the outcome of a batch is unknown; its %zu after-commit callbacks are "
					 "discarded: %s",
					 worker->doubt.actions.nactions, why);
	dgen__outbox_finish(&worker->doubt.actions, false);
}
