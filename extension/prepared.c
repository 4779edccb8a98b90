/*
 * COMMIT PREPARED and ROLLBACK PREPARED. What they make visible, or let go of, was noted by a
 * session that may be gone, so nobody calls for it when they end (H10). The session that
 * ends a prepared transaction asks for a look, if it has dgen's library; else the safety-net look
 * finds it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/utility.h"

#include "dgen_ext.h"
#include "leftovers.h"
#include "shared.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;

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

/* Its locks are free already. */
static void
on_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment *environment,
		   DestReceiver *receiver, QueryCompletion *completion)
{
	bool ends = ends_prepared(planned->utilityStmt);

	previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
						  receiver, completion);
	if (!ends || !is_in_use())
		return;
	dgen_hints_ask_all();
	dgen_announce_all();
	dgen_alarm_merge(GetCurrentTimestamp());
}

void
dgen_prepared_init(void)
{
	previous_utility_hook =
		ProcessUtility_hook != NULL ? ProcessUtility_hook : standard_ProcessUtility;
	ProcessUtility_hook = on_utility;
}
