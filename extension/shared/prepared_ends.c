/*
 * Attempts of locked parts that a prepared transaction ends: COMMIT PREPARED ends the sessions that run
 * them (init/prepared.c). A hash of its identifier identifies a transaction.
 */
#include "postgres.h"

#include "shared/database.h"
#include "shared/shared.h"

static uint64 preparing = 0; /* the last transaction that this session prepared */

void
dgen_preparing(uint64 transaction)
{
	preparing = transaction;
}

/*
 * Called at PREPARE TRANSACTION, before the transaction can be ended. If there is no room, the session
 * continues until it finds by itself that its attempt is over.
 */
void
dgen_prepared_ends_holder(int64 fence)
{
	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_PREPARED_ENDS; i++)
	{
		PreparedEnd *end = &dgen_database->prepared_ends[i];

		if (end->fence != 0)
			continue;
		*end = (PreparedEnd){preparing, fence};
		break;
	}
	LWLockRelease(&dgen_database->lock);
}

/* Takes one fence of the transaction; 0: none is left. */
int64
dgen_prepared_end_take(uint64 transaction)
{
	int64 fence = 0;

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_PREPARED_ENDS && fence == 0; i++)
	{
		PreparedEnd *end = &dgen_database->prepared_ends[i];

		if (end->fence == 0 || end->transaction != transaction)
			continue;
		fence = end->fence;
		end->fence = 0;
	}
	LWLockRelease(&dgen_database->lock);
	return fence;
}
