/*
 * How many messages a claim can read for a type with max_rate. The session takes rate permits from
 * the token bucket of the type (own/rate.c, claim.c), reads at most that many messages, and gives
 * back the permits that it did not use. The messages that it left for lack of permits are for a
 * later claim.
 */
#include "postgres.h"

#include "actor/actor_type.h"
#include "actor/worker_session.h"
#include "claim/claim.h"
#include "own/rate.h"
#include "wake/wake.h"

static void
settle(WorkerType *worker_type, Owned *owned)
{
	const ActorType *type = dgen_type_by_id(worker_type->type_id, true);

	if (type == NULL)
		return;
	dgen_give_back_turns(type, worker_type->turns_left);
	if (worker_type->short_of_turns && (type->max_rate <= 0 || dgen_has_turns(type)))
	{
		owned->left = true;
		dgen_wakeup_left(type->id);
	}
}

void
dgen_settle_turns(WorkerSession *session, Owned *owned)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		WorkerType *type = &session->types[i];

		if (type->turns_left > 0 || type->short_of_turns)
			settle(type, owned);
		type->turns_left = type->turns_read = 0;
		type->short_of_turns = false;
		dgen_turns_settled(type->type_id);
	}
}

/*
 * For a claim that failed before its permits were settled: the permits might have been used, and
 * are not given back.
 */
void
dgen_forget_turns(WorkerSession *session)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		session->types[i].turns_left = session->types[i].turns_read = 0;
		session->types[i].short_of_turns = false;
		dgen_turns_settled(session->types[i].type_id);
	}
}

/*
 * Messages that the batch did not reach: their permits are given back when it is settled, or used
 * again.
 */
void
dgen_unread_turns(WorkerSession *session, const ActorType *type, int count)
{
	for (int i = 0; i < session->ntypes && type->max_rate > 0; i++)
	{
		if (session->types[i].type_id != type->id)
			continue;
		session->types[i].turns_left += count;
		session->types[i].turns_read -= count;
	}
}

void
dgen_read_again(WorkerSession *session)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		session->types[i].turns_left += session->types[i].turns_read;
		session->types[i].turns_read = 0;
	}
}
