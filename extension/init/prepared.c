/*
 * COMMIT PREPARED and ROLLBACK PREPARED. The session that noted the changes might be gone when the
 * prepared transaction ends, and then wakes no worker (H10). So the session that ends it does all
 * that a commit does for others, for every kind of change, if it has loaded dgen's library.
 * Otherwise the safety-net check finds the changes.
 *
 *     sent, moved, left in its mailbox,     requests sweeps and checks, and wakes all workers
 *     locked, an actor or slot released
 *     due at a time                         the alarm rings, and finds out when
 *     a reply, or another end of a request  all sessions that wait for a reply check
 *     the end of an attempt, from outside   its session is ended, with COMMIT PREPARED
 *     types, the extension                  workers read their orders, missing ones are started
 *
 * Attempts are noted in shared memory: when it is lost, their sessions are gone, too. The last row
 * is not for every prepared transaction, because it would start a process each time. The commit
 * sends invalidations to all sessions, also to this one; they announce which change there was.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "init/init.h"
#include "roster/register.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "wake/alarm.h"
#include "wake/announce.h"
#include "wake/call.h"
#include "wake/hints.h"
#include "wake/locked_look.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;

static Oid types = InvalidOid; /* dgen.actor_type, if there is one */
static bool types_changed = false;

/* NULL: the statement is none of a transaction. */
static const TransactionStmt *
of_transaction(const Node *statement)
{
	return IsA(statement, TransactionStmt) ? (const TransactionStmt *) statement : NULL;
}

static bool
ends_prepared(const TransactionStmt *statement)
{
	return statement != NULL && (statement->kind == TRANS_STMT_COMMIT_PREPARED ||
								 statement->kind == TRANS_STMT_ROLLBACK_PREPARED);
}

/* Identifiers are unique in the server. */
static uint64
hash_of(const TransactionStmt *statement)
{
	return hash_bytes_extended((const unsigned char *) statement->gid, strlen(statement->gid), 0);
}

/* No session waits for work in a database without an entry. */
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

/* ---- attempts that it ends ---- */

static void
end_holders(const TransactionStmt *statement)
{
	int64 fence;

	while ((fence = dgen_prepared_end_take(hash_of(statement))) != 0)
		if (statement->kind == TRANS_STMT_COMMIT_PREPARED)
			dgen_part_end_holder(fence);
}

/* A session without the library might have ended a transaction of the same name. */
static void
begin_preparing(const TransactionStmt *statement)
{
	const uint64 transaction = hash_of(statement);

	dgen_preparing(transaction);
	while (is_in_use() && dgen_prepared_end_take(transaction) != 0)
		;
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

/* Before the commit: a lookup then can still raise an error. */
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

/* It might also have created the extension, or dropped it. */
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
tell_of_end(const TransactionStmt *statement)
{
	end_holders(statement);
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
	const TransactionStmt *statement = of_transaction(planned->utilityStmt);
	bool ends = ends_prepared(statement);

	if (statement != NULL && statement->kind == TRANS_STMT_PREPARE)
		begin_preparing(statement);
	if (ends && is_in_use())
		watch_types();
	previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
						  receiver, completion);
	if (ends && is_in_use())
		tell_of_end(statement);
}

void
dgen_prepared_init(void)
{
	previous_utility_hook =
		ProcessUtility_hook != NULL ? ProcessUtility_hook : standard_ProcessUtility;
	ProcessUtility_hook = on_utility;
}
