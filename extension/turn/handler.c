/*
 * A SQL handler whose body is one expression. The planner puts the expression in the place of the
 * function, as it does in queries, so a turn only evaluates it. As a function, its body would be
 * started as a query each time.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/params.h"
#include "optimizer/optimizer.h"
#include "utils/syscache.h"

#include "turn/handler.h"
#include "turn/noted.h"

struct HandlerExpression
{
	ExprState *state;
	ExprContext *context;
	ParamListInfo parameters;
	bool session_locks; /* has functions for them */
};

static bool
is_sql(HeapTuple tuple)
{
	return HeapTupleIsValid(tuple) && ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId;
}

/* Parameters are numbered from 1. */
static Expr *
parameter(ParamListInfo parameters, int i, Oid type)
{
	Param *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = i + 1;
	param->paramtype = type;
	param->paramtypmod = -1;
	param->location = -1;
	parameters->params[i] = (ParamExternData){.ptype = type};
	return (Expr *) param;
}

/* NULL: the planner leaves the call of the function as it is. */
static Expr *
inline_body(Oid function, Form_pg_proc proc, ParamListInfo parameters)
{
	List *arguments = NIL;
	Expr *expression;

	for (int i = 0; i < HANDLER_ARGUMENTS; i++)
		arguments = lappend(arguments, parameter(parameters, i, proc->proargtypes.values[i]));
	expression = expression_planner((Expr *) makeFuncExpr(
		function, proc->prorettype, arguments, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
	if (IsA(expression, FuncExpr) && ((FuncExpr *) expression)->funcid == function)
		return NULL;
	return expression;
}

HandlerExpression *
dgen_handler_expression(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	HandlerExpression *handler = NULL;

	if (is_sql(tuple))
	{
		ParamListInfo parameters = makeParamList(HANDLER_ARGUMENTS);
		Expr *body = inline_body(function, (Form_pg_proc) GETSTRUCT(tuple), parameters);

		if (body != NULL)
		{
			const uint64 before = dgen_session_locks_prepared();

			handler = palloc(sizeof(*handler));
			handler->parameters = parameters;
			handler->state = ExecInitExprWithParams(body, parameters);
			handler->session_locks = dgen_session_locks_prepared() != before;
			handler->context = CreateStandaloneExprContext();
			handler->context->ecxt_param_list_info = parameters;
		}
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return handler;
}

Datum
dgen_evaluate_handler(HandlerExpression *handler, const Datum *arguments, bool *isnull)
{
	for (int i = 0; i < HANDLER_ARGUMENTS; i++)
		handler->parameters->params[i].value = arguments[i];
	if (handler->session_locks)
		dgen_note_session_locks();
	ResetExprContext(handler->context);
	return ExecEvalExpr(handler->state, handler->context, isnull);
}
