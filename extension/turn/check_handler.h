/*
 * Handlers: finding the function that a type names, and checking that it can be run
 * (check_handler.c).
 */
#ifndef DGEN_TURN_CHECK_HANDLER_H
#define DGEN_TURN_CHECK_HANDLER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#define HANDLER_SIGNATURE "(dgen.context, jsonb, jsonb)"
#define HANDLER_DECLARATION \
	"CREATE FUNCTION %s(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome"

#define HANDLER_DROP_PROCEDURE "Drop the procedure, and create a function in its place: "

/* Finds the function with the signature, on the search_path unless qualified; InvalidOid: none. */
extern Oid dgen_find_handler(List *names);
/*
 * Lists, for an error text, the functions with the name that are no handlers; NULL: none.
 * *in_the_way: a procedure has the arguments of a handler, so no such function can be created.
 */
extern char *dgen_other_functions(List *names, bool *in_the_way);
/* Finds it by a qualified name, as types keep it; raises DGEN_ERR_INVALID_HANDLER. */
extern Oid dgen_resolve_handler(const char *name);

/* Raises unless the function can be the handler of the owner's types. */
extern void dgen_check_handler(const char *name, Oid oid, Oid owner);

#endif /* DGEN_TURN_CHECK_HANDLER_H */
