/*
 * Statements that require that no session is connected to a database: DROP DATABASE, ALTER DATABASE
 * RENAME and SET TABLESPACE, and CREATE DATABASE for its template. If dgen is preloaded, the
 * workers of the database disconnect while such a statement runs.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "roster/register.h"
#include "roster/roster.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/shared.h"
#include "version/names.h"
#include "worker/workers.h"

#define GRACE 1000 /* ms to finish a batch before it is interrupted */

static ProcessUtility_hook_type previous_utility_hook = NULL;

static char *
option_value(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/* Where the statement says DEFAULT, there is no value, as if it said nothing. */
static char *
template_of(CreatedbStmt *statement)
{
	char *name = option_value(statement->options, "template");

	return name != NULL ? name : "template1";
}

/* The database that must have no connections for the statement to succeed; or NULL. */
static char *
vacated_database(Node *statement)
{
	if (IsA(statement, DropdbStmt))
		return ((DropdbStmt *) statement)->dbname;
	if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
		return ((RenameStmt *) statement)->subname;
	if (IsA(statement, AlterDatabaseStmt) &&
		option_value(((AlterDatabaseStmt *) statement)->options, "tablespace"))
		return ((AlterDatabaseStmt *) statement)->dbname;
	if (IsA(statement, CreatedbStmt))
		return template_of((CreatedbStmt *) statement);
	return NULL;
}

static bool
is_template(Oid database)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool is = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return is;
}

static bool
may_create_databases(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool may = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may || superuser_arg(role);
}

/*
 * Otherwise the statement says why not. A template can be copied by a session that is connected to
 * it.
 */
static bool
may_vacate(Oid database, bool copy)
{
	if (!copy)
		return database != MyDatabaseId && DGEN_DATABASE_OWNERCHECK(database, GetUserId());
	return may_create_databases(GetUserId()) &&
		   (is_template(database) || DGEN_DATABASE_OWNERCHECK(database, GetUserId()));
}

/*
 * Disconnects the workers of the database while the statement runs; NULL if there are none.
 * Inlined, its variable would look to the compiler like one that a longjmp can clobber.
 */
static pg_noinline Database *
vacate(const char *name, bool copy)
{
	Oid oid = get_database_oid(name, true);
	Database *database;

	if (!OidIsValid(oid) || !may_vacate(oid, copy))
		return NULL;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	database = dgen_database_entry(oid, false);
	if (database != NULL && database->desired <= 0)
		database = NULL;
	if (database != NULL)
		database->leaving++;
	LWLockRelease(&dgen_shared->lock);
	return database;
}

/* They start again, unless the database is gone or another statement also needs it empty. */
static void
reopen(Database *database, bool dropped)
{
	bool last;

	LWLockAcquire(&dgen_shared->lock, LW_EXCLUSIVE);
	if (dropped)
	{
		database->desired = NO_ORDERS;
		database->launched = 0;
	}
	last = --database->leaving == 0;
	LWLockRelease(&dgen_shared->lock);
	if (last && !dropped)
		dgen_want_starter(database);
}

static void
reopen_after_error(int code, Datum database)
{
	reopen((Database *) DatumGetPointer(database), false);
}

static void
on_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment *environment,
		   DestReceiver *receiver, QueryCompletion *completion)
{
	Node *statement = planned->utilityStmt;
	char *name = dgen_shared != NULL ? vacated_database(statement) : NULL;
	Database *database = name != NULL ? vacate(name, IsA(statement, CreatedbStmt)) : NULL;
	bool drops = IsA(statement, DropdbStmt);

	if (database == NULL)
	{
		previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
							  receiver, completion);
		return;
	}
	/* Also when the session is ended in the middle. */
	PG_ENSURE_ERROR_CLEANUP(reopen_after_error, PointerGetDatum(database));
	{
		(void) dgen_end_surplus(database, GRACE);
		previous_utility_hook(planned, query, read_only_tree, context, parameters, environment,
							  receiver, completion);
	}
	PG_END_ENSURE_ERROR_CLEANUP(reopen_after_error, PointerGetDatum(database));
	reopen(database, drops);
}

void
dgen_vacate_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_utility_hook =
		ProcessUtility_hook != NULL ? ProcessUtility_hook : standard_ProcessUtility;
	ProcessUtility_hook = on_utility;
}
