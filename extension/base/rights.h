/*
 * Into functions that run with dgen's own rights, and who has called them.
 */
#ifndef DGEN_BASE_RIGHTS_H
#define DGEN_BASE_RIGHTS_H

#include "postgres.h"

#include "fmgr.h"

/* The role that called the public function that is now running; GetUserId() outside of one. */
extern Oid dgen_calling_role(void);
/* For private functions that C calls; returns what is to be set afterwards. */
extern Oid dgen_set_calling_role(Oid role);

/*
 * Calls the private function that has the name of the public one that fcinfo
 * calls, with an underscore before it, and the same argument types; with_text says
 * that it has one more, of type text. Runs it with the rights of the extension's
 * owner. The arguments are those of fcinfo unless the caller brings its own.
 */
extern Datum dgen_call_private(FunctionCallInfo fcinfo, NullableDatum *args, int nargs,
							   bool with_text);

#endif /* DGEN_BASE_RIGHTS_H */
