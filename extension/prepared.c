/*
 * COMMIT PREPARED and ROLLBACK PREPARED. What they make visible, or let go of, was noted by a
 * session that may be gone, so nobody calls for it when they end (H10). The session that
 * ends a prepared transaction does all that a commit does for others, for whatever it may have
 * been, if it has dgen's library; else the safety-net look finds it.
 *
 *     sent, moved, left in its mailbox,   sweeps and looks are asked for, everybody is called
 *     locked, an actor or slot let go of
 *     due at a time                       the alarm rings, and finds out when
 *     a reply, or another end of a request everybody who waits for one looks
 *     types, the extension                workers read their orders, missing ones are started
 *
 * Only the last is not for each of them: it would be a process each time. What was changed is told
 * by the invalidations that the commit sends to all sessions, this one, too.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "dgen_ext.h"
#include "leftovers.h"
#include "shared.h"
#include "workers.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;

static Oid types = InvalidOid; /* dgen.actor_type, if there is one */
static bool types_changed = false;

static bool
ends_prepared(const Node *statement)
{
	TransactionStmtKind kind;

	if (!IsA(statement, TransactionStmt))
		return false;
	kind = ((const TransactionStmt *) statement)->kind;
	return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
}

/* Nobody waits for work in a database without an entry. */
static bool
is_in_use(void)
{
	bool found;

	if (dgen_database != NULL)
		return true;
	if (dgen_shared == NULL || !OidIsValid(MyDatabaseId))
		return false;
	LWLockAcquire(&dgen_shared->lock, LW_SHARED);
	found = dgen_database_entry(MyDatabaseId, false) != NULL;
	LWLockRelease(&dgen_shared->lock);
	return found && dgen_shared_attach();
}

/* ---- types and the extension ---- */

static void
relation_changed(Datum arg, Oid relation)
{
	types_changed |= !OidIsValid(relation) || relation == types;
}

static Oid
table_of_types(void)
{
	Oid schema = get_namespace_oid("dgen", true);

	return OidIsValid(schema) ? get_relname_relid("actor_type", schema) : InvalidOid;
}

/* Before the commit: what it has to look up then may be an error yet. */
static void
watch_types(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	registered = true;
	types = table_of_types();
	types_changed = false;
}

/* It may also have created the extension, or dropped it. */
static bool
have_types_changed(void)
{
	AcceptInvalidationMessages();
	return types_changed || table_of_types() != types;
}

static void
tell_workers(void)
{
	dgen_order_workers(dgen_database);
	dgen_poke_launcher();
	if (dgen_database->desired > 0)
		dgen_want_starter(dgen_database);
}

/* ---- the hook ---- */

/* Its locks are free already. */
static void
tell_of_end(void)
{
	dgen_hints_ask_all();
	dgen_announce_all();
	dgen_tell_dues(PG_UINT64_MAX);
	dgen_alarm_merge(GetCurrentTimestamp());
	dgen_call_all_replies();
	if (have_types_changed())
		tell_workers();
	dgen_complete_workers();
}

static void
on_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment *environment,
		   DestReceiver *receiver, QueryCompletion *completion)
{
	bool ends = ends_prepared(planned->utilityStmt);

	if (ends && is_in_use())
		watch_types();
	previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
						  receiver, completion);
	if (ends && is_in_use())
		tell_of_end();
}

void
dgen_prepared_init(void)
{
	previous_utility_hook =
		ProcessUtility_hook != NULL ? ProcessUtility_hook : standard_ProcessUtility;
	ProcessUtility_hook = on_utility;
}
