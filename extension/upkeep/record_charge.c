/*
 * Records the failed attempt of a turn that ended with its process or session, under the lock of
 * its actor. charges.c takes charges from shared memory, and puts them back after a rollback.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "base/errors.h"
#include "claim/claim.h"
#include "claim/part.h"
#include "claim/read_batch.h"
#include "claim/suspect.h"
#include "commit/failure.h"
#include "locked/locked.h"
#include "own/own.h"
#include "shared/charge.h"
#include "upkeep/upkeep.h"
#include "wake/held_locks.h"

/* How far into a mailbox dgen searches for the message of a charge: normally it is the first. */
#define CHARGE_DEPTH 100

static BatchMessage *
find_message(Batch *batch, int64 id, BatchActor **actor)
{
	for (int i = 0; i < batch->nactors; i++)
	{
		*actor = &batch->actors[i];
		for (int j = 0; j < (*actor)->nmessages; j++)
			if ((*actor)->messages[j].id == id)
				return &(*actor)->messages[j];
	}
	return NULL;
}

static const char *
reason_of(const Charge *charge)
{
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT && charge->silent)
		return "the worker was silent for too long in the turn, and the server ended its session";
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT)
		return "turn did not end when it was canceled after turn_timeout; its process was ended";
	if (charge->sqlstate == DGEN_ERR_LOCK_TIMEOUT)
		return "locked part did not end when it was canceled after lock_timeout; its process was "
			   "ended";
	if (charge->sqlstate == DGEN_ERR_LOCK_LOST)
		return DGEN_LOCK_LOST_MESSAGE;
	if (charge->sqlstate == DGEN_ERR_SERVER_CRASHED)
		return "the server crashed in two turns of this message";
	return "the worker's session ended during the turn, which was the only one in progress";
}

static const char *
hint_of(const Charge *charge)
{
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT && charge->silent)
		return "Make the callback faster, or raise turn_timeout with dgen.alter_actor_type.";
	if (charge->sqlstate == DGEN_ERR_TURN_TIMEOUT)
		return "Make the handler faster and let it end when it is canceled, or raise turn_timeout "
			   "with dgen.alter_actor_type.";
	if (charge->sqlstate == DGEN_ERR_LOCK_TIMEOUT)
		return "Make the handler faster and let it end when it is canceled, or raise lock_timeout "
			   "with dgen.alter_actor_type.";
	if (charge->sqlstate == DGEN_ERR_LOCK_LOST)
		return DGEN_LOCK_LOST_HINT;
	if (charge->sqlstate == DGEN_ERR_SERVER_CRASHED)
		return "See the server log for the crash. Fix what the handler calls, then use dgen.redrive.";
	return "See the worker's log and the server log: the worker crashed or was killed, or the server "
		   "ended its session. Fix the cause, then use dgen.redrive.";
}

bool
dgen_record_charge(const Charge *charge)
{
	OwnedMailbox mailbox = {.type = dgen_type_by_id(charge->type_id, true),
							.mailbox = charge->mailbox};
	Owned owned = {.count = 1, .mailboxes = &mailbox};
	BatchLimits limits = {.actors = 1, .messages = CHARGE_DEPTH, .bytes = MaxAllocHugeSize};
	Failure failure = {
		.error = reason_of(charge),
		.sqlstate = unpack_sql_state(charge->sqlstate),
		.hint = hint_of(charge),
	};
	Batch *batch;
	BatchActor *actor;
	BatchMessage *message;

	if (mailbox.type == NULL)
		return true;
	if (charge->fence != 0)
		return dgen_charge_part(charge, mailbox.type, &failure);
	mailbox.held = dgen_try_own(charge->type_id, charge->mailbox);
	if (mailbox.held == HELD_BY_ANOTHER)
		return false;
	batch = dgen_read_batch(&owned, 0, 1, &limits);
	message = find_message(batch, charge->message_id, &actor);
	if (message != NULL && charge->sqlstate == DGEN_ERR_SERVER_CRASHED)
		message->attempts = Max(message->attempts, mailbox.type->max_attempts - 1);
	if (message != NULL && dgen_record_failure(actor, message, &failure))
		dgen_absolve(actor, 1); /* what is left of its batch */
	MemoryContextDelete(batch->context);
	return true;
}
