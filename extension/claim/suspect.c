/*
 * Suspect messages: turns that might have ended their worker, because a callback crashed its
 * process or never returns (a poison message). The server sees only a session that ends while it
 * has a batch: the client has gone, or a timeout ended the session because the client was silent
 * for too long. Any turn of the batch might be the reason, or none: an operator might have killed a
 * healthy worker. So no failed attempt is counted immediately (H8). The actors of the batch are
 * suspects, and are kept apart until it is known which one it was:
 *
 *     NONE ──session ended──> FEW ──again──> ALONE ──again──> a failed attempt is counted
 *       ^                      │               │
 *       └──── turns ended ─────┴───────────────┘
 *
 * A session that is ended by SIGTERM (pg_terminate_backend, a shutdown, DROP DATABASE WITH (FORCE))
 * also leaves suspects, but no attempt is counted.
 *
 * (An action is alone from the beginning. Its attempt is counted even if an operator has killed a
 * healthy worker, because the action might have had its effect.)
 *
 * The suspects are first claimed a few at a time: a batch can have had thousands of other messages,
 * and handling each one alone would delay them. The level is in shared memory (memo.c) before the
 * locks of the dead session are released. Shared memory can lose it, and does when the server
 * restarts: then the next session that ends begins again.
 *
 * An in-database handler runs in its worker's session, and can itself end it, by
 * pg_terminate_backend or an error of level FATAL. Then the running turn is the only suspect. The
 * same applies to a locked part, which is alone in any case: its levels are kept for its message.
 *
 * The attempt is recorded by the next claim for the type, or in a transaction that ends immediately
 * (charges.c).
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/timeout.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "base/errors.h"
#include "claim/claim.h"
#include "claim/part.h"
#include "claim/suspect.h"
#include "shared/charge.h"
#include "shared/memo.h"
#include "shared/shared.h"
#include "wake/alarm.h"

/* Messages of one batch of suspects. */
#define FEW 16

/* Its level might have risen between the check and the lock: then it was claimed with others. */
static bool
is_alone(const Batch *batch)
{
	return batch->nactors == 1 && batch->actors[0].nmessages == 1;
}

/* Any other end, by a timeout or for lack of a client, is due to the turns of the session. */
int
dgen_blame_for_end(void)
{
	if (pgStatSessionEndCause == DISCONNECT_KILLED)
		return 0;
	return get_timeout_indicator(IDLE_IN_TRANSACTION_SESSION_TIMEOUT, false)
			   ? DGEN_ERR_TURN_TIMEOUT
			   : DGEN_ERR_SESSION_ENDED;
}

static void
charge(const BatchActor *actor, int sqlstate)
{
	Charge turn = {
		.type_id = actor->type->id,
		.mailbox = actor->mailbox,
		.message_id = actor->messages[0].id,
		.sqlstate = sqlstate,
		.silent = sqlstate == DGEN_ERR_TURN_TIMEOUT,
	};

	dgen_charge(&turn);
}

/*
 * The session that ends still holds its locks. A locked part has an attempt of its own:
 * dgen_part_leave.
 */
void
dgen_suspect_batch(int blame)
{
	const Batch *batch = dgen_claimed_batch();

	if (batch == NULL || dgen_database == NULL || dgen_part_under_way())
		return;
	for (int i = 0; i < batch->nactors; i++)
	{
		const BatchActor *actor = &batch->actors[i];
		Suspicion suspicion = dgen_suspicion_of(actor->type->id, actor->mailbox);

		/* It has been alone from the start. */
		if (dgen_is_of_actions(actor->type->id))
		{
			if (blame != 0)
				charge(actor, blame);
			continue;
		}
		if (suspicion.level == SUSPICION_ALONE && is_alone(batch) && blame != 0)
			charge(actor, blame);
		if (suspicion.level == SUSPICION_NONE)
			suspicion.messages = 0;
		if (suspicion.level != SUSPICION_ALONE)
			suspicion.level++;
		suspicion.messages = Max(suspicion.messages, actor->nmessages);
		dgen_set_suspicion(actor->type->id, actor->mailbox, suspicion);
	}
}

/* No type has such an id: what is known of the message's part, and not of a mailbox. */
static int32
type_of_part(const Charge *part)
{
	return -part->type_id;
}

static void
suspect_part(const Charge *part)
{
	Suspicion suspicion = dgen_suspicion_of(type_of_part(part), part->message_id);

	if (suspicion.level == SUSPICION_ALONE)
		dgen_charge(part);
	else
		suspicion.level++;
	suspicion.messages = 1;
	dgen_set_suspicion(type_of_part(part), part->message_id, suspicion);
}

/* Its handler has returned. */
void
dgen_absolve_part(const Charge *part)
{
	if (dgen_suspicion_of(type_of_part(part), part->message_id).level != SUSPICION_NONE)
		dgen_set_suspicion(type_of_part(part), part->message_id, (Suspicion){SUSPICION_NONE, 0});
}

/* The session that ends still holds its locks. */
void
dgen_suspect_turn(const Charge *turn)
{
	Charge ended;
	Suspicion suspicion;

	if (turn == NULL || dgen_database == NULL)
		return;
	ended = *turn;
	ended.sqlstate = DGEN_ERR_SESSION_ENDED;
	if (ended.fence != 0)
	{
		suspect_part(&ended);
		return;
	}
	suspicion = dgen_suspicion_of(ended.type_id, ended.mailbox);
	if (suspicion.level == SUSPICION_ALONE || dgen_is_of_actions(ended.type_id))
		dgen_charge(&ended);
	if (dgen_is_of_actions(ended.type_id))
		return;
	if (suspicion.level != SUSPICION_ALONE)
		suspicion.level++;
	suspicion.messages = Max(suspicion.messages, 1);
	dgen_set_suspicion(ended.type_id, ended.mailbox, suspicion);
}

void
dgen_absolve(const BatchActor *actor, int turns)
{
	Suspicion suspicion = dgen_suspicion_of(actor->type->id, actor->mailbox);

	if (suspicion.level == SUSPICION_NONE || turns == 0)
		return;
	suspicion.messages -= turns;
	if (suspicion.messages <= 0)
		suspicion = (Suspicion){SUSPICION_NONE, 0};
	dgen_set_suspicion(actor->type->id, actor->mailbox, suspicion);
}

void
dgen_limit_suspects(SuspicionLevel level, BatchLimits *limits)
{
	if (level == SUSPICION_NONE)
		return;
	limits->messages = Min(limits->messages, level == SUSPICION_FEW ? FEW : 1);
	limits->actors = Min(limits->actors, limits->messages);
}
