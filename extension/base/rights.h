/*
 * The way from a public function into the private one that runs with the privileges of the
 * extension's owner, and the role that has called the public one. Needs a transaction.
 */
#ifndef DGEN_BASE_RIGHTS_H
#define DGEN_BASE_RIGHTS_H

#include "postgres.h"

#include "fmgr.h"

/* The role that called the public function that runs now; GetUserId() outside of one. */
extern Oid dgen_calling_role(void);

/* For private functions that C calls. Returns what the caller has to set again afterwards. */
extern Oid dgen_set_calling_role(Oid role);

/*
 * Calls the private function that has the name of the public one that fcinfo calls, with an
 * underscore before it, and the same argument types; with_text says that it has one more, of type
 * text. The arguments are those of fcinfo unless the caller brings its own. Raises 25006 where a
 * function that writes cannot, and whatever the private function raises.
 */
extern Datum dgen_call_private(FunctionCallInfo fcinfo, NullableDatum *args, int nargs,
							   bool with_text);

#endif /* DGEN_BASE_RIGHTS_H */
