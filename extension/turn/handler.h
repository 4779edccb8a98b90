/*
 * Handlers in SQL that are one expression.
 */
#ifndef DGEN_TURN_HANDLER_H
#define DGEN_TURN_HANDLER_H

#include "postgres.h"

#define HANDLER_ARGUMENTS 3

typedef struct HandlerExpression HandlerExpression;

/*
 * In the current memory context; NULL: the function has to be called. To be called with the
 * rights and the search_path of its turns, and forgotten when a function or a type changes.
 */
extern HandlerExpression *dgen_handler_expression(Oid function);
/* None of the arguments is NULL. */
extern Datum dgen_evaluate_handler(HandlerExpression *handler, const Datum *arguments,
								   bool *isnull);

#endif /* DGEN_TURN_HANDLER_H */
