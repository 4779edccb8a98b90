/*
 * Ending a lock from outside: dgen.unlock.
 */
#include "postgres.h"

#include "fmgr.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/key.h"
#include "base/errors.h"
#include "claim/read_batch.h"
#include "commit/failure.h"
#include "commit/locked.h"

PG_FUNCTION_INFO_V1(dgen_end_lock);

/* For dgen._unlock, which has checked the privilege and owns the actor. */
Datum
dgen_end_lock(PG_FUNCTION_ARGS)
{
	const ActorType *type = dgen_type_by_id(PG_GETARG_INT32(0), false);
	text *key = PG_GETARG_TEXT_PP(1);
	Failure failure = {
		.error = "the lock was ended with dgen.unlock",
		.sqlstate = unpack_sql_state(DGEN_ERR_UNLOCKED),
		.hint =
			"Check what the locked part has done outside of the database: dgen does not undo it. "
			"Send the message again with dgen.redrive.",
		.ended = true,
	};
	Batch *batch = dgen_read_locked(type, dgen_mailbox_of(key), 0, key, READ_WAIT);

	if (batch == NULL)
		PG_RETURN_BOOL(false);
	failure.sqlstate = pstrdup(failure.sqlstate);
	(void) dgen_record_failure(&batch->actors[0], &batch->actors[0].messages[0], &failure);
	PG_RETURN_BOOL(true);
}
