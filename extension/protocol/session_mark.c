/*
 * A connection pooler resets a session before it gives the session to another client. The worker
 * that attached there is gone then, but its session lives on, and dgen's notes of it in shared
 * memory would still count as owned (H26). So dgen sets a setting that is never shown when a
 * session attaches, and finds another value in it after DISCARD ALL or RESET ALL:
 *
 *     attach ──mark set──> worker ──DISCARD ALL──> mark gone ──commit──> detached (attach.c)
 *                            └──RESET ALL in a turn──> mark gone ──before commit──> set again
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "protocol/protocol.h"

#define NAME "dgen.session_mark"

static int mark = 0;
static bool claiming = false; /* in this transaction */

void
dgen_session_mark_init(void)
{
	DefineCustomIntVariable(NAME, "Tells whether the session was reset since a worker attached.",
							NULL, &mark, 0, 0, INT_MAX, PGC_SUSET,
							GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, NULL, NULL,
							NULL);
}

static void
set(int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	SetConfigOption(NAME, text, PGC_SUSET, PGC_S_SESSION);
}

/* Part of the transaction, as attaching is. */
int
dgen_session_mark_new(void)
{
	static int last = 0;

	last = last % (INT_MAX - 1) + 1;
	set(last);
	return last;
}

/* Whatever a turn resets in this transaction, the client is there. */
void
dgen_session_mark_claims(void)
{
	claiming = true;
}

/* Before the commit, which makes it last: can raise. A later reset applies. */
void
dgen_session_mark_keep(int value)
{
	if (claiming && value != 0 && value != mark)
		set(value);
}

/* At the end of a transaction that has committed, or not: was the session reset? */
bool
dgen_session_mark_lost(int value, bool committed)
{
	claiming = false;
	return committed && value != 0 && value != mark;
}
