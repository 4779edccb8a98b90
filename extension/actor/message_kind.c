/*
 * The name of the kind of a message, which handlers and workers see as ctx.kind.
 */
#include "postgres.h"

#include "actor/message_kind.h"

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
