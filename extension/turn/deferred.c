/*
 * Deferred triggers and constraints, and turns.
 *
 * Up to version 17 the server fires deferred triggers with the privileges of the role that is
 * current when they fire; later versions remember the role that queued them. So the triggers that a
 * turn has deferred are fired at its end, as its owner. In a worker nothing else is ever deferred
 * in its transaction. The caller of dgen.call might also have deferred triggers, which must fire
 * neither as the owner nor before their time:
 *
 *     caller:  INSERT ...          queued: c1 c2
 *     call:    subtransaction      set aside: (c1 c2)
 *     turn:    INSERT ...          queued: (c1 c2) t1
 *              its end             fires t1
 *     call:    end                 queued: c1 c2; the modes are those that the caller has set
 *     caller:  COMMIT              fires c1 c2
 *
 * Both steps use what a rolled back subtransaction does, applied to the queue alone: it discards
 * events that were queued and marks that were set since it began, and restores the modes. Events
 * are set aside by marking them as being fired, as the server does before it takes a snapshot to
 * fire them with; and there is no memory for that snapshot.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/errors.h"
#include "turn/deferred.h"
#include "version/process.h"

/* Less than any snapshot needs. */
#define CHUNK 8

static int scope_level = 0; /* of the subtransaction of dgen.call; 0: there is none */
static bool set_aside = false;
static bool deferred_again = false; /* by a trigger that was fired */
static LocalTransactionId modes_changed_in = InvalidLocalTransactionId;

/* ---- is there anything that can be deferred? ---- */

static bool known = false;
static bool any_deferrable;

static void
constraint_changed(Datum arg, int cache, uint32 hash)
{
	known = false;
}

static bool
find_deferrable(void)
{
	Relation relation = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool found;

	ScanKeyInit(&key, Anum_pg_constraint_condeferrable, BTEqualStrategyNumber, F_BOOLEQ,
				BoolGetDatum(true));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

/* Kept until a constraint is made, altered or dropped: triggers that can be deferred have one. */
bool
dgen_may_defer(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterSyscacheCallback(CONSTROID, constraint_changed, (Datum) 0);
	registered = true;
	if (!known)
	{
		any_deferrable = true; /* if this raises */
		known = true;          /* until something changes, from now on */
		any_deferrable = find_deferrable();
	}
	return any_deferrable;
}

/* ---- setting aside ---- */

static void
set_all(bool deferred)
{
	ConstraintsSetStmt all = {
		.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = deferred};

	AfterTriggerSetState(&all);
}

static MemoryContext
no_room(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context =
			SlabContextCreate(TopMemoryContext, "dgen no room", SLAB_DEFAULT_BLOCK_SIZE, CHUNK);
	return context;
}

/*
 * All constraints become immediate, and what was deferred is marked as being fired, but not
 * fired: the snapshot for it does not fit into the memory of the transaction. Nothing else is
 * allocated there, if modes were set before in this subtransaction, and nothing is held when
 * the error is raised. True if there was anything to be fired.
 */
static bool
mark_pending(void)
{
	MemoryContext transaction = TopTransactionContext;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext room = no_room();
	volatile bool pending = false;

	PG_TRY();
	{
		TopTransactionContext = room;
		set_all(false);
	}
	PG_CATCH();
	{
		TopTransactionContext = transaction;
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_INTERNAL_ERROR)
			PG_RE_THROW();
		FlushErrorState();
		pending = true;
	}
	PG_END_TRY();
	TopTransactionContext = transaction;
	return pending;
}

void
dgen_deferred_begin(void)
{
	scope_level = GetCurrentTransactionNestLevel();
	set_aside = false;

	/* The queue as it is now: between two turns of a call dgen itself might have queued events. */
	AfterTriggerBeginSubXact();

	/* A transaction that has written nothing has deferred nothing. */
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	set_all(true);
	if (!mark_pending())
	{
		AfterTriggerEndSubXact(false);
		return;
	}
	if (mark_pending())
		ereport(
			ERROR,
			(errcode(DGEN_ERR_PENDING),
			 errmsg(
				 "could not keep the deferred triggers of the caller apart from those of the turn"),
			 errhint("Run SET CONSTRAINTS ALL IMMEDIATE before dgen.call, or use "
					 "dgen.request and dgen.await_reply.")));
	set_aside = true;

	/* As declared would be better, but a transaction that has set them cannot restore that. */
	set_all(true);
}

void
dgen_deferred_end(void)
{
	if (scope_level != 0)
		AfterTriggerEndSubXact(false);
	dgen_deferred_forget();
}

void
dgen_deferred_forget(void)
{
	scope_level = 0;
	set_aside = false;
}

bool
dgen_deferred_is_apart(void)
{
	return scope_level != 0;
}

/* ---- firing ---- */

static void
fire_in_query(void)
{
	/* No modes were set: in most databases there are none. */
	if (scope_level == 0 && !dgen_may_defer())
		return;
	do
	{
		CHECK_FOR_INTERRUPTS();
		deferred_again = false;
		set_all(false);
	} while (deferred_again);
}

void
dgen_fire_deferred(bool inline_call)
{
	if (inline_call)
		fire_in_query();
	else
	{
		/*
		 * A worker is outside of any query here. Unlike SET CONSTRAINTS this leaves the constraints
		 * of the next turn deferred.
		 */
		AfterTriggerFireDeferred();
	}
}

/* ---- SET CONSTRAINTS in handlers ---- */

bool
dgen_deferred_set(const ConstraintsSetStmt *statement)
{
	const int level = GetCurrentTransactionNestLevel();

	/* The server saves modes for the innermost subtransaction alone. */
	if (scope_level != 0 && !set_aside && level > scope_level)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_LEFT_BEHIND),
			 errmsg("SET CONSTRAINTS cannot be used in an exception block of a handler that "
					"dgen.call runs"),
			 errdetail("dgen could not give the caller its own constraint modes back."),
			 errhint(
				 "Use it outside of the exception block, or run the turn in a worker with CALL dgen.ask, or dgen.request and dgen.await_reply.")));
	if (statement->deferred)
		deferred_again = true;
	modes_changed_in = DGEN_MY_LXID;
	return statement->constraints != NIL || dgen_may_defer();
}

bool
dgen_modes_changed(void)
{
	return modes_changed_in == DGEN_MY_LXID;
}
