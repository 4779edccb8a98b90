/*
 * Handlers: for code that names one in a type, and for code that runs it (check_handler.c).
 */
#ifndef DGEN_TURN_CHECK_HANDLER_H
#define DGEN_TURN_CHECK_HANDLER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#define HANDLER_SIGNATURE "(dgen.context, jsonb, jsonb)"
#define HANDLER_DECLARATION \
	"CREATE FUNCTION %s(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome"

#define HANDLER_DROP_PROCEDURE "Drop the procedure, and create a function in its place: "

/* The function with that signature, on the search_path unless qualified; InvalidOid: none. */
extern Oid dgen_find_handler(List *names);
/*
 * Those that have the name, and are none, for a message; NULL: none. Is a procedure in the way of a
 * function with these arguments?
 */
extern char *dgen_other_functions(List *names, bool *in_the_way);
/* Of a qualified name, as types keep it; raises DGEN_ERR_INVALID_HANDLER. */
extern Oid dgen_resolve_handler(const char *name);

/* Raises unless the function can be the handler of the owner's types. */
extern void dgen_check_handler(const char *name, Oid oid, Oid owner);

#endif /* DGEN_TURN_CHECK_HANDLER_H */
