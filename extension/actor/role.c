/*
 * The roles that dgen's rows name: owners and grantees of actor types.
 *
 * Rows contain the OIDs of roles. If such a role could be dropped, a restored dump might name another
 * role with its OID. So a role that a row names cannot be dropped: dgen adds dependencies to pg_shdepend,
 * as if the role had privileges on the column that names it. DROP OWNED reaches dgen's rows through an
 * event trigger.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "actor/role.h"
#include "base/rights.h"
#include "table/columns.h"
#include "table/installed.h"
#include "table/table.h"
#include "version/names.h"

PG_FUNCTION_INFO_V1(dgen_check_new_owner);
PG_FUNCTION_INFO_V1(dgen_depend_on_role);
PG_FUNCTION_INFO_V1(dgen_owned_command);

const char *
dgen_role_name(Oid role)
{
	char *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}

/* ---- which roles can become owners ---- */

/* The same roles to which PostgreSQL lets the caller give its own objects. */
Datum
dgen_check_new_owner(PG_FUNCTION_ARGS)
{
	Oid owner = PG_GETARG_OID(0);
	Oid role = dgen_calling_role();

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("role \"%s\" does not exist",
							   OidIsValid(owner) ? dgen_role_name(owner) : "-"),
						errhint("Name an existing role. PUBLIC cannot own an actor type.")));
	if (!superuser_arg(role) && !DGEN_CAN_SET_ROLE(role, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for role \"%s\" to give actor types to role \"%s\"",
						dgen_role_name(role), dgen_role_name(owner)),
				 errhint("Ask a superuser, or a role that can SET ROLE to the new owner.")));
	PG_RETURN_VOID();
}

/* ---- dependencies ---- */

static Oid *
list_of_one(Oid role)
{
	Oid *list = palloc(sizeof(Oid)); /* freed by the caller */

	*list = role;
	return list;
}

/*
 * Uses the number of the column, which no GRANT or REVOKE on the table touches. So only this function
 * removes the dependency.
 */
static void
set_dependency(DgenTable table, int column, Oid role, bool depends)
{
	Oid oid = dgen_table_oid(table);

	updateAclDependencies(RelationRelationId, oid, column + 1, InvalidOid, 1, list_of_one(role), 0,
						  NULL);
	if (depends)
		updateAclDependencies(RelationRelationId, oid, column + 1, InvalidOid, 0, NULL, 1,
							  list_of_one(role));
}

/* The caller has locked dgen.privilege, so that no other session does this for the role. */
Datum
dgen_depend_on_role(PG_FUNCTION_ARGS)
{
	Oid role = PG_GETARG_OID(0);

	set_dependency(TABLE_ACTOR_TYPE, ACTOR_TYPE_OWNER, role, PG_GETARG_BOOL(1));
	set_dependency(TABLE_PRIVILEGE, PRIVILEGE_ROLE, role, PG_GETARG_BOOL(2));
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* ---- DROP OWNED, DROP ROLE ---- */

/* Calls a private function. The caller has checked the role that runs the command. */
static void
call_as_owner(const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(dgen_table_owner(TABLE_ACTOR_TYPE),
						   context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) < 0)
		elog(ERROR, "%s: %s", sql, SPI_result_code_string(SPI_result));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

/* For a missing role, or one that the caller cannot use, the command itself raises the error. */
static bool
may_dispose_of(RoleSpec *spec, Oid *role)
{
	*role = get_rolespec_oid(spec, true);
	return OidIsValid(*role) && has_privs_of_role(GetUserId(), *role);
}

static void
drop_owned(DropOwnedStmt *statement)
{
	Oid types[] = {REGROLEOID, BOOLOID};
	ListCell *cell;

	foreach (cell, statement->roles)
	{
		Oid role;

		if (may_dispose_of(lfirst(cell), &role))
		{
			Datum values[] = {ObjectIdGetDatum(role),
							  BoolGetDatum(statement->behavior == DROP_CASCADE)};

			call_as_owner("SELECT dgen._drop_owned($1, $2)", lengthof(types), types, values);
		}
	}
}

/* Runs before the command. If the command's own checks fail, this is rolled back. */
Datum
dgen_owned_command(PG_FUNCTION_ARGS)
{
	Node *statement;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("dgen._owned_command must be fired by the event trigger manager"),
						errhint("DROP OWNED calls it.")));
	statement = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (IsA(statement, DropOwnedStmt) && dgen_fits_installed())
		drop_owned((DropOwnedStmt *) statement);
	PG_RETURN_NULL();
}

/* PostgreSQL would also refuse this, but its error would name columns. */
void
dgen_refuse_drop_role(Oid role)
{
	Oid types[] = {REGROLEOID};
	Datum values[] = {ObjectIdGetDatum(role)};

	if (dgen_is_installed() && dgen_fits_installed())
		call_as_owner("SELECT dgen._refuse_drop_role($1)", lengthof(types), types, values);
}
