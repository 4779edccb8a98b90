/*
 * Kinds of messages, as handlers and workers see them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/typcache.h"

#include "actor/actor.h"

const char *
dgen_kind_name(char kind)
{
	switch (kind)
	{
		case KIND_REQUEST:
			return "call";
		case KIND_REPLY:
			return "reply";
		case KIND_TIMER:
			return "timer";
		case KIND_DEAD_LETTER:
			return "dead_letter";
		case KIND_ACTION:
			return "action";
		default:
			return "cast";
	}
}
