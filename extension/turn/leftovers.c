/*
 * Leftovers of a turn in its session. They would affect another turn, another role, or the
 * transaction's end, where no timeout applies and no attempt is counted.
 *
 *     settings           undone with the GUC nest level of the turn (turn.c)
 *     deferred triggers  fired at the turn's end (deferred.c)
 *     advisory locks     session_locks.c
 *     statements         PREPARE and similar ones are refused immediately: they would change what is
 *                        the session's, and cannot be distinguished from it later
 *     cursors            closed; a cursor WITH HOLD is an error
 *     large objects      closed
 *     temporary objects  an error
 *
 * A turn that leaves nothing costs a check of some flags and of the list of cursors.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_namespace.h"
#include "libpq/be-fsstubs.h"
#include "nodes/memnodes.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "actor/actor_type.h"
#include "base/errors.h"
#include "turn/deferred.h"
#include "turn/leftovers.h"
#include "turn/noted.h"
#include "turn/session_locks.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;

/* Of the turn that runs; there is one at a time. */
static bool in_turn = false;
static bool apart;          /* in a subtransaction of its own */
static bool inline_turn;    /* of dgen.call */
static int accessed_temp;   /* XACT_FLAGS_ACCESSEDTEMPNAMESPACE, if it was set before the turn */
static CommandId first_cid; /* what the turn makes has this one or a later one */

void
dgen_refuse_leftover(const ActorType *type, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(DGEN_ERR_LEFT_BEHIND), errmsg("handler %s left %s", type->handler, what),
			 errdetail("Other turns in the session would use whatever a turn leaves behind."),
			 errhint("%s", hint)));
}

/* ---- statements ---- */

typedef struct Refused
{
	NodeTag tag;
	const char *name;
	const char *hint;
} Refused;

static const Refused refused[] = {
	{T_PrepareStmt, "PREPARE", "Run the statement without PREPARE. PL/pgSQL keeps its plan."},
	{T_DeallocateStmt, "DEALLOCATE",
	 "Leave the statement out. Prepared statements belong to the session."},
	{T_ListenStmt, "LISTEN", "Listen in a session of your own. NOTIFY works in handlers."},
	{T_UnlistenStmt, "UNLISTEN", "Listen in a session of your own. NOTIFY works in handlers."},
	{T_LoadStmt, "LOAD", "Put the library into session_preload_libraries."},
	{T_DiscardStmt, "DISCARD",
	 "Leave the statement out. The end of a turn undoes what the turn has set."},
};

static void
check_statement(const Node *statement)
{
	for (int i = 0; i < lengthof(refused); i++)
		if (nodeTag(statement) == refused[i].tag)
			ereport(ERROR, (errcode(DGEN_ERR_LEFT_BEHIND),
							errmsg("%s cannot be used inside a handler", refused[i].name),
							errhint("%s", refused[i].hint)));
}

static void
on_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment *environment,
		   DestReceiver *receiver, QueryCompletion *completion)
{
	const Node *statement = planned->utilityStmt;

	if (in_turn)
	{
		check_statement(statement);
		if (IsA(statement, ConstraintsSetStmt) &&
			!dgen_deferred_set((const ConstraintsSetStmt *) statement))
			return;
	}
	previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
						  receiver, completion);
}

void
dgen_leftovers_init(void)
{
	previous_utility_hook =
		ProcessUtility_hook != NULL ? ProcessUtility_hook : standard_ProcessUtility;
	ProcessUtility_hook = on_utility;
}

/* ---- cursors ---- */

/* Each open cursor has a child of this. */
static MemoryContext
cursors_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = TopMemoryContext->firstchild;
	while (context != NULL && strcmp(context->name, "TopPortalContext") != 0)
		context = context->nextchild;
	return context;
}

/* NULL: it is no cursor's, or that of a query that is running. */
static Portal
cursor_of(MemoryContext context)
{
	Portal portal;

	if (strcmp(context->name, "PortalContext") != 0 || context->ident == NULL)
		return NULL;
	portal = GetPortalByName(context->ident);
	if (portal == NULL || portal->portalContext != context || portal->portalPinned ||
		portal->status == PORTAL_ACTIVE)
		return NULL;
	return portal;
}

static bool
has_cursors(void)
{
	MemoryContext context = cursors_context()->firstchild;

	while (context != NULL && cursor_of(context) == NULL)
		context = context->nextchild;
	return context != NULL;
}

/* Apart, the turn's own are those of its subtransaction; else there was none before it. */
static bool
is_turns(Portal portal)
{
	return !apart || portal->createSubid == GetCurrentSubTransactionId();
}

static void
close_cursors(const ActorType *type)
{
	MemoryContext next;

	for (MemoryContext context = cursors_context()->firstchild; context != NULL; context = next)
	{
		Portal portal = cursor_of(context);

		next = context->nextchild;
		if (portal == NULL || !is_turns(portal))
			continue;
		if ((portal->cursorOptions & CURSOR_OPT_HOLD) != 0)
			dgen_refuse_leftover(type, psprintf("cursor \"%s\" WITH HOLD", portal->name),
								 "Close it at the end of the handler.");
		PortalDrop(portal, false);
		next = cursors_context()->firstchild;
	}
}

/* ---- temporary objects ---- */

static bool
is_made_by_turn(HeapTuple tuple)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) &&
		   HeapTupleHeaderGetCmin(tuple->t_data) >= first_cid;
}

/* Whatever is in the session's temporary schema depends on that. */
static bool
find_temporary(ObjectAddress *object)
{
	Oid schema;
	Oid toast;
	Relation relation;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;

	GetTempNamespaceState(&schema, &toast);
	if (!OidIsValid(schema))
		return false;
	CommandCounterIncrement();
	relation = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(schema));
	scan = systable_beginscan(relation, DependReferenceIndexId, true, NULL, lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (is_made_by_turn(tuple))
			break;
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_depend depend = (Form_pg_depend) GETSTRUCT(tuple);

		ObjectAddressSubSet(*object, depend->classid, depend->objid, depend->objsubid);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

static void
check_temporary(const ActorType *type)
{
	ObjectAddress object;

	if (find_temporary(&object))
		dgen_refuse_leftover(type, psprintf("temporary %s", getObjectDescription(&object, false)),
							 "Drop it at the end of the handler.");
}

/* ---- the turn ---- */

bool
dgen_needs_subtransaction(void)
{
	return dgen_may_defer() || has_cursors() || dgen_is_noted(NOTED_LARGE_OBJECTS);
}

void
dgen_leftovers_begin(bool inline_call)
{
	inline_turn = inline_call;
	apart = !inline_call || dgen_deferred_is_apart();
	accessed_temp = MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE;
	MyXactFlags &= ~XACT_FLAGS_ACCESSEDTEMPNAMESPACE;
	first_cid = GetCurrentCommandId(false);
	in_turn = true;
}

void
dgen_leftovers_check(const ActorType *type)
{
	if (cursors_context()->firstchild != NULL)
		close_cursors(type);
	AtEOSubXact_LargeObject(false, GetCurrentSubTransactionId(), InvalidSubTransactionId);
	if ((MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0)
		check_temporary(type);
	if (inline_turn)
		dgen_session_locks_check(type);
}

void
dgen_leftovers_end(void)
{
	MyXactFlags |= accessed_temp;
	in_turn = false;
}
