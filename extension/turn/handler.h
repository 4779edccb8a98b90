/*
 * SQL handlers whose body is one expression, which dgen evaluates without a function call
 * (handler.c).
 */
#ifndef DGEN_TURN_HANDLER_H
#define DGEN_TURN_HANDLER_H

#include "postgres.h"

#define HANDLER_ARGUMENTS 3

typedef struct HandlerExpression HandlerExpression;

/*
 * Makes it in the current memory context; NULL: the function must be called. The privileges and the
 * search_path are those of the turns. The caller discards it when a function or a type changes.
 */
extern HandlerExpression *dgen_handler_expression(Oid function);
/* None of the arguments is NULL. Raises whatever the handler does. */
extern Datum dgen_evaluate_handler(HandlerExpression *handler, const Datum *arguments,
								   bool *isnull);

#endif /* DGEN_TURN_HANDLER_H */
