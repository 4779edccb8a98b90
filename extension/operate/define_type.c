/*
 * Creating and altering actor types: the steps that must run as the caller, before PL/pgSQL
 * continues with dgen's privileges. A handler is looked up on the caller's search_path, and the
 * handler's own search_path is taken from it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/errors.h"
#include "base/rights.h"
#include "turn/check_handler.h"

PG_FUNCTION_INFO_V1(dgen_create_actor_type);
PG_FUNCTION_INFO_V1(dgen_alter_actor_type);
PG_FUNCTION_INFO_V1(dgen_check_type_handler);

#define HANDLER_ARGUMENT 1 /* of both */

#define MAX_ARGUMENTS 32

static List *
parse_name(const char *handler)
{
	List *identifiers;
	List *names = NIL;
	ListCell *cell;

	/* SplitIdentifierString lets parentheses pass. */
	if (!SplitIdentifierString(pstrdup(handler), '.', &identifiers) ||
		list_length(identifiers) > 2 ||
		(strchr(handler, '(') != NULL && strchr(handler, '"') == NULL))
		ereport(
			ERROR,
			(errcode(DGEN_ERR_INVALID_HANDLER), errmsg("invalid function name: \"%s\"", handler),
			 errhint(
				 "Give the name without arguments, such as 'my_handler' or 'app.my_handler'.")));
	foreach (cell, identifiers)
		names = lappend(names, makeString(lfirst(cell)));
	return names;
}

static Oid
look_up(const char *handler)
{
	List *names = parse_name(handler);
	Oid found = dgen_find_handler(names);
	char *others;
	bool in_the_way;

	if (OidIsValid(found))
		return found;
	others = dgen_other_functions(names, &in_the_way);
	ereport(ERROR,
			(errcode(DGEN_ERR_INVALID_HANDLER),
			 errmsg("handler %s" HANDLER_SIGNATURE " does not exist", handler),
			 others != NULL ? errdetail("There is %s.", others) : 0,
			 in_the_way ? errhint(HANDLER_DROP_PROCEDURE HANDLER_DECLARATION ".", handler)
						: errhint("Create it first: " HANDLER_DECLARATION "; or name its schema.",
								  handler)));
	return InvalidOid;
}

/* The handler's qualified name; NULL stays NULL, and empty empty. */
static NullableDatum
resolve_handler(NullableDatum argument)
{
	char *handler;
	HeapTuple tuple;
	Form_pg_proc function;

	if (argument.isnull)
		return argument;
	handler = text_to_cstring(DatumGetTextPP(argument.value));
	if (handler[0] == '\0')
		return argument;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(look_up(handler)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for handler \"%s\"", handler);
	function = (Form_pg_proc) GETSTRUCT(tuple);
	if (isAnyTempNamespace(function->pronamespace))
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_HANDLER),
						errmsg("handler %s is a temporary function", handler),
						errhint("Create the function in a schema that other sessions can see.")));
	argument.value = CStringGetTextDatum(quote_qualified_identifier(
		get_namespace_name(function->pronamespace), NameStr(function->proname)));
	ReleaseSysCache(tuple);
	return argument;
}

/*
 * The temporary schema comes first unless it is named, and where it is named: then the role that
 * calls the actor inline could put a temporary table, with triggers, in the place of one that the
 * handler means. So it goes to the end.
 */
static Datum
search_path_of_caller(void)
{
	StringInfoData path;
	List *schemas;
	ListCell *cell;

	initStringInfo(&path);
	if (!SplitIdentifierString(pstrdup(namespace_search_path), ',', &schemas))
		schemas = NIL;
	foreach (cell, schemas)
		if (strncmp(lfirst(cell), "pg_temp", strlen("pg_temp")) != 0)
			appendStringInfo(&path, "%s, ", quote_identifier(lfirst(cell)));
	appendStringInfoString(&path, "pg_temp");
	return PointerGetDatum(cstring_to_text_with_len(path.data, path.len));
}

static Datum
define_type(FunctionCallInfo fcinfo)
{
	NullableDatum args[MAX_ARGUMENTS];
	int nargs = fcinfo->nargs;

	Assert(nargs < MAX_ARGUMENTS);
	memcpy(args, fcinfo->args, nargs * sizeof(NullableDatum));
	args[HANDLER_ARGUMENT] = resolve_handler(args[HANDLER_ARGUMENT]);
	args[nargs].value = search_path_of_caller();
	args[nargs].isnull = false;
	return dgen_call_private(fcinfo, args, nargs + 1, true);
}

Datum
dgen_create_actor_type(PG_FUNCTION_ARGS)
{
	return define_type(fcinfo);
}

Datum
dgen_alter_actor_type(PG_FUNCTION_ARGS)
{
	return define_type(fcinfo);
}

/* For the private functions: they know which role will own the type. */
Datum
dgen_check_type_handler(PG_FUNCTION_ARGS)
{
	char *handler = text_to_cstring(PG_GETARG_TEXT_PP(0));

	dgen_check_handler(handler, dgen_resolve_handler(handler), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}
