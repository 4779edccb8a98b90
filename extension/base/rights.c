/*
 * Calls functions that run with dgen's own privileges. Checks use the role that was current in the
 * caller, which a SECURITY DEFINER function cannot see after SET ROLE.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/base.h"
#include "base/rights.h"
#include "version/version.h"

PG_FUNCTION_INFO_V1(dgen_operate);

/* Belongs to a call site, in fn_extra. */
typedef struct Operation
{
	FmgrInfo function; /* the private one */
	Oid owner;         /* whose privileges it runs with */
	bool returns_void; /* SQL functions return NULL then */
	bool writes;
} Operation;

static Oid calling_role = InvalidOid;

Oid
dgen_calling_role(void)
{
	return OidIsValid(calling_role) ? calling_role : GetUserId();
}

Oid
dgen_set_calling_role(Oid role)
{
	Oid outer = calling_role;

	calling_role = role;
	return outer;
}

/* Searches by schema, name and types; uses no search_path. */
static Oid
find_private(Form_pg_proc public, bool with_text)
{
	Oid types[FUNC_MAX_ARGS];
	int ntypes = public->pronargs;
	char *name = psprintf("_%s", NameStr(public->proname));
	Oid found;

	memcpy(types, public->proargtypes.values, ntypes * sizeof(Oid));
	if (with_text)
		types[ntypes++] = TEXTOID;
	found = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
							PointerGetDatum(buildoidvector(types, ntypes)),
							ObjectIdGetDatum(public->pronamespace));
	if (!OidIsValid(found))
		elog(ERROR, "dgen has no function %s for %s", name, NameStr(public->proname));
	return found;
}

static Operation *
get_operation(FmgrInfo *call, bool with_text)
{
	Operation *operation = call->fn_extra;
	HeapTuple tuple;
	Form_pg_proc public;

	if (operation != NULL)
		return operation;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->fn_oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", call->fn_oid);
	public = (Form_pg_proc) GETSTRUCT(tuple);
	operation = MemoryContextAllocZero(call->fn_mcxt, sizeof(Operation));
	operation->owner = public->proowner;
	operation->returns_void = public->prorettype == VOIDOID;
	operation->writes = public->provolatile == PROVOLATILE_VOLATILE;
	fmgr_info_cxt(find_private(public, with_text), &operation->function, call->fn_mcxt);
	ReleaseSysCache(tuple);
	call->fn_extra = operation;
	return operation;
}

/*
 * Called in PG_CATCH. An error with a hint is complete; the place in dgen's functions where it was raised
 * would only distract. Context of the caller's own functions stays.
 */
DGEN_NORETURN static void
rethrow_without_context(MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->hint == NULL)
		PG_RE_THROW();
	FlushErrorState();
	error->context = GetErrorContextStack();
	if (error->context != NULL && error->context[0] == '\0')
		error->context = NULL;
	ReThrowError(error);
}

/* Restores role and privileges, also after an error. */
static Datum
invoke(const Operation *operation, FunctionCallInfo call)
{
	MemoryContext context = CurrentMemoryContext;
	Oid outer_role = calling_role;
	Oid user;
	int security_context;
	volatile Datum result = (Datum) 0;

	GetUserIdAndSecContext(&user, &security_context);
	PG_TRY();
	{
		calling_role = user;
		SetUserIdAndSecContext(operation->owner, security_context | SECURITY_LOCAL_USERID_CHANGE);
		result = FunctionCallInvoke(call);
	}
	PG_CATCH();
	{
		SetUserIdAndSecContext(user, security_context);
		calling_role = outer_role;
		rethrow_without_context(context);
	}
	PG_END_TRY();
	SetUserIdAndSecContext(user, security_context);
	calling_role = outer_role;
	return result;
}

Datum
dgen_call_private(FunctionCallInfo fcinfo, NullableDatum *args, int nargs, bool with_text)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	Operation *operation = get_operation(fcinfo->flinfo, with_text);
	Datum result;

	if (operation->writes)
		dgen_refuse_read_only(fcinfo);

	/* The caller's collation would conflict with those of the columns in comparisons. */
	InitFunctionCallInfoData(*call, &operation->function, nargs, DEFAULT_COLLATION_OID, NULL, NULL);
	memcpy(call->args, args, nargs * sizeof(NullableDatum));
	result = invoke(operation, call);
	if (operation->returns_void)
		PG_RETURN_VOID();
	fcinfo->isnull = call->isnull;
	return result;
}

Datum
dgen_operate(PG_FUNCTION_ARGS)
{
	return dgen_call_private(fcinfo, fcinfo->args, fcinfo->nargs, false);
}
