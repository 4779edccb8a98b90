/*
 * The end of a session, in the order that matters. First dgen notes which turns might have ended
 * the session, while the session holds its locks. Then its transaction ends, because the actors
 * that it owned must be released before others are woken for them.
 */
#include "postgres.h"

#include "access/xact.h"

#include "claim/part.h"
#include "claim/suspect.h"
#include "claim/sweep.h"
#include "init/init.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "sleep/reply_wait.h"
#include "sleep/wait.h"
#include "turn/turn.h"

static void
end_session(void)
{
	const int blame = dgen_blame_for_end();

	dgen_suspect_batch(blame);
	dgen_suspect_turn(dgen_turn_that_may_end_session());
	if (IsTransactionOrTransactionBlock())
		AbortOutOfAnyTransaction();
	dgen_part_leave(blame);
	dgen_sweep_leave();
	if (dgen_slot == NULL)
		return;
	dgen_reply_wait_leave();
	dgen_wait_leave();
}

void
dgen_session_end_init(void)
{
	dgen_end_session = end_session;
}
