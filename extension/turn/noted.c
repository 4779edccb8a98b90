/*
 * Functions of the server that leave something in a session: might this transaction have called
 * one? A search for what they leave costs more than a turn should pay.
 *
 * The server announces a function when it prepares an expression with it. That is before the first
 * call, and might be the only time in a transaction, so the note applies until the transaction
 * ends. Expressions that were prepared before this library was loaded are not known: in that
 * transaction dgen assumes a call. An alias that a superuser has made (LANGUAGE internal) is not
 * recognized.
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "utils/fmgroids.h"

#include "turn/noted.h"
#include "turn/session_locks.h"
#include "version/process.h"

static object_access_hook_type previous_object_access_hook = NULL;

/* The last transaction that has prepared one, of each kind. */
static LocalTransactionId noted[NOTED_KINDS] = {InvalidLocalTransactionId};
static uint64 session_locks = 0;

bool
dgen_is_noted(NotedKind kind)
{
	return noted[kind] == DGEN_MY_LXID;
}

uint64
dgen_session_locks_prepared(void)
{
	return session_locks;
}

void
dgen_note_session_locks(void)
{
	session_locks++;
	dgen_session_locks_expect();
	noted[NOTED_SESSION_LOCKS] = DGEN_MY_LXID;
}

/* The functions for advisory locks of the session have numbers in a row. */
static void
note_function(Oid function)
{
	if (function >= F_PG_ADVISORY_LOCK_INT8 && function <= F_PG_ADVISORY_UNLOCK_ALL)
		dgen_note_session_locks();
	else if (function == F_LO_OPEN)
		noted[NOTED_LARGE_OBJECTS] = DGEN_MY_LXID;
}

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int part, void *argument)
{
	if (access == OAT_FUNCTION_EXECUTE)
		note_function(object);
	if (previous_object_access_hook != NULL)
		previous_object_access_hook(access, class, object, part, argument);
}

void
dgen_noted_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
	for (int i = 0; MyProc != NULL && i < NOTED_KINDS; i++)
		noted[i] = DGEN_MY_LXID;
}
