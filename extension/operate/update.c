/*
 * ALTER EXTENSION dgen UPDATE: the check that an update script makes first.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/base.h"
#include "table/installed.h"
#include "table/table.h"
#include "wake/wake.h"

PG_FUNCTION_INFO_V1(dgen_check_update);

/*
 * For dgen._begin_update. A path of several scripts ends at the library's version, and only
 * then the two fit. True if other sessions have this library, too.
 */
Datum
dgen_check_update(PG_FUNCTION_ARGS)
{
	dgen_check_script_version(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	dgen_tell_of_change();
	dgen_wakeup_orders();
	PG_RETURN_BOOL(dgen_is_preloaded);
}
