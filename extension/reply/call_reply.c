/*
 * The reply that a handler gives with dgen.send_reply or dgen.fail_request to the dgen.call that runs it.
 * An inline call has no row in dgen.request, because only the waiting transaction could read it. If a
 * subtransaction is rolled back, a reply that was given in it is discarded.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"

#include "actor/actor_type.h"
#include "base/rights.h"
#include "reply/reply.h"
#include "send/request.h"

typedef struct Expected
{
	int64 id; /* of the call's message; 0: no call runs */
	const ActorType *type;
	MemoryContext context; /* of the reply */
	SubTransactionId subid;
	bool given;
	Reply reply;
} Expected;

static Expected expected;

/* A reply of a subtransaction belongs to the parent after the subtransaction commits. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (!expected.given || expected.subid != subid)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		expected.subid = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		expected.given = false;
}

void
dgen_expect_reply(int64 id, const ActorType *type)
{
	static bool registered = false;

	if (!registered)
		RegisterSubXactCallback(at_subtransaction_end, NULL);
	registered = true;
	memset(&expected, 0, sizeof(expected));
	expected.id = id;
	expected.type = type;
	expected.context = CurrentMemoryContext;
}

bool
dgen_is_expected(int64 id)
{
	return id != 0 && id == expected.id;
}

static char *
copy(const char *value)
{
	return value == NULL ? NULL : pstrdup(value);
}

bool
dgen_give_expected(const Reply *reply)
{
	MemoryContext old;

	dgen_check_privilege(expected.type, dgen_calling_role(), PRIVILEGE_WORK);
	if (expected.given)
		return false;
	old = MemoryContextSwitchTo(expected.context);
	expected.reply.reply =
		reply->error != NULL ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(reply->reply));
	expected.reply.error = copy(reply->error);
	expected.reply.sqlstate = copy(reply->sqlstate);
	expected.reply.hint = copy(reply->hint);
	MemoryContextSwitchTo(old);
	expected.subid = GetCurrentSubTransactionId();
	expected.given = true;
	return true;
}

bool
dgen_expect_no_more(Reply *reply)
{
	bool given = expected.given;

	*reply = expected.reply;
	memset(&expected, 0, sizeof(expected));
	return given;
}
