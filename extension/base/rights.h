/*
 * How a public function calls the private one that runs with the privileges of the extension's owner, and
 * which role called the public one. Needs a transaction.
 */
#ifndef DGEN_BASE_RIGHTS_H
#define DGEN_BASE_RIGHTS_H

#include "postgres.h"

#include "fmgr.h"

/* Returns the role that called the public function that runs now; GetUserId() outside of one. */
extern Oid dgen_calling_role(void);

/* For private functions that C calls. Returns the role that the caller must set again afterwards. */
extern Oid dgen_set_calling_role(Oid role);

/*
 * fcinfo calls a public function. Calls the private one with an underscore before the same name and with
 * the same argument types; with_text: and one more, of type text. The arguments are those of fcinfo
 * unless the caller passes its own. Raises 25006 if the function writes and the transaction cannot, and
 * whatever the private function raises.
 */
extern Datum dgen_call_private(FunctionCallInfo fcinfo, NullableDatum *args, int nargs,
							   bool with_text);

#endif /* DGEN_BASE_RIGHTS_H */
