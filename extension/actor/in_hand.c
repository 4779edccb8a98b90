/*
 * What this session works on: the attached worker, the batch that its client has claimed, the batch and
 * the turn that run here. Code that sets one of them clears it again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/role.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "table/table.h"
#include "version/process.h"

/* ---- the worker that has attached ---- */

static WorkerSession *worker = NULL; /* id 0: detached */

bool
dgen_is_attached(void)
{
	return worker != NULL && worker->id != 0;
}

WorkerSession *
dgen_worker_session(void)
{
	if (!dgen_is_attached())
		ereport(ERROR,
				(errcode(DGEN_ERR_NOT_ATTACHED), errmsg("session is not attached as a worker"),
				 errhint("Call dgen.attach first, and again after each reconnect.")));
	return worker;
}

void
dgen_set_worker_session(WorkerSession *session)
{
	worker = session;
}

bool
dgen_session_serves(const WorkerSession *session, const ActorType *type)
{
	return !session->in_database || (type->owner == session->role && type->handler != NULL);
}

/* ---- the batch that its client has claimed ---- */

/* Valid in the transaction that claimed it. */
static Batch *claimed = NULL;
static LocalTransactionId claimed_lxid = InvalidLocalTransactionId;
static Oid claimer = InvalidOid;      /* the role that claimed it */
static Oid claimed_from = InvalidOid; /* dgen.message */

void
dgen_set_claimed_batch(Batch *batch)
{
	claimed = batch;
	if (batch == NULL)
		return;
	claimed_lxid = DGEN_MY_LXID;
	claimer = GetUserId();
	claimed_from = dgen_this_extension();
}

Batch *
dgen_claimed_batch(void)
{
	return claimed_lxid == DGEN_MY_LXID ? claimed : NULL;
}

Batch *
dgen_batch_to_end(void)
{
	return claimed;
}

void
dgen_check_claimer(void)
{
	if (dgen_claimed_batch() == NULL)
		return;
	/* Only this transaction itself can have dropped the extension, because it has a lock. */
	if (claimed_from != dgen_this_extension())
		ereport(ERROR, (errcode(DGEN_ERR_NOT_OWNED),
						errmsg("extension dgen was dropped after the batch was claimed"),
						errhint("Roll back.")));
	if (has_privs_of_role(GetUserId(), claimer))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("role \"%s\" cannot use the batch that role \"%s\" has claimed",
						   dgen_role_name(GetUserId()), dgen_role_name(claimer)),
					errhint("Return to that role with SET ROLE.")));
}

void
dgen_refuse_in_batch(const char *what, const char *hint)
{
	if (dgen_claimed_batch() != NULL)
		ereport(ERROR,
				(errcode(DGEN_ERR_NESTED),
				 errmsg("%s cannot be used while a batch is claimed in the transaction", what),
				 errhint("%s", hint)));
}

/* ---- the batch that runs here, and the turn ---- */

static const Batch *running_batch = NULL;
static const BatchActor *running_actor = NULL;

void
dgen_set_running_batch(const Batch *batch)
{
	running_batch = batch;
}

const Batch *
dgen_running_batch(void)
{
	return running_batch;
}

void
dgen_set_current_actor(const BatchActor *actor)
{
	running_actor = actor;
}

const BatchActor *
dgen_current_actor(void)
{
	return running_actor;
}

bool
dgen_in_handler(void)
{
	return running_actor != NULL;
}

void
dgen_refuse_in_handler(const char *what, const char *hint)
{
	if (running_actor != NULL)
		ereport(ERROR, (errcode(DGEN_ERR_NESTED),
						errmsg("%s cannot be used inside a handler", what), errhint("%s", hint)));
}

/* ---- is an actor in use here? ---- */

bool
dgen_batch_has(const Batch *batch, int32 type_id, int64 mailbox)
{
	if (batch == NULL)
		return false;
	for (int i = 0; i < batch->nactors; i++)
		if (batch->actors[i].mailbox == mailbox && batch->actors[i].type->id == type_id)
			return true;
	return false;
}

/* Does a batch or a turn of this session work on a copy of the actor's state and mailbox? */
bool
dgen_is_in_turn(int32 type_id, int64 mailbox)
{
	return (running_actor != NULL && running_actor->type->id == type_id &&
			running_actor->mailbox == mailbox) ||
		   dgen_batch_has(dgen_claimed_batch(), type_id, mailbox) ||
		   dgen_batch_has(running_batch, type_id, mailbox);
}

bool
dgen_is_in_action(int32 type_id, const text *key)
{
	const Size length = VARSIZE_ANY_EXHDR(key);

	return running_actor != NULL && running_actor->type->id == -type_id &&
		   length == VARSIZE_ANY_EXHDR(running_actor->key) &&
		   memcmp(VARDATA_ANY(key), VARDATA_ANY(running_actor->key), length) == 0;
}

/* ---- what claims and turns need ---- */

void
dgen_refuse_isolation(const char *what)
{
	if (IsolationUsesXactSnapshot())
		ereport(
			ERROR,
			(errcode(DGEN_ERR_ISOLATION), errmsg("%s needs a READ COMMITTED transaction", what),
			 errdetail(
				 "In other isolation levels dgen would read a state that is older than its ownership of the actor."),
			 errhint("Begin the transaction with ISOLATION LEVEL READ COMMITTED.")));
}

void
dgen_refuse_turn(const ActorType *type)
{
	ereport(ERROR,
			(errcode(DGEN_ERR_TYPE_CHANGED),
			 errmsg("owner, name or handler of actor type \"%s\" changed during the transaction",
					type->name),
			 errhint("Run the transaction again. Workers do so by themselves.")));
}

/*
 * A batch uses the definition of the type with which it began. If functions have changed, the type might
 * have changed in the same transaction. A new owner must not look like an unsuitable handler, nor a new
 * name like a type that does not exist.
 */
void
dgen_refuse_old_definition(const ActorType *type)
{
	const ActorType *now = dgen_type_by_id(type->id, true);

	if (now != NULL && now->owner == type->owner && now->handler != NULL &&
		strcmp(now->name, type->name) == 0 && strcmp(now->handler, type->handler) == 0 &&
		strcmp(now->search_path, type->search_path) == 0)
		return;
	dgen_refuse_turn(type);
}
