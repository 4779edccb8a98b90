/*
 * Which function is the handler of a type, and is it allowed to be? A type names it, so that a dump
 * and CREATE OR REPLACE keep it. The owner of the function is checked, so that no other role can
 * put a function in its place.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "actor/role.h"
#include "base/errors.h"
#include "turn/check_handler.h"
#include "turn/handler.h"
#include "version/names.h"

static Oid
type_in_dgen(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid("dgen", false)));
}

/* ---- by its name and arguments ---- */

Oid
dgen_find_handler(List *names)
{
	Oid types[] = {type_in_dgen("context"), JSONBOID, JSONBOID};

	return LookupFuncName(names, lengthof(types), types, true);
}

static bool
is_meant(Form_pg_proc function, Oid oid, const char *schema)
{
	if (schema == NULL)
		return FunctionIsVisible(oid);
	return function->pronamespace == get_namespace_oid(schema, true);
}

/* CREATE FUNCTION cannot replace it: its arguments are those of a handler. */
static bool
is_in_the_way(Form_pg_proc function)
{
	const Oid *types = function->proargtypes.values;

	return function->prokind == PROKIND_PROCEDURE && function->pronargs == HANDLER_ARGUMENTS &&
		   types[0] == type_in_dgen("context") && types[1] == JSONBOID && types[2] == JSONBOID;
}

char *
dgen_other_functions(List *names, bool *in_the_way)
{
	char *schema;
	char *name;
	char *others = NULL;
	CatCList *list;

	DeconstructQualifiedName(names, &schema, &name);
	*in_the_way = false;
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (!is_meant(function, function->oid, schema))
			continue;
		*in_the_way |= is_in_the_way(function);
		others = psprintf("%s%s%s %s", others == NULL ? "" : others, others == NULL ? "" : ", ",
						  function->prokind == PROKIND_PROCEDURE ? "procedure" : "function",
						  format_procedure(function->oid));
	}
	ReleaseSysCacheList(list);
	return others;
}

Oid
dgen_resolve_handler(const char *name)
{
	List *names = DGEN_NAME_LIST(name);
	Oid oid = dgen_find_handler(names);
	char *others;
	bool in_the_way;

	if (OidIsValid(oid))
		return oid;
	others = dgen_other_functions(names, &in_the_way);
	ereport(
		ERROR,
		(errcode(DGEN_ERR_INVALID_HANDLER),
		 errmsg("handler %s" HANDLER_SIGNATURE " does not exist", name),
		 others != NULL ? errdetail("There is %s.", others) : 0,
		 in_the_way
			 ? errhint(HANDLER_DROP_PROCEDURE HANDLER_DECLARATION ".", name)
			 : errhint(
				   "If it was renamed or moved, name it with dgen.alter_actor_type. Otherwise create it: " HANDLER_DECLARATION
				   ".",
				   name)));
	return InvalidOid;
}

/* ---- whether it is allowed to be one ---- */

static bool
is_trusted(Oid language)
{
	HeapTuple tuple = SearchSysCache1(LANGOID, ObjectIdGetDatum(language));
	bool trusted;

	if (!HeapTupleIsValid(tuple))
		return false;
	trusted = ((Form_pg_language) GETSTRUCT(tuple))->lanpltrusted;
	ReleaseSysCache(tuple);
	return trusted;
}

/* A number that is no role has the privileges of PUBLIC. */
static void
check_owner_exists(const char *handler, Oid owner)
{
	if (SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		return;
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("owner of the actor type of handler %s was dropped", handler),
					errhint("A superuser can give the type to another role with dgen.set_owner.")));
}

static void
check_form(const char *name, Form_pg_proc function)
{
	if (function->prokind == PROKIND_FUNCTION && !function->proretset &&
		function->prorettype == type_in_dgen("outcome"))
		return;
	ereport(ERROR, (errcode(DGEN_ERR_INVALID_HANDLER), errmsg("function %s is not a handler", name),
					errdetail("A handler must be a plain function that returns one dgen.outcome."),
					errhint("Drop the function, and create it with RETURNS dgen.outcome.")));
}

/*
 * The owner of a function can give it another body, and a role that can drop it can have another
 * role plant one of the same name. Both must be roles that have the privileges of the type's owner
 * anyway: the owner, a member of that role, or a superuser.
 */
static void
check_function_owner(const char *name, Oid function_owner, Oid owner)
{
	if (has_privs_of_role(function_owner, owner))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("handler %s is owned by role \"%s\", but its actor type by role \"%s\"", name,
				dgen_role_name(function_owner), dgen_role_name(owner)),
		 errdetail(
			 "A handler runs with the privileges of the owner of the type. Its function must be owned by that role, by a member of it, or by a superuser."),
		 errhint("Create the handler as that role, or, if you trust the function, run ALTER "
				 "FUNCTION %s" HANDLER_SIGNATURE " OWNER TO %s.",
				 name, quote_identifier(dgen_role_name(owner)))));
}

static void
check_rights(const char *name, Oid oid, Oid language, Oid owner)
{
	if (!superuser_arg(owner) && !is_trusted(language))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("handler %s is written in an untrusted language", name),
			 errhint(
				 "Write the handler in a trusted language such as plpgsql. Only types of superusers can use other languages.")));
	if (DGEN_FUNCTION_ACLCHECK(oid, owner) != ACLCHECK_OK)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for role \"%s\" to execute handler %s",
							   dgen_role_name(owner), name),
						errhint("Grant EXECUTE on the function to the owner of the actor type.")));
}

void
dgen_check_handler(const char *name, Oid oid, Oid owner)
{
	HeapTuple tuple;
	Form_pg_proc function;

	check_owner_exists(name, owner);
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", oid);
	function = (Form_pg_proc) GETSTRUCT(tuple);
	check_form(name, function);
	check_function_owner(name, function->proowner, owner);
	check_rights(name, oid, function->prolang, owner);
	ReleaseSysCache(tuple);
}
