/*
 * What the public functions share that do their work in a private function.
 */
#ifndef DGEN_RIGHTS_H
#define DGEN_RIGHTS_H

#include "fmgr.h"

/*
 * Calls the private function that has the name of the public one that fcinfo
 * calls, with an underscore before it, and the same argument types; with_text says
 * that it has one more, of type text. Runs it with the rights of the extension's
 * owner. The arguments are those of fcinfo unless the caller brings its own.
 */
extern Datum dgen_call_private(FunctionCallInfo fcinfo, NullableDatum *args, int nargs,
							   bool with_text);

#endif /* DGEN_RIGHTS_H */
