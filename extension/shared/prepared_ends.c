/*
 * Attempts of locked parts that a prepared transaction ends: the sessions that run them are ended
 * with COMMIT PREPARED (init/prepared.c). Transactions are known by a hash of their identifier.
 */
#include "postgres.h"

#include "shared/database.h"
#include "shared/shared.h"

static uint64 preparing = 0; /* the last one that this session wanted to prepare */

void
dgen_preparing(uint64 transaction)
{
	preparing = transaction;
}

/*
 * At PREPARE TRANSACTION, before it can be ended: never raises. Where there is no room the session
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

/* One of them; 0: there is none any more. */
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
