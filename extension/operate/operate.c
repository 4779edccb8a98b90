/*
 * The C functions that dgen's PL/pgSQL functions call: for the calling role and its privileges, for
 * the actor's lock, and for the workers that the commit wakes. The PL/pgSQL functions themselves
 * are called through base/rights.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "actor/in_hand.h"
#include "actor/key.h"
#include "actor/role.h"
#include "base/errors.h"
#include "base/rights.h"
#include "own/own.h"
#include "shared/shared.h"
#include "table/table.h"
#include "wake/wake.h"

PG_FUNCTION_INFO_V1(dgen_operate_role);
PG_FUNCTION_INFO_V1(dgen_operate_check);
PG_FUNCTION_INFO_V1(dgen_operate_type_for);
PG_FUNCTION_INFO_V1(dgen_operate_mailbox);
PG_FUNCTION_INFO_V1(dgen_operate_own);
PG_FUNCTION_INFO_V1(dgen_operate_refuse_in_turn);
PG_FUNCTION_INFO_V1(dgen_operate_wake);
PG_FUNCTION_INFO_V1(dgen_operate_wake_everybody);
PG_FUNCTION_INFO_V1(dgen_operate_wake_at);
PG_FUNCTION_INFO_V1(dgen_operate_in_handler);
PG_FUNCTION_INFO_V1(dgen_operate_lock_key);
PG_FUNCTION_INFO_V1(dgen_operate_lock_class);
PG_FUNCTION_INFO_V1(dgen_operate_slot_class);
PG_FUNCTION_INFO_V1(dgen_operate_cursor);
PG_FUNCTION_INFO_V1(dgen_operate_types_changed);

/* ---- the role that asks, and for what ---- */

Datum
dgen_operate_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(dgen_calling_role());
}

static void
check_owner(const ActorType *type, Oid role)
{
	if (has_privs_of_role(role, type->owner))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("must be owner of actor type \"%s\"", type->name),
		 GetUserNameFromId(type->owner, true) != NULL
			 ? errhint("Ask a member of role \"%s\", or a superuser.", dgen_role_name(type->owner))
			 : errhint(
				   "The owner was dropped. A superuser can give the type to another role with dgen.set_owner.")));
}

/* The owner has every privilege; "own" is for what no other role can do. */
static void
check_privilege(const ActorType *type, const char *privilege)
{
	Oid role = dgen_calling_role();

	if (strcmp(privilege, "own") == 0)
		check_owner(type, role);
	else if (strcmp(privilege, "send") == 0)
		dgen_check_privilege(type, role, PRIVILEGE_SEND);
	else if (strcmp(privilege, "read") == 0)
		dgen_check_privilege(type, role, PRIVILEGE_READ);
	else
		dgen_check_privilege(type, role, PRIVILEGE_WORK);
}

Datum
dgen_operate_check(PG_FUNCTION_ARGS)
{
	const ActorType *type = dgen_type_by_id(PG_GETARG_INT32(0), false);
	const char *privilege = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(privilege, "work") == 0)
		dgen_check_work_found(type, dgen_calling_role()); /* that of a dead letter */
	else
		check_privilege(type, privilege);
	PG_RETURN_VOID();
}

/* What nearly every operation begins with. */
Datum
dgen_operate_type_for(PG_FUNCTION_ARGS)
{
	const ActorType *type;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(DGEN_ERR_UNKNOWN_TYPE), errmsg("actor type must not be null"),
						errhint("Give the name of an actor type.")));
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();

	/* With the lock come the invalidations that tell of types made and dropped. */
	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	type = dgen_type_by_name(PG_GETARG_TEXT_PP(0));
	check_privilege(type, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_INT32(type->id);
}

Datum
dgen_operate_mailbox(PG_FUNCTION_ARGS)
{
	text *key;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_KEY), errmsg("actor key must not be null"),
						errhint("Use a key of 1 to %d bytes.", DGEN_MAX_KEY_BYTES)));
	key = PG_GETARG_TEXT_PP(0);
	dgen_check_key(key);
	PG_RETURN_INT64(dgen_mailbox_of(key));
}

/* ---- taking an actor ---- */

static bool
is_of(const BatchActor *actor, int32 type_id)
{
	return dgen_actors_type(actor->type->id) == type_id;
}

static bool
has_type(const Batch *batch, int32 type_id)
{
	for (int i = 0; batch != NULL && i < batch->nactors; i++)
		if (is_of(&batch->actors[i], type_id))
			return true;
	return false;
}

/* The same for all that there is of a type: its actors and their actions. */
static bool
is_type_in_turn(int32 type_id)
{
	const BatchActor *current = dgen_current_actor();

	return (current != NULL && is_of(current, type_id)) ||
		   has_type(dgen_claimed_batch(), type_id) || has_type(dgen_running_batch(), type_id);
}

/*
 * A lock of the tables keeps the turns of other sessions away, and not those of this one: they
 * would write states of a type that is gone.
 */
Datum
dgen_operate_refuse_in_turn(PG_FUNCTION_ARGS)
{
	const ActorType *type = dgen_type_by_id(PG_GETARG_INT32(0), false);

	if (is_type_in_turn(type->id))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NESTED),
			 errmsg("cannot change actor type \"%s\" during a turn of one of its actors",
					type->name),
			 errdetail(
				 "The turn runs in this transaction, and dgen writes its changes when the turn ends."),
			 errhint("Change the type in another transaction, or in a turn of another type.")));
	PG_RETURN_VOID();
}

/*
 * Locks are re-entrant in a session: to have the lock does not tell that no outer turn works on the
 * actor.
 */
Datum
dgen_operate_own(PG_FUNCTION_ARGS)
{
	int32 type_id = PG_GETARG_INT32(0);
	int64 mailbox = PG_GETARG_INT64(1);

	if (IsolationUsesXactSnapshot())
		ereport(
			ERROR,
			(errcode(DGEN_ERR_ISOLATION),
			 errmsg("cannot change an actor in a transaction that is not READ COMMITTED"),
			 errdetail(
				 "The snapshot of the transaction might be older than the last turn of the actor."),
			 errhint("Begin the transaction with ISOLATION LEVEL READ COMMITTED.")));
	if (dgen_is_in_turn(type_id, mailbox))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_NESTED), errmsg("cannot change an actor during its own turn"),
			 errdetail("The turn uses the state and the messages that it began with."),
			 errhint("Change the actor in another transaction, or in a turn of another actor.")));
	dgen_own(type_id, mailbox);
	PG_RETURN_VOID();
}

Datum
dgen_operate_in_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dgen_in_handler());
}

/* For dgen.explain_actor: how the lock shows in pg_locks. */
Datum
dgen_operate_lock_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) dgen_lock_key(PG_GETARG_INT32(0), PG_GETARG_INT64(1)));
}

Datum
dgen_operate_lock_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(DGEN_LOCK_CLASS);
}

Datum
dgen_operate_slot_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(DGEN_SLOT_CLASS);
}

/* ---- telling others, at commit ---- */

Datum
dgen_operate_wake(PG_FUNCTION_ARGS)
{
	dgen_wakeup_somewhere(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

Datum
dgen_operate_wake_everybody(PG_FUNCTION_ARGS)
{
	dgen_wakeup_everywhere();
	PG_RETURN_VOID();
}

Datum
dgen_operate_wake_at(PG_FUNCTION_ARGS)
{
	dgen_wakeup_due(ANY_TYPE, PG_GETARG_TIMESTAMPTZ(0));
	PG_RETURN_VOID();
}

/*
 * Every session caches types and privileges (actor_type.c), and drops the cache when the table of
 * types is invalidated. This trigger does that; it watches the other tables that the cache depends
 * on, too.
 */
Datum
dgen_operate_types_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("dgen._types_changed_trigger must be fired by the trigger manager"),
						errhint("dgen's own tables call it.")));
	dgen_tell_of_change();
	return PointerGetDatum(NULL);
}

/* ---- maintenance ---- */

/*
 * Where this session's scan of the requests continues, which dgen._maintain reads and moves: a walk
 * that always began at the first one would be stuck behind a thousand that are pending.
 */
Datum
dgen_operate_cursor(PG_FUNCTION_ARGS)
{
	static int64 cursor = 0;

	if (!PG_ARGISNULL(0))
		cursor = PG_GETARG_INT64(0);
	PG_RETURN_INT64(cursor);
}
